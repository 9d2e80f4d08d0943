import Interfaces
import ServiceModel
import SharedCrypto

/// The digests that a sender says some bytes have: of a service in the metadata of its package, of a
/// block in its marker.
///
/// Keeps true: each that an algorithm known here makes is computed over the bytes, and compared. One of
/// an algorithm nobody here knows says nothing.
struct ClaimedDigests {
    private let claimed: [Hash]
    private var sha2: SHA256?
    private var blake2b: Blake2b?

    init(_ claimed: [Hash]) {
        self.claimed = claimed
        let types = Set(claimed.map(\.type))
        // Hashing costs: only what is claimed is computed.
        sha2 = types.contains(Hash.Algorithm.sha2.type) ? SHA256() : nil
        blake2b = types.contains(Hash.Algorithm.blake2b.type) ? Blake2b() : nil
    }

    mutating func take(_ run: ArraySlice<UInt8>) {
        guard sha2 != nil || blake2b != nil else { return }
        // SAFETY: the run is only read, during the calls.
        unsafe run.withUnsafeBytes { bytes in
            unsafe sha2?.update(bufferPointer: bytes)
            unsafe blake2b?.update(bufferPointer: bytes)
        }
    }

    /// Whether any of some digests is one that would be compared.
    static func areKnown(_ hashes: [Hash]) -> Bool {
        let known = Set(Hash.Algorithm.allCases.map(\.type))
        return hashes.contains { known.contains($0.type) }
    }

    /// - Parameter sha3: of the same bytes.
    /// - Throws: CORRUPT, with the digest that was claimed and, in its lines, the one they have.
    func check(sha3: [UInt8]) throws(Fault) {
        var computed = [Hash.Algorithm.sha3.type: sha3]
        computed[Hash.Algorithm.sha2.type] = sha2.map { Array($0.finalize()) }
        computed[Hash.Algorithm.blake2b.type] = blake2b?.finalize()
        for claim in claimed {
            guard let value = computed[claim.type], value != claim.value else { continue }
            throw Fault(
                .corrupt, subject: Hexadecimal.text(claim.value), lines: [Hexadecimal.text(value)])
        }
    }
}
