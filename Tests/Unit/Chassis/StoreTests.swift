// A store is durable, moves forward only, and is never repaired by guessing.

import Chassis
import GRDB
import Syscalls
import Testing

@Suite("Store")
struct StoreTests {
    private static let first = StorePlan(name: "index") { migrator in
        migrator.registerMigration("1") { try $0.execute(sql: "CREATE TABLE box (id TEXT)") }
    }
    private static let second = StorePlan(name: "index") { migrator in
        first.migrations(&migrator)
        migrator.registerMigration("2") { try $0.execute(sql: "CREATE TABLE tag (id TEXT)") }
    }

    @Test("Every commit is on the disk before it returns")
    func durable() throws {
        let directory = try TemporaryDirectory()
        let state = try StateDirectory(state: directory.path, daemon: "box-builder")
        let store = try Store.open(Self.first, in: state)
        #expect(try store.read { try String.fetchOne($0, sql: "PRAGMA journal_mode") } == "wal")
        #expect(try store.read { try Int.fetchOne($0, sql: "PRAGMA synchronous") } == 2)
        #expect(try store.read { try Int.fetchOne($0, sql: "PRAGMA foreign_keys") } == 1)
        try store.close()
    }

    @Test("A store of an older version is brought up to date with its content")
    func migrates() throws {
        let directory = try TemporaryDirectory()
        let state = try StateDirectory(state: directory.path, daemon: "box-builder")
        let old = try Store.open(Self.first, in: state)
        try old.write { try $0.execute(sql: "INSERT INTO box VALUES ('a')") }
        try old.close()
        let new = try Store.open(Self.second, in: state)
        #expect(try new.read { try String.fetchAll($0, sql: "SELECT id FROM box") } == ["a"])
        #expect(try new.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM tag") } == 0)
        try new.close()
    }

    @Test("A store of a newer version is refused, and stays as it is")
    func tooNew() throws {
        let directory = try TemporaryDirectory()
        let state = try StateDirectory(state: directory.path, daemon: "box-builder")
        try Store.open(Self.second, in: state).close()
        let error = failure { () throws(DaemonFailure) in _ = try Store.open(Self.first, in: state)
        }
        #expect(error?.exitCode == .storeTooNew)
        #expect(error?.description.contains("index.sqlite") == true)
        try Store.open(Self.second, in: state).close()
    }

    @Test("A store that is none is refused as damaged")
    func damaged() throws {
        let directory = try TemporaryDirectory()
        let state = try StateDirectory(state: directory.path, daemon: "box-builder")
        _ = try directory.write(
            "box-builder/index.sqlite", String(repeating: "this is no database\n", count: 500))
        let error = failure { () throws(DaemonFailure) in _ = try Store.open(Self.first, in: state)
        }
        #expect(error?.exitCode == .storeCorrupt)
        #expect(error?.description.contains("index.sqlite") == true)
    }

    @Test("A failed call is told apart by what a daemon can do about it")
    func conditions() {
        #expect(StoreCondition(DatabaseError(resultCode: .SQLITE_FULL)) == .full)
        #expect(StoreCondition(DatabaseError(resultCode: .SQLITE_CORRUPT)) == .corrupt)
        #expect(StoreCondition(DatabaseError(resultCode: .SQLITE_NOTADB)) == .corrupt)
        #expect(StoreCondition(DatabaseError(resultCode: .SQLITE_IOERR)) == .failing)
        #expect(StoreCondition(Errno.noSpace) == .failing)
    }

    // In a process of its own, whose files are bounded.
    @Test("A write that the system has no room for is told as that, whatever SQLite says of it")
    func bounded() async {
        await #expect(processExitsWith: .success) {
            Signal.fileSize.ignore()
            let directory = try TemporaryDirectory()
            let state = try StateDirectory(state: directory.path, daemon: "box-builder")
            let store = try Store.open(Self.first, in: state)
            let before = try Process.limit(.fileBytes)
            try Process.limit(
                .fileBytes, set: Process.Limit(soft: 100_000, hard: before.hard))
            var failure: (any Error)?
            do {
                try store.write {
                    try $0.execute(sql: "INSERT INTO box VALUES (hex(zeroblob(1000000)))")
                }
            } catch {
                failure = error
            }
            try Process.limit(.fileBytes, set: before)
            let error = try #require(failure)
            #expect(StoreCondition(error) == .failing)
            #expect(StoreCondition(error, in: store) == .full)
            let other = DatabaseError(resultCode: .SQLITE_CONSTRAINT)
            #expect(StoreCondition(other, in: store) == .failing)
            try store.write { try $0.execute(sql: "INSERT INTO box VALUES ('a')") }
            #expect(try store.read { try String.fetchAll($0, sql: "SELECT id FROM box") } == ["a"])
        }
    }
}
