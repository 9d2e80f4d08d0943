import FoundationEssentials
import GRDB
package import Interfaces
package import ServiceModel

/// The digests a service is known by beside its id, and finding its box by them.
///
/// Keeps true: each was computed over all bytes of the box, here. A row that was altered since says
/// nothing.
extension BoxIndex {
    /// Remembers digests that were computed; of the algorithms known here. None of a box that is not there any more. The id is known anyhow.
    package func addDigests(_ hashes: [Hash], of id: ServiceID) throws(Fault) {
        let types = Hash.Algorithm.allCases.dropFirst().map(\.type)
        let others = hashes.filter { types.contains($0.type) && $0.value.count == 32 }
        guard !others.isEmpty else { return }
        try guarded {
            try queue.write { database in
                for hash in others {
                    try database.execute(
                        sql: """
                            INSERT OR REPLACE INTO digest (value, type, box, seal)
                            SELECT ?, ?, number, ? FROM box WHERE id = ?
                            """,
                        arguments: [
                            Data(hash.value), Data(hash.type), RowSeal.of(hash, on: id),
                            Data(id.bytes),
                        ])
                }
            }
        }
    }

    /// The id, then what else is known, in the order of `Hash.Algorithm`.
    package func digests(of id: ServiceID) throws(Fault) -> [Hash] {
        let known = try guarded {
            try queue.read { database in
                try Row.fetchAll(
                    database,
                    sql: """
                        SELECT digest.* FROM digest JOIN box ON box.number = digest.box
                        WHERE box.id = ?
                        """, arguments: [Data(id.bytes)]
                ).compactMap { Self.hash($0, of: id) }
            }
        }
        let own = [Hash(.sha3, value: id.bytes)]
        return own
            + Hash.Algorithm.allCases.dropFirst().compactMap { algorithm in
                known.first { $0.type == algorithm.type }
            }
    }

    /// The boxes that have a digest, whatever made it.
    static func boxes(known value: [UInt8], _ database: Database) throws -> Set<ServiceID> {
        let rows = try Row.fetchAll(
            database,
            sql: """
                SELECT digest.*, box.id AS id FROM digest JOIN box ON box.number = digest.box
                WHERE digest.value = ?
                """, arguments: [Data(value)])
        return Set(
            rows.compactMap { row in
                guard let id = ServiceID(row["id"] as Data), hash(row, of: id) != nil else {
                    return nil
                }
                return id
            })
    }

    /// nil for a row that was altered.
    static func hash(_ row: Row, of id: ServiceID) -> Hash? {
        var hash = Hash()
        hash.type = [UInt8](row["type"] as Data)
        hash.value = [UInt8](row["value"] as Data)
        return RowSeal.of(hash, on: id) == row["seal"] as Data ? hash : nil
    }
}
