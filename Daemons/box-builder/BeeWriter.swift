import ServiceModel

/// Writes a package as it is made, without output of its own.
///
/// Keeps true: no record has more than a chunk; a marker stands where its block starts and ends; what
/// is held is one chunk and what was not taken yet.
package struct BeeWriter {
    private var out: [UInt8] = []
    private var chunk: [UInt8] = []
    private var open: [BeeRecord.Block] = []

    package init() {}

    /// What is ready to be written.
    package mutating func take() -> [UInt8] {
        defer { out.removeAll(keepingCapacity: true) }
        return out
    }

    package var readyBytes: Int { out.count }

    package mutating func metadata(_ bytes: [UInt8]) {
        var record = BeeRecord()
        record.chunk = bytes[...]
        record.head = BeeRecord.Head(1)
        record.isSeparator = true
        put(record)
    }

    package mutating func service() {
        var record = BeeRecord()
        record.head = BeeRecord.Head(2)
        put(record)
    }

    /// More bytes of the expanded service.
    package mutating func bytes(_ run: some Collection<UInt8>) {
        var rest = run[...]
        while !rest.isEmpty {
            let part = rest.prefix(BeeRecord.chunkBytesMax - chunk.count)
            chunk += part
            rest = rest.dropFirst(part.count)
            if chunk.count == BeeRecord.chunkBytesMax { flush() }
        }
    }

    /// A block starts. One that ends without any bytes is left out: the receiver has it.
    package mutating func blockBegins(_ block: BeeRecord.Block) {
        flush()
        open.append(block)
        put(block)
    }

    package mutating func blockEnds() {
        flush()
        guard let block = open.popLast() else { return }
        put(block)
    }

    package mutating func end() {
        flush()
        var record = BeeRecord()
        record.isSeparator = true
        put(record)
    }

    private mutating func put(_ block: BeeRecord.Block) {
        var record = BeeRecord()
        record.block = block
        put(record)
    }

    private mutating func flush() {
        guard !chunk.isEmpty else { return }
        var record = BeeRecord()
        record.chunk = chunk[...]
        put(record)
        chunk.removeAll(keepingCapacity: true)
    }

    private mutating func put(_ record: BeeRecord) {
        let bytes = record.encoded()
        let length = UInt32(bytes.count)
        for shift in [24, 16, 8, 0] { out.append(UInt8(truncatingIfNeeded: length >> shift)) }
        out += bytes
    }
}
