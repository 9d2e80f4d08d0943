import Chassis
import FoundationEssentials
package import GRDB
import Interfaces
import SwiftProtobuf

/// Where records are kept. What `apply` returned from is on the disk.
package protocol RecordStorage: Sendable {
    func load() throws(StorageFailure) -> [InstanceRecord]
    func apply(put: [InstanceRecord], delete: [InstanceID]) throws(StorageFailure)
}

package enum StorageFailure: Error, Equatable, Sendable {
    case full
    case broken(String)
}

/// Records in SQLite, one row each.
package struct SQLiteRecords: RecordStorage {
    private let queue: DatabaseQueue

    package init(_ queue: DatabaseQueue) {
        self.queue = queue
    }

    package static func migrate(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("1 instances") { database in
            try database.execute(
                sql: """
                    CREATE TABLE instance (
                        id BLOB PRIMARY KEY NOT NULL,
                        state BLOB NOT NULL,
                        slots TEXT NOT NULL,
                        ready_deadline INTEGER NOT NULL,
                        uid_slot INTEGER NOT NULL,
                        pid INTEGER NOT NULL,
                        start_time INTEGER NOT NULL,
                        stop TEXT
                    ) STRICT, WITHOUT ROWID
                    """)
        }
    }

    package func load() throws(StorageFailure) -> [InstanceRecord] {
        try guarded {
            try queue.read { database in
                try Row.fetchAll(database, sql: "SELECT * FROM instance ORDER BY id")
                    .map(Self.record)
            }
        }
    }

    package func apply(
        put: [InstanceRecord], delete: [InstanceID]
    ) throws(StorageFailure) {
        try guarded {
            try queue.write { database in
                for record in put { try Self.put(record, database) }
                for id in delete {
                    try database.execute(
                        sql: "DELETE FROM instance WHERE id = ?", arguments: [Data(id.bytes)])
                }
            }
        }
    }

    private func guarded<Value>(_ body: () throws -> Value) throws(StorageFailure) -> Value {
        do {
            return try body()
        } catch let failure as StorageFailure {
            throw failure
        } catch {
            throw StoreCondition(error, in: queue) == .full ? .full : .broken("\(error)")
        }
    }

    private static func put(_ record: InstanceRecord, _ database: Database) throws {
        let stop: String? =
            switch record.stop {
            case nil: nil
            case .requested?: "requested"
            case .deadline?: "deadline"
            case .notReady(let slot)?: "not-ready " + slot
            }
        try database.execute(
            sql: """
                INSERT OR REPLACE INTO instance
                (id, state, slots, ready_deadline, uid_slot, pid, start_time, stop)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                Data(record.id.bytes), try record.state.serializedData(),
                record.slots.map(InstanceMachine.name).joined(separator: " "),
                Int64(record.readyDeadlineMs), Int64(record.uidSlot), Int64(record.pid),
                Int64(clamping: record.startTime), stop,
            ])
    }

    private static func record(_ row: Row) throws -> InstanceRecord {
        let idBytes: Data = row["id"]
        guard let id = InstanceID(idBytes) else { throw StorageFailure.broken("an instance's id") }
        let words: String = row["slots"]
        var slots: [Interfaces.Slot] = []
        for word in words.split(separator: " ") {
            guard let slot = slot(word) else { throw StorageFailure.broken("slots of \(id)") }
            slots.append(slot)
        }
        var record = InstanceRecord(
            id: id, state: try InstanceState(serializedBytes: row["state"] as Data),
            slots: slots, readyDeadlineMs: row["ready_deadline"], uidSlot: row["uid_slot"])
        record.pid = row["pid"]
        record.startTime = row["start_time"]
        if let stop: String = row["stop"] {
            switch stop {
            case "requested": record.stop = .requested
            case "deadline": record.stop = .deadline
            default: record.stop = .notReady(String(stop.dropFirst(10)))
            }
        }
        return record
    }

    /// "6379/tcp".
    private static func slot(_ word: Substring) -> Interfaces.Slot? {
        let parts = word.split(separator: "/")
        guard parts.count == 2, let port = UInt32(parts[0]), parts[1] == "tcp" || parts[1] == "udp"
        else { return nil }
        var slot = Interfaces.Slot()
        slot.port = port
        slot.transport = parts[1] == "udp" ? .udp : .tcp
        return slot
    }
}
