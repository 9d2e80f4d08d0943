import FoundationEssentials
package import GRDB
package import Interfaces
package import ServiceModel

/// Which boxes there are, what each needs of the store, and who holds it: in SQLite.
///
/// Keeps true: a change that returned is on the disk; a tag names one box, the last that was
/// imported under it; a held box is not removed; a holder holds one box. Every call waits for the
/// disk: not for the loop.
package struct BoxIndex: Sendable {
    // LIMIT: of one box; packing the same tree again under new names would add for ever.
    package static let tagsMax = 64

    // LIMIT: bytes of a holder's name: an instance id in hexadecimal, twice over.
    package static let holderBytesMax = 64

    // LIMIT: holds at once. A node runs a thousand instances; a holder that never releases meets it.
    package static let holdsMax = 100_000

    let queue: DatabaseQueue
    let reserve: DiskReserve?

    /// - Parameter reserve: what a removal may use of a full disk.
    package init(_ queue: DatabaseQueue, reserve: DiskReserve? = nil) {
        self.queue = queue
        self.reserve = reserve
    }

    func guarded<Value>(_ body: () throws -> Value) throws(Fault) -> Value {
        do {
            return try body()
        } catch {
            throw StoreFault.index(error, in: queue)
        }
    }

    // MARK: Boxes

    /// Adds a box whose contents and form are on the disk, or its tags where it is there already; a box
    /// from before forms were kept gets its form.
    ///
    /// - Returns: the box as it is now, and whether it was there.
    package func add(
        _ record: BoxRecord, objects: [ContentDigest: UInt64]
    ) throws(Fault) -> (BoxRecord, alreadyPresent: Bool) {
        // A larger index takes more to remove from.
        defer { keepReserve() }
        return try guarded {
            try queue.write { database in
                if let number = try Self.number(of: record.id, database) {
                    if let form = record.form {
                        try Self.complete(number, form, database)
                    }
                    try Self.complete(number, record, database)
                    try Self.name(number, record.tags, database)
                    return (try Self.record(of: record.id, database), true)
                }
                try Self.insert(record, database)
                let number = database.lastInsertedRowID
                let known = try database.makeStatement(
                    sql: """
                        INSERT INTO object (digest, bytes) VALUES (?, ?)
                        ON CONFLICT (digest) DO NOTHING
                        """)
                let needed = try database.makeStatement(
                    sql: "INSERT INTO need SELECT ?, number FROM object WHERE digest = ?")
                // In the order of the key: each page of the tree is written once.
                for (digest, bytes) in objects.sorted(by: { $0.key < $1.key }) {
                    let digest = Data(digest.bytes)
                    try known.execute(arguments: [digest, Int64(bytes)])
                    try needed.execute(arguments: [number, digest])
                }
                try Self.name(number, record.tags, database)
                return (try Self.record(of: record.id, database), false)
            }
        }
    }

    /// The box that is known by a fingerprint.
    package func box(knownBy fingerprint: ContentDigest) throws(Fault) -> BoxRecord? {
        try guarded {
            try queue.read { database in
                try Row.fetchOne(
                    database, sql: "SELECT * FROM box WHERE fingerprint = ? LIMIT 1",
                    arguments: [Data(fingerprint.bytes)]
                ).map { try Self.record($0, database) }
            }
        }
    }

    /// Gives tags to a box.
    ///
    /// - Returns: what is told of it; nil where it is not there any more.
    package func name(_ id: ServiceID, _ tags: [String]) throws(Fault) -> BoxSummary? {
        try guarded {
            try queue.write { database in
                guard let number = try Self.number(of: id, database) else { return nil }
                try Self.name(number, tags, database)
                var summary = try Self.record(of: id, database).summary
                summary.alreadyPresent = true
                return summary
            }
        }
    }

    /// What the image of a box is from now on.
    package func setImage(of id: ServiceID, _ digest: ContentDigest) throws(Fault) {
        try guarded {
            try queue.write { database in
                try database.execute(
                    sql: "UPDATE box SET image = ? WHERE id = ?",
                    arguments: [Data(digest.bytes), Data(id.bytes)])
            }
        }
    }

    package func has(_ id: ServiceID) throws(Fault) -> Bool {
        try guarded { try queue.read { try Self.number(of: id, $0) != nil } }
    }

    /// Which of some contents any box needs.
    package func needed(
        among digests: [ContentDigest]
    ) throws(Fault) -> Set<ContentDigest> {
        try guarded {
            try queue.read { database in
                let statement = try database.cachedStatement(
                    sql: "SELECT 1 FROM object WHERE digest = ?")
                return Set(
                    try digests.filter {
                        try Int.fetchOne(statement, arguments: [Data($0.bytes)]) != nil
                    })
            }
        }
    }

    /// Boxes by id, after one.
    package func boxes(after id: ServiceID?, max: Int) throws(Fault) -> [BoxRecord] {
        try guarded {
            try queue.read { database in
                try Row.fetchAll(
                    database, sql: "SELECT * FROM box WHERE id > ? ORDER BY id LIMIT ?",
                    arguments: [Data(id?.bytes ?? []), max]
                ).map { try Self.record($0, database) }
            }
        }
    }

    /// The box that is meant, and who holds it.
    package func find(_ text: String) throws(Fault) -> (BoxRecord, holders: [String]) {
        let reference = try BoxReference(text)
        return try guarded {
            try queue.read { database in
                let id = try Self.resolve(reference, text, database)
                let holders = try String.fetchAll(
                    database,
                    sql: """
                        SELECT holder FROM hold JOIN box ON box.number = hold.box
                        WHERE box.id = ? ORDER BY holder LIMIT \(Self.holdersShownMax)
                        """, arguments: [Data(id.bytes)])
                return (try Self.record(of: id, database), holders)
            }
        }
    }

    // LIMIT: holders told of one box; they fit a reply with everything else in it.
    private static let holdersShownMax = 400

    /// Takes a box out of the index.
    ///
    /// - Returns: the contents no other box needs.
    package func remove(
        _ text: String
    ) throws(Fault) -> (ServiceID, [ContentDigest: UInt64]) {
        let reference = try BoxReference(text)
        return try freeing {
            try queue.write { database in
                let id = try Self.resolve(reference, text, database)
                guard let number = try Self.number(of: id, database) else {
                    throw Fault(.notFound, subject: text)
                }
                let holders = try String.fetchAll(
                    database, sql: "SELECT holder FROM hold WHERE box = ? ORDER BY holder LIMIT 40",
                    arguments: [number])
                guard holders.isEmpty else {
                    throw Fault(.inUse, subject: id.description, lines: holders)
                }
                let alone = try Row.fetchAll(
                    database,
                    sql: """
                        SELECT object.* FROM need JOIN object ON object.number = need.object
                        WHERE need.box = ? AND NOT EXISTS (
                            SELECT 1 FROM need AS other
                            WHERE other.object = need.object AND other.box <> need.box)
                        """, arguments: [number])
                try database.execute(sql: "DELETE FROM box WHERE number = ?", arguments: [number])
                let forget = try database.makeStatement(sql: "DELETE FROM object WHERE number = ?")
                var objects: [ContentDigest: UInt64] = [:]
                for row in alone {
                    try forget.execute(arguments: [row["number"] as Int64])
                    if let digest = ContentDigest(row["digest"] as Data) {
                        objects[digest] = row.unsigned("bytes")
                    }
                }
                return (id, objects)
            }
        }
    }

    /// The contents that boxes need, of those whose digest starts with a byte.
    package func needed(startingWith byte: UInt8) throws(Fault) -> Set<ContentDigest> {
        try guarded {
            try queue.read { database in
                let start = Data([byte])
                let end = byte == 255 ? Data(repeating: 255, count: 33) : Data([byte + 1])
                let rows = try Row.fetchCursor(
                    database,
                    sql: "SELECT digest FROM object WHERE digest >= ? AND digest < ?",
                    arguments: [start, end])
                var needed: Set<ContentDigest> = []
                while let row = try rows.next() {
                    if let digest = ContentDigest(row["digest"] as Data) { needed.insert(digest) }
                }
                return needed
            }
        }
    }

    package func count() throws(Fault) -> Int {
        try guarded {
            try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM box") ?? 0 }
        }
    }
}
