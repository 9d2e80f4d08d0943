import GRDB
import Interfaces

/// What a full disk does not hinder.
extension BoxIndex {
    /// A change after which there is more room than before: on a full disk it is made in the room that
    /// is kept for it.
    func freeing<Value>(_ body: () throws -> Value) throws(Fault) -> Value {
        do throws(Fault) {
            return try guarded(body)
        } catch {
            guard error.code == .storageFull, let reserve, reserve.spend() else { throw error }
            defer { keepReserve() }
            return try guarded(body)
        }
    }

    /// Sets aside the room that a removal may need: it writes no more pages than the index has.
    package func keepReserve() {
        guard let reserve else { return }
        let pages = try? queue.writeWithoutTransaction { database -> Int64? in
            // What was written is brought to its place, and the room it took can be set aside.
            if reserve.isSpent { _ = try? database.checkpoint(.truncate) }
            return try Int64.fetchOne(
                database,
                sql: "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        }
        reserve.keep(UInt64(clamping: pages ?? 0))
    }
}
