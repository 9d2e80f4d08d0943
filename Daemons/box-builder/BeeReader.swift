import ServiceModel

/// Reads a package as it comes, in runs of any size, without input or output of its own.
///
/// Keeps true: what it gives on is in the order of the package; a block that was opened is closed by
/// its own marker before the service ends; at `end` everything has ended. It holds one record.
/// Refuses, with the offset of the record: records that are not protobuf or larger than their bound,
/// bytes that belong to no message, messages other than the two, markers that do not nest, and an
/// end before the end.
package struct BeeReader {
    /// What a package says, in order.
    package enum Event: Equatable {
        /// All of the metadata, before the service.
        case metadata([UInt8])
        case service
        /// Bytes of the expanded service, those of blocks too.
        case bytes(ArraySlice<UInt8>)
        case blockBegins(BeeRecord.Block)
        case blockEnds
        case serviceEnds
    }

    // LIMIT: bytes of the metadata, which is decoded at once. Names and digests are a few kilobytes.
    package static let metadataBytesMax = 1 << 20

    // LIMIT: blocks within blocks. A tree block has the blocks of its files in it; a tree block within
    // a tree block can be at every directory. Bounds what hashing each costs.
    package static let blockDepthMax = 16

    private enum Phase {
        case before
        case metadata
        case service
        case after
    }

    /// Bytes of the package before the record that is being read.
    package private(set) var offset: UInt64 = 0
    private var phase = Phase.before
    private var hasMetadata = false
    private var metadata: [UInt8] = []
    private var open: [BlockName] = []
    /// What is there of the record, its length first.
    private var held: [UInt8] = []
    /// What the last record said and was not given yet.
    private var events: [Event] = []

    package init() {}

    /// Takes from a run of bytes what the next event needs.
    ///
    /// - Returns: nil where the run is used up.
    package mutating func next(
        _ run: inout ArraySlice<UInt8>
    ) throws(PackageError) -> Event? {
        while events.isEmpty {
            guard let record = try record(&run) else { return nil }
            try take(record)
            offset += UInt64(held.count)
            held.removeAll(keepingCapacity: true)
        }
        return events.removeFirst()
    }

    /// There is no more.
    package func end() throws(PackageError) {
        guard held.isEmpty, case .after = phase else {
            throw PackageError(.truncated, offset + UInt64(held.count))
        }
    }

    private mutating func record(
        _ run: inout ArraySlice<UInt8>
    ) throws(PackageError) -> BeeRecord? {
        if held.count < 4 {
            let part = run.prefix(4 - held.count)
            held += part
            run = run.dropFirst(part.count)
            guard held.count == 4 else { return nil }
        }
        let length = held.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        guard length <= BeeRecord.bytesMax else {
            throw PackageError(
                .tooLarge(limit: UInt64(BeeRecord.bytesMax), actual: UInt64(length)), offset)
        }
        let part = run.prefix(4 + length - held.count)
        held += part
        run = run.dropFirst(part.count)
        guard held.count == 4 + length else { return nil }
        do throws(ProtoError) {
            return try BeeRecord(decoding: Array(held.dropFirst(4)))
        } catch {
            throw PackageError(.malformed("record"), offset)
        }
    }

    private mutating func take(_ record: BeeRecord) throws(PackageError) {
        if let head = record.head { try begin(head) }
        if let block = record.block {
            // A marker has no bytes of its own: on which side of it would they stand?
            guard record.chunk == nil else { throw refused("block") }
            try mark(block)
        }
        if let chunk = record.chunk, !chunk.isEmpty { try take(chunk) }
        if record.isSeparator { try separate() }
    }

    private mutating func take(_ chunk: ArraySlice<UInt8>) throws(PackageError) {
        switch phase {
        case .metadata:
            let count = metadata.count + chunk.count
            guard count <= Self.metadataBytesMax else {
                throw PackageError(
                    .tooLarge(limit: UInt64(Self.metadataBytesMax), actual: UInt64(count)), offset)
            }
            metadata += chunk
        case .service: events.append(.bytes(chunk))
        case .before, .after: throw refused("chunk")
        }
    }

    private mutating func begin(_ head: BeeRecord.Head) throws(PackageError) {
        guard case .before = phase else { throw refused("head") }
        switch head.index {
        case 1 where !hasMetadata:
            phase = .metadata
            hasMetadata = true
        case 2:
            phase = .service
            events.append(.service)
        default: throw refused("head")
        }
    }

    private mutating func mark(_ block: BeeRecord.Block) throws(PackageError) {
        guard case .service = phase, let name = block.names.first else { throw refused("block") }
        if open.last == name {
            open.removeLast()
            events.append(.blockEnds)
            return
        }
        // Nothing holds itself.
        guard !open.contains(name) else { throw refused("block") }
        guard open.count < Self.blockDepthMax else {
            throw PackageError(
                .tooDeep(limit: UInt64(Self.blockDepthMax), actual: UInt64(open.count) + 1), offset)
        }
        open.append(name)
        events.append(.blockBegins(block))
    }

    private mutating func separate() throws(PackageError) {
        switch phase {
        case .metadata:
            phase = .before
            events.append(.metadata(metadata))
            metadata = []
        case .service:
            guard open.isEmpty else { throw refused("separator") }
            phase = .after
            events.append(.serviceEnds)
        case .before, .after: throw refused("separator")
        }
    }

    private func refused(_ part: String) -> PackageError {
        PackageError(.unexpected(part), offset)
    }
}
