import FoundationEssentials
import GRDB
package import Interfaces
import ServiceModel

/// Rows whose values are not those that were written. A row from before there were seals has none, and
/// is taken as it is.
extension BoxIndex {
    // LIMIT: rows looked at in one transaction, so that others get between.
    private static let stepRows = 128
    // LIMIT: altered rows that are told; more say no more.
    private static let alteredMax = 100

    /// Which boxes have an altered row of their own, a hold or a proof, and what it is.
    ///
    /// - Parameter box: nil for all.
    package func alteredRows(of box: ServiceID?) throws(Fault) -> [(box: ServiceID, row: String)] {
        var altered: [(box: ServiceID, row: String)] = []
        var last: Int64 = 0
        while altered.count < Self.alteredMax {
            let (found, next) = try guarded {
                try queue.read { try Self.alteredRows(of: box, after: last, $0) }
            }
            altered += found
            guard let next else { break }
            last = next
        }
        return altered
    }

    private static func alteredRows(
        of box: ServiceID?, after last: Int64, _ database: Database
    ) throws -> (found: [(box: ServiceID, row: String)], next: Int64?) {
        var found: [(box: ServiceID, row: String)] = []
        var next: Int64?
        let rows = try Row.fetchAll(
            database,
            sql: """
                SELECT * FROM box WHERE number > ? AND (?2 IS NULL OR id = ?2)
                ORDER BY number LIMIT \(stepRows)
                """, arguments: [last, box.map { Data($0.bytes) }])
        for row in rows {
            let number: Int64 = row["number"]
            next = number
            let record = try record(row, database)
            if let seal: Data = row["seal"], seal != RowSeal.of(record) {
                found.append((record.id, "its row"))
            }
            let holds = try Row.fetchCursor(
                database, sql: "SELECT * FROM hold WHERE box = ? AND seal IS NOT NULL",
                arguments: [number])
            while let hold = try holds.next() {
                let holder: String = hold["holder"]
                let expected = RowSeal.of(hold: holder, hold["reference"], on: record.id)
                if hold["seal"] as Data != expected { found.append((record.id, "hold \(holder)")) }
            }
            let proofs = try Row.fetchCursor(
                database, sql: "SELECT * FROM proof WHERE box = ? AND seal IS NOT NULL",
                arguments: [number])
            while let proof = try proofs.next() {
                let expected = RowSeal.of(proof: proof["contract"], on: record.id)
                if proof["seal"] as Data != expected { found.append((record.id, "a proof")) }
            }
            let digests = try Row.fetchCursor(
                database, sql: "SELECT * FROM digest WHERE box = ?", arguments: [number])
            while let digest = try digests.next() {
                if hash(digest, of: record.id) == nil { found.append((record.id, "a digest")) }
            }
        }
        return (found, next)
    }
}
