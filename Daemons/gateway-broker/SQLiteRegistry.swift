import Chassis
import FoundationEssentials
package import GRDB
import Interfaces
import SwiftProtobuf

/// The registry in SQLite: one row per instance. `synchronous=FULL` and WAL come from the store it is
/// given, so that a write that returned is on the disk.
///
/// Refuses a row it cannot read: what the registry forgot would run on without an owner.
package struct SQLiteRegistry: RegistryStorage {
    let queue: DatabaseQueue

    package init(_ queue: DatabaseQueue) {
        self.queue = queue
    }

    package static func migrate(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("1 instances") { database in
            try database.execute(
                sql: """
                    CREATE TABLE instance (
                        id BLOB PRIMARY KEY NOT NULL,
                        owner INTEGER NOT NULL,
                        key BLOB NOT NULL,
                        content BLOB NOT NULL,
                        name TEXT NOT NULL,
                        reference TEXT NOT NULL,
                        accepted_at INTEGER NOT NULL,
                        ready_deadline INTEGER NOT NULL,
                        service_id BLOB NOT NULL,
                        stage INTEGER NOT NULL,
                        stop_grace INTEGER,
                        slots TEXT NOT NULL,
                        wishes BLOB,
                        state BLOB NOT NULL,
                        fault BLOB,
                        ended_at INTEGER NOT NULL,
                        UNIQUE (owner, key)
                    ) STRICT, WITHOUT ROWID
                    """)
        }
        migrator.registerMigration("2 families and grants") { database in
            try database.execute(
                sql: """
                    ALTER TABLE instance ADD COLUMN parent BLOB;
                    CREATE TABLE grant_ (
                        id BLOB PRIMARY KEY NOT NULL,
                        kind INTEGER NOT NULL,
                        instance BLOB,
                        scopes INTEGER NOT NULL,
                        name TEXT NOT NULL,
                        number INTEGER NOT NULL,
                        digest BLOB NOT NULL,
                        key BLOB NOT NULL,
                        request BLOB NOT NULL,
                        added_at INTEGER NOT NULL
                    ) STRICT, WITHOUT ROWID
                    """)
        }
        migrator.registerMigration("3 families reached and bounded") { database in
            try database.execute(
                sql: """
                    ALTER TABLE instance ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE instance ADD COLUMN introduced BLOB NOT NULL DEFAULT X'';
                    ALTER TABLE instance ADD COLUMN shifted BLOB NOT NULL DEFAULT X'';
                    ALTER TABLE instance ADD COLUMN granted BLOB;
                    ALTER TABLE instance ADD COLUMN counts TEXT NOT NULL DEFAULT '';
                    """)
        }
        migrateNetworks(&migrator)
    }

    package func load() throws(StorageFailure) -> [InstanceRecord] {
        try guarded {
            try queue.read { database in
                try Row.fetchAll(database, sql: "SELECT * FROM instance").map(Self.record)
            }
        }
    }

    package func apply(_ writes: [RegistryWrite]) throws(StorageFailure) {
        try guarded {
            try queue.write { database in
                for write in writes {
                    switch write {
                    case .put(let record): try Self.put(record, database)
                    case .delete(let id):
                        try database.execute(
                            sql: "DELETE FROM instance WHERE id = ?", arguments: [Data(id.bytes)])
                    }
                }
            }
        }
    }

    func guarded<Value>(_ body: () throws -> Value) throws(StorageFailure) -> Value {
        do {
            return try body()
        } catch let failure as StorageFailure {
            throw failure
        } catch {
            throw StoreCondition(error, in: queue) == .full ? .full : .broken("\(error)")
        }
    }

    // MARK: Rows

    private static func put(_ record: InstanceRecord, _ database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO instance (
                    id, owner, key, content, name, reference, accepted_at, ready_deadline,
                    service_id, stage, stop_grace, slots, wishes, state, fault, ended_at, parent,
                    number, introduced, shifted, granted, counts
                ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET
                    service_id = excluded.service_id, stage = excluded.stage,
                    stop_grace = excluded.stop_grace, slots = excluded.slots,
                    wishes = excluded.wishes, state = excluded.state, fault = excluded.fault,
                    ended_at = excluded.ended_at, introduced = excluded.introduced,
                    shifted = excluded.shifted, granted = excluded.granted, counts = excluded.counts
                """,
            arguments: [
                Data(record.id.bytes), Int64(record.owner), Data(record.key),
                Data(record.content), record.name, record.reference,
                Int64(clamping: record.acceptedAt), Int64(record.readyDeadline),
                Data(record.serviceID), record.stage.rawValue, record.stopGrace.map { Int64($0) },
                SlotText.text(record.slots), try record.wishes.map(wishes),
                try record.state.serializedData(), try record.fault?.message.serializedData(),
                Int64(clamping: record.endedAt), record.parent.map { Data($0.bytes) },
                Int64(record.number), Data(record.introducedTo.flatMap(\.bytes)),
                Data(record.shiftedInside.flatMap(\.bytes)),
                try record.granted?.serializedData(), SlotText.text(record.counts),
            ])
    }

    /// In the form of the request they came in.
    private static func wishes(_ wishes: LaunchWishes) throws -> Data {
        var request = StartServiceRequest()
        request.environment = wishes.environment
        request.memoryBytes = wishes.memoryBytes
        request.diskBytes = wishes.diskBytes
        request.cpuQuotaUs = wishes.cpuQuotaUs
        request.cpuPeriodUs = wishes.cpuPeriodUs
        request.processes = wishes.processes
        request.lifetimeMs = wishes.lifetimeMs
        return try request.serializedData()
    }

    private static func record(_ row: Row) throws -> InstanceRecord {
        let idBytes: Data = row["id"]
        guard let id = InstanceID(idBytes),
            let stage = InstanceRecord.Stage(rawValue: row["stage"]),
            let slots = SlotText.slots(row["slots"])
        else { throw StorageFailure.broken("instance \(Hexadecimal.text(idBytes))") }
        var record = InstanceRecord(
            id: id, owner: row["owner"], key: bytes(row["key"]), content: bytes(row["content"]),
            name: row["name"], reference: row["reference"], acceptedAt: row["accepted_at"],
            readyDeadline: row["ready_deadline"],
            parent: (row["parent"] as Data?).flatMap { InstanceID($0) })
        record.serviceID = bytes(row["service_id"])
        record.stage = stage
        record.stopGrace = row["stop_grace"]
        record.slots = slots
        if let stored: Data = row["wishes"] {
            let request = try StartServiceRequest(serializedBytes: stored)
            record.wishes = LaunchWishes(request)
        }
        record.state = try InstanceState(serializedBytes: row["state"] as Data)
        if let stored: Data = row["fault"] {
            record.fault = Fault(try WireFault(serializedBytes: stored))
        }
        record.endedAt = row["ended_at"]
        record.number = row["number"]
        record.introducedTo = ids(bytes(row["introduced"]))
        record.shiftedInside = ids(bytes(row["shifted"]))
        if let stored: Data = row["granted"] {
            record.granted = try Limits(serializedBytes: stored)
        }
        guard let counts = SlotText.counts(row["counts"]) else {
            throw StorageFailure.broken("counts of \(id)")
        }
        record.counts = counts
        return record
    }

    private static func ids(_ bytes: [UInt8]) -> [InstanceID] {
        stride(from: 0, to: bytes.count, by: 16).compactMap {
            InstanceID(bytes[$0..<min($0 + 16, bytes.count)])
        }
    }

    static func bytes(_ data: Data) -> [UInt8] { [UInt8](data) }
}
