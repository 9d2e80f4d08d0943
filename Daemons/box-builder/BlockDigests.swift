import Interfaces
import ServiceModel
import SharedCrypto

/// The bytes of a block as they come, hashed for every digest that is said of them, and for their
/// SHA3-256, by which contents are known to other nodes.
struct BlockDigests {
    private(set) var bytes: UInt64 = 0
    private var sha3Hash = SHA3_256()
    private var claims: ClaimedDigests

    init(_ hashes: [Hash]) {
        claims = ClaimedDigests(hashes)
    }

    mutating func take(_ run: ArraySlice<UInt8>) {
        sha3Hash.take(run)
        claims.take(run)
        bytes += UInt64(run.count)
    }

    var sha3: [UInt8] { Array(sha3Hash.finalize()) }

    /// - Throws: CORRUPT, where a digest known here is said that they have not.
    func check() throws(Fault) {
        try claims.check(sha3: sha3)
    }

    /// Whether they have a digest that is said of them.
    func have(_ name: BlockName) -> Bool {
        claims.computed(name.algorithm, sha3: sha3) == name.value
    }
}
