internal import CKeccak

/// SHA3-256 (FIPS 202) as a stream: what names a service.
package struct ServiceHash: Sendable {
    /// Bytes of a block: the rate of SHA3-256.
    private static let blockBytes = 136

    private var state = [UInt64](repeating: 0, count: 25)
    /// The start of a block.
    private var held: [UInt8] = []

    package init() {
        held.reserveCapacity(Self.blockBytes)
    }

    package mutating func update(bufferPointer bytes: UnsafeRawBufferPointer) {
        var start = 0
        if !held.isEmpty {
            start = min(Self.blockBytes - held.count, bytes.count)
            unsafe held.append(contentsOf: bytes[..<start])
            guard held.count == Self.blockBytes else { return }
            takeHeld()
        }
        let whole = (bytes.count - start) / Self.blockBytes * Self.blockBytes
        if whole > 0 {
            let blocks = unsafe UnsafeRawBufferPointer(rebasing: bytes[start..<(start + whole)])
            unsafe absorb(blocks)
        }
        unsafe held.append(contentsOf: bytes[(start + whole)...])
    }

    package mutating func update(data: [UInt8]) {
        // SAFETY: bytes have no padding; they are read during the call.
        unsafe data.withUnsafeBytes { unsafe update(bufferPointer: $0) }
    }

    /// 32 bytes.
    package func finalize() -> [UInt8] {
        var last = self
        // FIPS 202, 5.1 and 6.1: the suffix 01, then the padding 10*1.
        last.held.append(0x06)
        last.held += repeatElement(0, count: Self.blockBytes - last.held.count)
        last.held[Self.blockBytes - 1] |= 0x80
        last.takeHeld()
        return last.state[..<4].flatMap { word in
            stride(from: 0, to: 64, by: 8).map { UInt8(truncatingIfNeeded: word >> $0) }
        }
    }

    private mutating func takeHeld() {
        let block = held
        held.removeAll(keepingCapacity: true)
        // SAFETY: as above.
        unsafe block.withUnsafeBytes { unsafe absorb($0) }
    }

    // SAFETY: whole blocks are read, and the 25 words written, during the call only.
    private mutating func absorb(_ blocks: UnsafeRawBufferPointer) {
        unsafe state.withUnsafeMutableBufferPointer { words in
            unsafe celaut_keccak_absorb(
                words.baseAddress, blocks.bindMemory(to: UInt8.self).baseAddress, blocks.count)
        }
    }
}
