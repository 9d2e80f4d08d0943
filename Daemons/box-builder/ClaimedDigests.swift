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
        for algorithm in Hash.Algorithm.allCases {
            let type = algorithm.type
            let said = claimed.filter { $0.type == type }
            guard !said.isEmpty, let value = computed(algorithm, sha3: sha3) else { continue }
            guard let lie = said.first(where: { $0.value != value }) else { continue }
            throw Fault(
                .corrupt, subject: Hexadecimal.text(lie.value), lines: [Hexadecimal.text(value)])
        }
    }

    /// The digest that the bytes have; nil of an algorithm of which none is claimed.
    func computed(_ algorithm: Hash.Algorithm, sha3: [UInt8]) -> [UInt8]? {
        switch algorithm {
        case .sha3: sha3
        case .sha2: sha2.map { Array($0.finalize()) }
        case .blake2b: blake2b?.finalize()
        }
    }
}
