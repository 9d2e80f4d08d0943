// A daemon's own database: SQLite with a write-ahead log, every commit on the disk before it
// returns (rule 4 of the design: durable before anyone hears of it). Migrations go forward only; a
// store from a newer version is refused as it is.

package import GRDB
import GRDBSQLite
import Syscalls

/// What a daemon's store is called and how its tables came to be.
package struct StorePlan: Sendable {
    /// `<state>/<daemon>/<name>.sqlite`.
    package let name: String
    /// Registers every migration there ever was, in order.
    package let migrations: @Sendable (inout DatabaseMigrator) -> Void

    package init(
        name: String, migrations: @escaping @Sendable (inout DatabaseMigrator) -> Void
    ) {
        self.name = name
        self.migrations = migrations
    }
}

package enum Store {
    // LIMIT: how long to wait for another connection's lock; only tools have one beside ours.
    private static let busySeconds = 5.0
    // LIMIT: 1 MiB of pages held per store: daemons keep what is hot in their machines.
    private static let cacheKibibytes = 1_024

    package static func open(
        _ plan: StorePlan, in directory: StateDirectory
    ) throws(DaemonFailure) -> DatabaseQueue {
        let path = "\(directory.path)/\(plan.name).sqlite"
        do {
            return try open(path: path, plan)
        } catch let failure as DaemonFailure {
            throw failure
        } catch {
            throw failure(path, error)
        }
    }

    private static func open(path: String, _ plan: StorePlan) throws -> DatabaseQueue {
        var configuration = GRDB.Configuration()
        configuration.foreignKeysEnabled = true
        configuration.busyMode = .timeout(busySeconds)
        configuration.label = plan.name
        configuration.prepareDatabase { database in
            try database.execute(
                sql: """
                    PRAGMA journal_mode = WAL;
                    PRAGMA synchronous = FULL;
                    PRAGMA cache_size = -\(cacheKibibytes);
                    """)
        }
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        var migrator = DatabaseMigrator()
        plan.migrations(&migrator)
        if try queue.read(migrator.hasBeenSuperseded) {
            throw DaemonFailure(
                .storeTooNew,
                "the store \(path) was written by a newer version: install that version again, or "
                    + "restore the state from before it")
        }
        try migrator.migrate(queue)
        return queue
    }

    private static func failure(_ path: String, _ error: any Error) -> DaemonFailure {
        switch StoreCondition(error) {
        case .corrupt:
            DaemonFailure(.storeCorrupt, "the store \(path) is damaged: \(error)")
        case .full:
            DaemonFailure(.storeFailing, "the store \(path) cannot be written: the disk is full")
        case .failing:
            DaemonFailure(.storeFailing, "the store \(path) cannot be opened: \(error)")
        }
    }
}

/// What a failed database call means to a daemon.
package enum StoreCondition: Equatable, Sendable {
    /// No room on the disk, or for more on it.
    case full
    /// What is read is not what was written.
    case corrupt
    case failing

    package init(_ error: any Error) {
        switch (error as? DatabaseError)?.resultCode {
        case .SQLITE_FULL?: self = .full
        case .SQLITE_CORRUPT?, .SQLITE_NOTADB?: self = .corrupt
        default: self = .failing
        }
    }

    /// - Parameter queue: where it failed. SQLite says "full" of a disk without room only; what else has
    ///   none is known by what the system said.
    package init(_ error: any Error, in queue: DatabaseQueue) {
        self.init(error)
        switch (error as? DatabaseError)?.resultCode {
        case .SQLITE_IOERR?, .SQLITE_CANTOPEN?: break
        default: return
        }
        let code = queue.unsafeReentrantRead { database in
            // SAFETY: a connection that is open during the call; SQLite only reads a number of it.
            unsafe database.sqliteConnection.map { unsafe sqlite3_system_errno($0) }
        }
        if let code, Errno(code: code).leavesNoRoom { self = .full }
    }
}
