import FoundationEssentials
import GRDB
package import Interfaces

/// Holds: who needs which box to stay.
extension BoxIndex {
    /// Holds a box for a holder, who may have it held already.
    ///
    /// - Returns: the box, and whether the hold is new.
    package func hold(
        _ text: String, for holder: String
    ) throws(Fault) -> (BoxRecord, isNew: Bool) {
        let reference = try BoxReference(text)
        try Self.checkHolder(holder)
        return try guarded {
            try queue.write { database in
                if let held = try Self.held(by: holder, database) {
                    // The same key gives the first answer, also when a tag has moved since.
                    if held.reference != text {
                        guard try Self.resolve(reference, text, database) == held.box else {
                            throw Fault.invalid(.keyReused, subject: "holder")
                        }
                    }
                    return (try Self.record(of: held.box, database), false)
                }
                let id = try Self.resolve(reference, text, database)
                let count = try Int.fetchOne(database, sql: "SELECT count(*) FROM hold") ?? 0
                guard count < Self.holdsMax else {
                    throw Fault.limitReached(
                        subject: "holds", limit: UInt64(Self.holdsMax), actual: UInt64(count) + 1)
                }
                try database.execute(
                    sql: "INSERT INTO hold SELECT ?, number, ?, ? FROM box WHERE id = ?",
                    arguments: [
                        holder, text, RowSeal.of(hold: holder, text, on: id), Data(id.bytes),
                    ])
                return (try Self.record(of: id, database), true)
            }
        }
    }

    package func release(_ holder: String) throws(Fault) {
        try Self.checkHolder(holder)
        try freeing {
            try queue.write { database in
                try database.execute(
                    sql: "DELETE FROM hold WHERE holder = ?", arguments: [holder])
            }
        }
    }

    /// Holds by holder, after one.
    package func holds(
        after holder: String, max: Int
    ) throws(Fault) -> [(holder: String, box: ServiceID)] {
        try guarded {
            try queue.read { database in
                try Row.fetchAll(
                    database,
                    sql: """
                        SELECT holder, id FROM hold JOIN box ON box.number = hold.box
                        WHERE holder > ? ORDER BY holder LIMIT ?
                        """, arguments: [holder, max]
                ).compactMap { row in
                    ServiceID(row["id"] as Data).map { (row["holder"] as String, $0) }
                }
            }
        }
    }

    /// Reads boxes that nobody holds: they may be removed meanwhile, and what is missing then is no
    /// damage.
    ///
    /// - Throws: NOT_FOUND for a box that went; else what `read` throws.
    func reading<Value>(
        _ boxes: ServiceID..., read: () throws(Fault) -> Value
    ) throws(Fault) -> Value {
        do throws(Fault) {
            return try read()
        } catch {
            guard error.code == .corrupt else { throw error }
            for box in boxes { _ = try find(box.description) }
            throw error
        }
    }

    private static func checkHolder(_ holder: String) throws(Fault) {
        guard !holder.isEmpty else { throw .invalid(.missingKey, subject: "holder") }
        guard holder.utf8.count <= holderBytesMax else {
            throw .invalid(
                .nameTooLong, subject: "holder", limit: UInt64(holderBytesMax),
                actual: UInt64(holder.utf8.count))
        }
    }

    private static func held(
        by holder: String, _ database: Database
    ) throws -> (box: ServiceID, reference: String)? {
        try Row.fetchOne(
            database,
            sql: """
                SELECT id, reference FROM hold JOIN box ON box.number = hold.box
                WHERE holder = ?
                """, arguments: [holder]
        ).flatMap { row in
            ServiceID(row["id"] as Data).map { ($0, row["reference"]) }
        }
    }
}
