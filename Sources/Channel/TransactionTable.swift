import Interfaces
import Wire

/// The place of an open transaction in its connection's table; taken again after it ended.
package typealias Place = Int

/// The open transactions of one connection, by place.
///
/// Keeps true: at most `WireLimits.transactionsMax`, a transaction has one place from open to end,
/// and no memory is taken after the first `transactionsMax` places were used. A search walks the
/// numbers of the places in use, which are few; 256 of them are two cache lines per look-up of 16.
struct TransactionTable: ~Copyable {
    struct Open {
        let method: MethodDescriptor
        /// When this side ends it by itself; nil for never.
        var deadline: Instant?
        /// Items the listener may still send.
        var credit: UInt32
        /// Caller: `cancel` was sent. Listener: it was received.
        var isCancelled = false
        /// Caller only: nobody waits for the answer any more, which is still owed.
        var isAbandoned = false
    }

    /// 0 marks a free place: no transaction has that number.
    private var numbers: [UInt64] = []
    private var entries: [Open?] = []
    private var free: [Place] = []

    var count: Int { numbers.count - free.count }
    /// Places that were ever used: all slots are below.
    var slots: Range<Place> { 0..<numbers.count }

    mutating func add(_ number: UInt64, _ open: Open) -> Place {
        precondition(count < WireLimits.transactionsMax, "the table was not asked first")
        if let slot = free.popLast() {
            numbers[slot] = number
            entries[slot] = open
            return slot
        }
        numbers.append(number)
        entries.append(open)
        return numbers.count - 1
    }

    func slot(of number: UInt64) -> Place? {
        for slot in numbers.indices where numbers[slot] == number { return slot }
        return nil
    }

    /// The transaction's number; 0 for a free place.
    func number(_ slot: Place) -> UInt64 { numbers[slot] }

    func holds(_ number: UInt64, at slot: Place) -> Bool {
        slot < numbers.count && numbers[slot] == number
    }

    subscript(slot: Place) -> Open {
        get {
            guard let open = entries[slot] else { preconditionFailure("a free place") }
            return open
        }
        set { entries[slot] = newValue }
    }

    mutating func remove(_ slot: Place) {
        numbers[slot] = 0
        entries[slot] = nil
        free.append(slot)
    }
}
