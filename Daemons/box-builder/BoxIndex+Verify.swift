import FoundationEssentials
import GRDB
package import Interfaces
package import ServiceModel

/// What the index says of the store, for comparing the two.
extension BoxIndex {
    /// The contents that all boxes need, or one does: by digest, after one.
    package func objects(
        of box: ServiceID?, after digest: ContentDigest?, max: Int
    ) throws(Fault) -> [(digest: ContentDigest, bytes: UInt64)] {
        let all = """
            SELECT digest, bytes FROM object WHERE digest > ? ORDER BY digest LIMIT ?
            """
        let one = """
            SELECT digest, bytes FROM need JOIN object ON object.number = need.object
            WHERE need.box = (SELECT number FROM box WHERE id = ?) AND digest > ?
            ORDER BY digest LIMIT ?
            """
        return try guarded {
            try queue.read { database in
                let start = Data(digest?.bytes ?? [])
                let rows =
                    if let box {
                        try Row.fetchAll(
                            database, sql: one, arguments: [Data(box.bytes), start, max])
                    } else {
                        try Row.fetchAll(database, sql: all, arguments: [start, max])
                    }
                return rows.compactMap { row in
                    ContentDigest(row["digest"] as Data).map { ($0, row.unsigned("bytes")) }
                }
            }
        }
    }

    /// How many contents there are to read.
    package func objectCount(of box: ServiceID?) throws(Fault) -> UInt64 {
        try guarded {
            try queue.read { database in
                guard let box else {
                    return try UInt64.fetchOne(
                        database, sql: "SELECT count(*) FROM object") ?? 0
                }
                return try UInt64.fetchOne(
                    database,
                    sql: """
                        SELECT count(*) FROM need
                        WHERE box = (SELECT number FROM box WHERE id = ?)
                        """, arguments: [Data(box.bytes)]) ?? 0
            }
        }
    }

    /// The boxes that need a content, by id.
    package func boxes(
        needing digest: ContentDigest, max: Int
    ) throws(Fault) -> (boxes: [ServiceID], count: UInt64) {
        try guarded {
            try queue.read { database in
                let ids = try Data.fetchAll(
                    database,
                    sql: """
                        SELECT id FROM object JOIN need ON need.object = object.number
                        JOIN box ON box.number = need.box
                        WHERE digest = ? ORDER BY id LIMIT ?
                        """, arguments: [Data(digest.bytes), max])
                let count = try UInt64.fetchOne(
                    database,
                    sql: """
                        SELECT count(*) FROM object JOIN need ON need.object = object.number
                        WHERE digest = ?
                        """,
                    arguments: [Data(digest.bytes)])
                return (ids.compactMap { ServiceID($0) }, count ?? 0)
            }
        }
    }

    // LIMIT: complaints of SQLite that are told; a damaged page makes thousands.
    private static let complaintsMax = 20

    /// What SQLite finds wrong with its own file, rows that name what is not there, and tables that are
    /// not those that were made. All of it is read from the disk again.
    package func damage() throws(Fault) -> [String] {
        try guarded {
            let made = try Self.columnsMade()
            return try queue.writeWithoutTransaction { database in
                // What waits in the log is looked at in its place.
                _ = try? database.checkpoint(.truncate)
                database.releaseMemory()
                let checked = try String.fetchAll(
                    database, sql: "PRAGMA integrity_check(\(Self.complaintsMax))")
                let dangling = try Row.fetchAll(database, sql: "PRAGMA foreign_key_check")
                    .prefix(Self.complaintsMax)
                    .map {
                        "a row of \($0["table"] as String) without its \($0["parent"] as String)"
                    }
                let changed = try Self.columns(database).symmetricDifference(made).sorted()
                    .prefix(Self.complaintsMax).map { "the column \($0)" }
                return checked.filter { $0 != "ok" } + dangling + changed
                    + (try Self.unreadable(database))
            }
        }
    }

    /// The indexes with entries that cannot be read. `integrity_check` looks for each row in them, and takes
    /// an entry whose head is cut short for the row's, as its first fields are: whoever reads it by that index
    /// meets an error, or nothing where a value must be.
    private static func unreadable(_ database: Database) throws -> [String] {
        let readings = try Row.fetchAll(
            database,
            sql: """
                SELECT list.name AS name,
                    'SELECT count(*) FROM "' || kind.name || '" INDEXED BY "' || list.name || '" WHERE '
                    || group_concat('typeof("' || field.name || '") = ''null''', ' OR ') AS reading
                FROM sqlite_schema AS kind, pragma_index_list(kind.name) AS list,
                    pragma_index_xinfo(list.name) AS field, pragma_table_info(kind.name) AS made
                WHERE kind.type = 'table' AND list.origin <> 'pk' AND made.name = field.name
                    AND made."notnull"
                GROUP BY list.name
                """)
        return readings.compactMap { reading in
            let lacking = try? Int.fetchOne(database, sql: reading["reading"])
            return lacking == 0 ? nil : "entries of the index \(reading["name"] as String)"
        }
    }

    private static func columnsMade() throws -> Set<String> {
        let queue = try DatabaseQueue()
        var migrator = DatabaseMigrator()
        migrate(&migrator)
        try migrator.migrate(queue)
        return try queue.read(columns)
    }

    private static func columns(_ database: Database) throws -> Set<String> {
        Set(
            try String.fetchAll(
                database,
                sql: """
                    SELECT kind.name || '.' || field.name || ' ' || field.type || ' ' || field.pk
                    FROM sqlite_schema AS kind, pragma_table_info(kind.name) AS field
                    WHERE kind.type = 'table' AND kind.name NOT LIKE 'sqlite_%'
                    """))
    }
}
