import FoundationEssentials
import GRDB
import Interfaces
import ServiceModel

/// Rows of the index as values and back.
extension BoxIndex {
    static func resolve(
        _ reference: BoxReference, _ text: String, _ database: Database
    ) throws -> ServiceID {
        var found: Set<ServiceID> = []
        func add(_ sql: String, _ arguments: StatementArguments) throws {
            for data in try Data.fetchAll(database, sql: sql, arguments: arguments) {
                if let id = ServiceID(data) { found.insert(id) }
            }
        }
        let byTag = "SELECT id FROM tag JOIN box ON box.number = tag.box WHERE name = ?"
        switch reference {
        case .id(let id):
            if try number(of: id, database) != nil {
                found.insert(id)
            } else {
                found = try boxes(known: id.bytes, database)
            }
        case .prefixOrTag(let start):
            try add(
                "SELECT id FROM box WHERE id >= ? AND id <= ? ORDER BY id LIMIT 41",
                [Data(bound(start, "0")), Data(bound(start, "f"))])
            try add(byTag, [start])
        case .tag(let tag):
            try add(byTag, [tag])
        }
        return try BoxReference.only(found, for: text)
    }

    /// The first or last id with a start.
    private static func bound(_ start: String, _ filler: Character) -> [UInt8] {
        Hexadecimal.bytes(start + String(repeating: filler, count: 64 - start.utf8.count)) ?? []
    }

    static func number(of id: ServiceID, _ database: Database) throws -> Int64? {
        try Int64.fetchOne(
            database, sql: "SELECT number FROM box WHERE id = ?", arguments: [Data(id.bytes)])
    }

    /// Gives tags to a box, taken from whatever box had them.
    static func name(_ number: Int64, _ tags: [String], _ database: Database) throws {
        for tag in tags where !tag.isEmpty {
            try database.execute(
                sql: """
                    INSERT INTO tag (name, box) VALUES (?, ?)
                    ON CONFLICT (name) DO UPDATE SET box = excluded.box
                    """, arguments: [tag, number])
        }
        let count =
            try Int.fetchOne(
                database, sql: "SELECT count(*) FROM tag WHERE box = ?", arguments: [number]) ?? 0
        guard count <= tagsMax else {
            throw Fault.limitReached(
                subject: "tags", limit: UInt64(tagsMax), actual: UInt64(count))
        }
    }

    static func insert(_ record: BoxRecord, _ database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO box (
                    id, architecture, entrypoint, entries, content_bytes, canonical_bytes,
                    imported_at, slots, service, image, fingerprint, form, form_bytes, seal
                ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                Data(record.id.bytes), record.architecture, record.entrypoint,
                Int64(record.entries), Int64(record.contentBytes), Int64(record.canonicalBytes),
                Int64(record.importedAt), record.slots.joined(separator: " "),
                Data(record.service), (record.image?.bytes).map { Data($0) },
                (record.fingerprint?.bytes).map { Data($0) },
                (record.form?.digest.bytes).map { Data($0) },
                (record.form?.bytes).map { Int64($0) }, RowSeal.of(record),
            ])
    }

    /// Gives its form to a box that has none.
    static func complete(_ number: Int64, _ form: StoredForm, _ database: Database) throws {
        let digest = Data(form.digest.bytes)
        try database.execute(
            sql: "UPDATE box SET form = ?, form_bytes = ? WHERE number = ? AND form IS NULL",
            arguments: [digest, Int64(form.bytes), number])
        guard database.changesCount > 0 else { return }
        try database.execute(
            sql: """
                INSERT INTO object (digest, bytes) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING
                """, arguments: [digest, Int64(form.bytes)])
        try database.execute(
            sql: "INSERT INTO need SELECT ?, number FROM object WHERE digest = ?",
            arguments: [number, digest])
    }

    /// Gives to a box of an earlier build what that one did not look for in its tree. A row that was
    /// altered stays to be found as that.
    static func complete(_ number: Int64, _ record: BoxRecord, _ database: Database) throws {
        guard
            let row = try Row.fetchOne(
                database, sql: "SELECT * FROM box WHERE number = ?", arguments: [number])
        else { return }
        var known = try self.record(row, database)
        let seal: Data? = row["seal"]
        guard known.service != record.service, seal == nil || seal == RowSeal.of(known) else {
            return
        }
        known.service = record.service
        try database.execute(
            sql: "UPDATE box SET service = ?, seal = ? WHERE number = ?",
            arguments: [Data(known.service), seal.map { _ in RowSeal.of(known) }, number])
    }

    static func record(of id: ServiceID, _ database: Database) throws -> BoxRecord {
        guard
            let row = try Row.fetchOne(
                database, sql: "SELECT * FROM box WHERE id = ?", arguments: [Data(id.bytes)])
        else { throw Fault(.notFound, subject: id.description) }
        return try record(row, database)
    }

    static func record(_ row: Row, _ database: Database) throws -> BoxRecord {
        guard let id = ServiceID(row["id"] as Data) else {
            throw Fault(.corrupt, subject: "index")
        }
        let number: Int64 = row["number"]
        var record = BoxRecord(
            id: id,
            tags: try String.fetchAll(
                database, sql: "SELECT name FROM tag WHERE box = ? ORDER BY name",
                arguments: [number]),
            architecture: row["architecture"], entrypoint: row["entrypoint"],
            entries: row.unsigned("entries"), contentBytes: row.unsigned("content_bytes"),
            canonicalBytes: row.unsigned("canonical_bytes"),
            importedAt: row.unsigned("imported_at"),
            slots: (row["slots"] as String).split(separator: " ").map(String.init),
            service: [UInt8](row["service"] as Data))
        record.image = (row["image"] as Data?).flatMap { ContentDigest($0) }
        record.fingerprint = (row["fingerprint"] as Data?).flatMap { ContentDigest($0) }
        if let form = (row["form"] as Data?).flatMap({ ContentDigest($0) }) {
            record.form = StoredForm(digest: form, bytes: row.unsigned("form_bytes"))
        }
        return record
    }
}

extension Row {
    /// A number that is not negative, or what a damaged row has in its place: GRDB traps on that.
    func unsigned(_ column: String) -> UInt64 {
        UInt64(bitPattern: (self[column] as Int64?) ?? 0)
    }
}
