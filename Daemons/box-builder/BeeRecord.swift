package import ServiceModel

/// One record of a package: a serialized `buffer.Buffer` (celaut-wire-facts, "Packages"). A package is
/// records until the end of the file, each behind its length in four bytes, the highest first.
package struct BeeRecord: ProtoMessage {
    // LIMIT: bytes of a record. Those who write packages cut at 1 MiB; a transport that carries
    // them takes 4. One record is what a reader holds. Past it TOO_LARGE.
    package static let bytesMax = ProtoField.messageBytesMax

    // LIMIT: bytes of a chunk that is written: what readers elsewhere expect at most.
    package static let chunkBytesMax = 1 << 20

    /// Bytes of the message that is being sent.
    package var chunk: ArraySlice<UInt8>?
    /// The message ends with this record.
    package var isSeparator = false
    package var isSignal = false
    /// A message starts.
    package var head: Head?
    /// A block starts, or ends where the same block is open.
    package var block: Block?

    package init() {}

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: chunk = try field.slice()
        case 2: isSeparator = try field.flag()
        case 3: isSignal = try field.flag()
        case 4: try field.merge(into: &head)
        case 5: try field.merge(into: &block)
        // 6 asks a sender to leave a block out, on connections that go both ways.
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        if let chunk {
            writer.head(1, length: UInt64(chunk.count))
            writer.raw(Array(chunk))
        }
        writer.flag(2, isSeparator)
        writer.flag(3, isSignal)
        writer.message(4, head)
        writer.message(5, block)
    }

    /// Which message starts: 1 is the metadata, 2 the service.
    package struct Head: ProtoMessage {
        package var index: UInt64 = 0

        package init() {}

        package init(_ index: UInt64) {
            self.index = index
        }

        package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
            // Partitions (2) choose parts of a message; a package has whole ones.
            if field.number == 1 { index = try field.unsigned() }
        }

        package func write(to writer: inout ProtoWriter) {
            writer.number(1, index)
        }
    }

    /// The name of a run of bytes that stands somewhere in a message, and how to find the lengths
    /// around it. The same form, without positions, points at a block where its bytes are left out.
    package struct Block: ProtoMessage {
        package var hashes: [Hash] = []
        /// Offsets, in the whole expanded message, of the lengths around the block, outermost first.
        /// The last is the block's own.
        package var positions: [UInt64] = []

        package init() {}

        package init(sha3: [UInt8], positions: [UInt64] = []) {
            hashes = [Hash(.sha3, value: sha3)]
            self.positions = positions
        }

        package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
            switch field.number {
            case 1: hashes.append(try field.message())
            case 2: positions += try field.packedNumbers()
            default: break
            }
        }

        package func write(to writer: inout ProtoWriter) {
            writer.messages(1, hashes)
            guard !positions.isEmpty else { return }
            var packed = ProtoWriter()
            for position in positions { packed.varint(position) }
            writer.always(2, blob: packed.bytes)
        }
    }
}
