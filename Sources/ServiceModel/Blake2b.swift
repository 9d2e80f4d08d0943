internal import CKeccak

/// BLAKE2b with digests of 32 bytes and no key (RFC 7693) as a stream: the third algorithm services
/// are named by. Written here because swift-crypto has no BLAKE2 and a library for eighty lines would
/// be one more to ship; checked against another implementation.
package struct Blake2b: Sendable {
    private static let blockBytes = 128

    /// RFC 7693, 2.6: those of SHA-512.
    private static let initial: [UInt64] = [
        0x6A09_E667_F3BC_C908, 0xBB67_AE85_84CA_A73B, 0x3C6E_F372_FE94_F82B, 0xA54F_F53A_5F1D_36F1,
        0x510E_527F_ADE6_82D1, 0x9B05_688C_2B3E_6C1F, 0x1F83_D9AB_FB41_BD6B, 0x5BE0_CD19_137E_2179,
    ]

    private var state: [UInt64]
    private var held: [UInt8] = []
    private var count: UInt64 = 0

    package init() {
        state = Self.initial
        // The parameter block: 32 bytes of digest, no key, fanout and depth 1.
        state[0] ^= 0x0101_0020
        held.reserveCapacity(Self.blockBytes)
    }

    package mutating func update(bufferPointer bytes: UnsafeRawBufferPointer) {
        var start = 0
        while start < bytes.count {
            // The last block is told apart from the others, so a full one waits for what follows.
            if held.count == Self.blockBytes { takeHeld(isLast: false) }
            if held.isEmpty, bytes.count - start > Self.blockBytes {
                let end = start + Self.blockBytes
                // SAFETY: the range is inside.
                unsafe take(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), isLast: false)
                start = end
                continue
            }
            let end = min(bytes.count, start + Self.blockBytes - held.count)
            // SAFETY: copied during the call; the range is inside.
            unsafe held.append(contentsOf: bytes[start..<end])
            start = end
        }
    }

    /// 32 bytes.
    package func finalize() -> [UInt8] {
        var last = self
        last.takeHeld(isLast: true)
        return last.state[..<4].flatMap { word in
            stride(from: 0, to: 64, by: 8).map { UInt8(truncatingIfNeeded: word >> $0) }
        }
    }

    private mutating func takeHeld(isLast: Bool) {
        let block = held + repeatElement(0, count: Self.blockBytes - held.count)
        let padding = Self.blockBytes - held.count
        held.removeAll(keepingCapacity: true)
        // SAFETY: bytes have no padding; they are read during the call.
        unsafe block.withUnsafeBytes { unsafe take($0, padding: padding, isLast: isLast) }
    }

    /// - Parameter block: 128 bytes. The count of all of them stays below 2 to the 64.
    // SAFETY: the block is read, and the 8 words written, during the call only.
    private mutating func take(_ block: UnsafeRawBufferPointer, padding: Int = 0, isLast: Bool) {
        count += UInt64(block.count - padding)
        let count = count
        unsafe state.withUnsafeMutableBufferPointer { words in
            unsafe celaut_blake2b_compress(
                words.baseAddress, block.bindMemory(to: UInt8.self).baseAddress, count,
                isLast ? 1 : 0)
        }
    }
}
