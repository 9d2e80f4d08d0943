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

    /// RFC 7693, 2.7. The last two rounds are the first two again.
    private static let schedule: [[Int]] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
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
        count += UInt64(held.count)
        held += repeatElement(0, count: Self.blockBytes - held.count)
        let words = InlineArray<16, UInt64> { index in
            var word: UInt64 = 0
            for byte in held[(8 * index)..<(8 * index + 8)].reversed() {
                word = word << 8 | UInt64(byte)
            }
            return word
        }
        compress(words, isLast: isLast)
        held.removeAll(keepingCapacity: true)
    }

    /// RFC 7693, 3.2. The count of bytes stays below 2 to the 64.
    private mutating func compress(_ words: InlineArray<16, UInt64>, isLast: Bool) {
        var v = InlineArray<16, UInt64> { $0 < 8 ? state[$0] : Self.initial[$0 - 8] }
        v[12] ^= count
        if isLast { v[14] = ~v[14] }
        func mix(_ a: Int, _ b: Int, _ c: Int, _ d: Int, _ x: UInt64, _ y: UInt64) {
            v[a] = v[a] &+ v[b] &+ x
            v[d] = Self.rotated(v[d] ^ v[a], 32)
            v[c] = v[c] &+ v[d]
            v[b] = Self.rotated(v[b] ^ v[c], 24)
            v[a] = v[a] &+ v[b] &+ y
            v[d] = Self.rotated(v[d] ^ v[a], 16)
            v[c] = v[c] &+ v[d]
            v[b] = Self.rotated(v[b] ^ v[c], 63)
        }
        for round in 0..<12 {
            let order = Self.schedule[round % 10]
            for column in 0..<4 {
                mix(
                    column, column + 4, column + 8, column + 12, words[order[2 * column]],
                    words[order[2 * column + 1]])
            }
            for column in 0..<4 {
                mix(
                    column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4,
                    words[order[8 + 2 * column]], words[order[9 + 2 * column]])
            }
        }
        for index in 0..<8 { state[index] ^= v[index] ^ v[index + 8] }
    }

    private static func rotated(_ word: UInt64, _ by: UInt64) -> UInt64 {
        word >> by | word << (64 - by)
    }
}
