import FoundationEssentials
import GRDB

/// Where the book of networks is written down; durable when it returns.
package protocol NetworkStorage: Sendable {
    func loadNetworks() throws(StorageFailure) -> [InstanceID: NetworkBook.Entry]
    func apply(
        put: [InstanceID: NetworkBook.Entry], remove: [InstanceID]
    ) throws(StorageFailure)
}

/// Entries in SQLite: one row per instance that has networks or can be a peer in them.
extension SQLiteRegistry: NetworkStorage {
    static func migrateNetworks(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("4 networks") { database in
            try database.execute(
                sql: """
                    CREATE TABLE network (
                        instance BLOB PRIMARY KEY NOT NULL,
                        entry TEXT NOT NULL
                    ) STRICT, WITHOUT ROWID
                    """)
        }
    }

    package func loadNetworks() throws(StorageFailure) -> [InstanceID: NetworkBook.Entry] {
        try guarded {
            try queue.read { database in
                var entries: [InstanceID: NetworkBook.Entry] = [:]
                for row in try Row.fetchAll(database, sql: "SELECT * FROM network") {
                    let bytes: Data = row["instance"]
                    guard let id = InstanceID(bytes),
                        let entry = NetworkText.entry(row["entry"])
                    else { throw StorageFailure.broken("network \(Hexadecimal.text(bytes))") }
                    entries[id] = entry
                }
                return entries
            }
        }
    }

    package func apply(
        put: [InstanceID: NetworkBook.Entry], remove: [InstanceID]
    ) throws(StorageFailure) {
        try guarded {
            try queue.write { database in
                for id in remove {
                    try database.execute(
                        sql: "DELETE FROM network WHERE instance = ?", arguments: [Data(id.bytes)])
                }
                for (id, entry) in put {
                    try database.execute(
                        sql: "INSERT OR REPLACE INTO network VALUES (?, ?)",
                        arguments: [Data(id.bytes), NetworkText.text(entry)])
                }
            }
        }
    }
}
