/// Names one timer of an `EventLoop`. Stays harmless after the timer fired or was cancelled.
package struct TimerToken: Hashable, Sendable {
    let slot: Int32
    let generation: UInt32
}

/// The timers of a loop, nearest first.
///
/// Keeps true: a timer fires once, not before its instant, in the order of the instants (equal
/// ones in the order they were made); a cancelled one never fires. Cancelling is O(1): the heap's
/// entry stays and is skipped, and the heap is rebuilt when most of it is such entries, so that
/// setting and cancelling for ever does not grow it.
struct TimerHeap {
    private struct Entry {
        let due: Instant
        let sequence: UInt64
        let token: TimerToken

        func isBefore(_ other: Entry) -> Bool {
            due == other.due ? sequence < other.sequence : due < other.due
        }
    }

    private struct Slot {
        var generation: UInt32
        var handler: (() -> Void)?
    }

    private var heap: [Entry] = []
    private var slots: [Slot] = []
    private var free: [Int32] = []
    private var sequence: UInt64 = 0

    /// Timers that will still fire.
    var count: Int { slots.count - free.count }

    /// When the next timer fires; nil when there is none.
    var next: Instant? {
        mutating get {
            while let first = heap.first {
                if isLive(first.token) { return first.due }
                removeFirst()
            }
            return nil
        }
    }

    mutating func add(due: Instant, _ handler: @escaping () -> Void) -> TimerToken {
        let slot: Int32
        if let reused = free.popLast() {
            slot = reused
            slots[Int(slot)].handler = handler
        } else {
            slot = Int32(slots.count)
            slots.append(Slot(generation: 0, handler: handler))
        }
        let token = TimerToken(slot: slot, generation: slots[Int(slot)].generation)
        sequence += 1
        insert(Entry(due: due, sequence: sequence, token: token))
        return token
    }

    mutating func cancel(_ token: TimerToken) {
        guard isLive(token) else { return }
        _ = retire(token)
        if heap.count > 64, heap.count > 2 * count { rebuild() }
    }

    /// The handler of the next timer that is due at `now`; nil when none is.
    mutating func takeDue(at now: Instant) -> (() -> Void)? {
        guard let next, next <= now else { return nil }
        return retire(removeFirst().token)
    }

    private func isLive(_ token: TimerToken) -> Bool {
        let slot = Int(token.slot)
        return slot < slots.count && slots[slot].generation == token.generation
            && slots[slot].handler != nil
    }

    private mutating func retire(_ token: TimerToken) -> (() -> Void)? {
        let slot = Int(token.slot)
        let handler = slots[slot].handler
        slots[slot].handler = nil
        slots[slot].generation &+= 1
        free.append(token.slot)
        return handler
    }

    private mutating func rebuild() {
        let live = heap.filter { isLive($0.token) }
        heap.removeAll(keepingCapacity: true)
        for entry in live { insert(entry) }
    }

    private mutating func insert(_ entry: Entry) {
        heap.append(entry)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].isBefore(heap[parent]) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    @discardableResult
    private mutating func removeFirst() -> Entry {
        heap.swapAt(0, heap.count - 1)
        let first = heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child].isBefore(heap[least]) {
                least = child
            }
            if least == parent { return first }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
