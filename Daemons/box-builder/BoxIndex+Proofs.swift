import FoundationEssentials
import GRDB
package import Interfaces
package import ServiceModel

/// Where opinions on a box stand (`Metadata.reputation_proofs`): what its description says, and what
/// packages of it said that came in.
///
/// They are claims, whoever made them: what a ledger has is found there. They are not part of the box.
extension BoxIndex {
    // LIMIT: bytes of all proofs of a box; they fit a reply with everything else in it.
    package static let proofsBytesMax = 16_384

    /// - Throws: TOO_LARGE for more than are kept of a box.
    package static func check(_ proofs: [Contract]) throws(Fault) {
        let bytes = proofs.reduce(0) { $0 + $1.encoded().count }
        guard bytes <= proofsBytesMax else {
            throw .tooLarge(
                subject: "reputation_proofs", limit: UInt64(proofsBytesMax), actual: UInt64(bytes))
        }
    }

    /// The same with those that a box has, where it is there.
    package func check(_ proofs: [Contract], addedTo id: ServiceID) throws(Fault) {
        guard !proofs.isEmpty else { return }
        let all = Set(proofs.map { $0.encoded() }).union(try self.proofs(of: id))
        let bytes = all.reduce(0) { $0 + $1.count }
        guard bytes <= Self.proofsBytesMax else {
            throw .tooLarge(
                subject: "reputation_proofs", limit: UInt64(Self.proofsBytesMax),
                actual: UInt64(bytes))
        }
    }

    /// Adds proofs to those of a box; none where it is not there any more.
    package func addProofs(_ proofs: [Contract], to id: ServiceID) throws(Fault) {
        guard !proofs.isEmpty else { return }
        try guarded {
            try queue.write { database in
                for proof in proofs.map({ Data($0.encoded()) }) {
                    try database.execute(
                        sql: """
                            INSERT OR IGNORE INTO proof (box, contract, seal)
                            SELECT number, ?, ? FROM box WHERE id = ?
                            """,
                        arguments: [proof, RowSeal.of(proof: proof, on: id), Data(id.bytes)])
                }
                let bytes =
                    try Int.fetchOne(
                        database,
                        sql: """
                            SELECT sum(length(contract)) FROM proof
                            JOIN box ON box.number = proof.box WHERE box.id = ?
                            """, arguments: [Data(id.bytes)]) ?? 0
                guard bytes <= Self.proofsBytesMax else {
                    throw Fault.tooLarge(
                        subject: "reputation_proofs", limit: UInt64(Self.proofsBytesMax),
                        actual: UInt64(bytes))
                }
            }
        }
    }

    /// Serialized `Contract`s, sorted by their bytes.
    package func proofs(of id: ServiceID) throws(Fault) -> [[UInt8]] {
        try guarded {
            try queue.read { database in
                try Data.fetchAll(
                    database,
                    sql: """
                        SELECT contract FROM proof JOIN box ON box.number = proof.box
                        WHERE box.id = ? ORDER BY contract
                        """, arguments: [Data(id.bytes)]
                ).map { Array($0) }
            }
        }
    }
}
