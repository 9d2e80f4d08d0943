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
    /// Places that were ever used: all places are below.
    var places: Range<Place> { 0..<numbers.count }

    mutating func add(_ number: UInt64, _ open: Open) -> Place {
        precondition(count < WireLimits.transactionsMax, "the table was not asked first")
        if let place = free.popLast() {
            numbers[place] = number
            entries[place] = open
            return place
        }
        numbers.append(number)
        entries.append(open)
        return numbers.count - 1
    }

    func place(of number: UInt64) -> Place? {
        for place in numbers.indices where numbers[place] == number { return place }
        return nil
    }

    /// The transaction's number; 0 for a free place.
    func number(_ place: Place) -> UInt64 { numbers[place] }

    func holds(_ number: UInt64, at place: Place) -> Bool {
        place < numbers.count && numbers[place] == number
    }

    subscript(place: Place) -> Open {
        get {
            guard let open = entries[place] else { preconditionFailure("a free place") }
            return open
        }
        set { entries[place] = newValue }
    }

    mutating func remove(_ place: Place) {
        numbers[place] = 0
        entries[place] = nil
        free.append(place)
    }
}
