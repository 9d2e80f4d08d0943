package import Syscalls

/// Names one watch of an `EventLoop`. Stays harmless after `unwatch`.
package struct WatchToken: Hashable, Sendable {
    let tag: UInt64
    let raw: Int32
}

/// The handlers of the watched descriptors, found by the tag the kernel gives back.
///
/// Keeps true: an event of a watch that was ended in the same batch reaches nobody, also when the
/// slot was taken again.
struct WatchTable {
    /// The tags of the loop's own eventfd and timerfd; no slot has them.
    static let wakeTag = UInt64.max
    static let alarmTag = UInt64.max - 1

    private struct Slot {
        var generation: UInt32 = 0
        var handler: ((Ready) -> Void)?
    }

    private var slots: [Slot] = []
    private var free: [UInt32] = []

    var count: Int { slots.count - free.count }

    mutating func add(_ handler: @escaping (Ready) -> Void) -> UInt64 {
        let slot: UInt32
        if let reused = free.popLast() {
            slot = reused
        } else {
            slot = UInt32(slots.count)
            slots.append(Slot())
        }
        slots[Int(slot)].handler = handler
        return UInt64(slots[Int(slot)].generation) << 32 | UInt64(slot)
    }

    func handler(_ tag: UInt64) -> ((Ready) -> Void)? {
        let slot = Int(UInt32(truncatingIfNeeded: tag))
        guard slot < slots.count, slots[slot].generation == UInt32(tag >> 32) else { return nil }
        return slots[slot].handler
    }

    /// Whether there was such a watch.
    mutating func remove(_ tag: UInt64) -> Bool {
        guard handler(tag) != nil else { return false }
        let slot = Int(UInt32(truncatingIfNeeded: tag))
        slots[slot].handler = nil
        slots[slot].generation &+= 1
        free.append(UInt32(slot))
        return true
    }
}

extension EventLoop {
    /// Calls `handler` on the loop whenever the descriptor is ready, level-triggered: as long as it
    /// is. The descriptor must stay open until `unwatch`, and can be watched once.
    package func watch(
        _ descriptor: borrowing Descriptor, _ interest: Interest,
        _ handler: @escaping (Ready) -> Void
    ) throws(Errno) -> WatchToken {
        try watch(raw: descriptor.raw, interest, handler)
    }

    /// The same for a descriptor that something else owns.
    package func watch(
        raw: Int32, _ interest: Interest, _ handler: @escaping (Ready) -> Void
    ) throws(Errno) -> WatchToken {
        checkIsolated()
        let tag = watches.add(handler)
        do throws(Errno) {
            try epoll.add(raw, interest, token: tag)
        } catch {
            _ = watches.remove(tag)
            throw error
        }
        return WatchToken(tag: tag, raw: raw)
    }

    /// Changes what a watch waits for; an empty interest only hears of hang-up and errors.
    package func modify(_ token: WatchToken, _ interest: Interest) {
        checkIsolated()
        guard watches.handler(token.tag) != nil else { return }
        do throws(Errno) {
            try epoll.modify(token.raw, interest, token: token.tag)
        } catch {
            preconditionFailure("a watched descriptor was closed: \(error)")
        }
    }

    /// Ends a watch. Must come before the descriptor is closed.
    package func unwatch(_ token: WatchToken) {
        checkIsolated()
        guard watches.remove(token.tag) else { return }
        do throws(Errno) {
            try epoll.remove(token.raw)
        } catch {
            preconditionFailure("a watched descriptor was closed: \(error)")
        }
    }

    /// Ends an edge-triggered watch of a descriptor that is closed right after: the kernel then ends its
    /// part without being asked (epoll(7)), which saves a call. Where somebody else holds the same open
    /// file a little longer, what still comes of it reaches nobody.
    package func forget(_ token: WatchToken) {
        checkIsolated()
        _ = watches.remove(token.tag)
    }

    /// Calls `handler` on the loop once, not before `delay` from now.
    package func schedule(after delay: Duration, _ handler: @escaping () -> Void) -> TimerToken {
        schedule(at: now.advanced(by: delay), handler)
    }

    /// Calls `handler` on the loop once, not before `instant`.
    package func schedule(at instant: Instant, _ handler: @escaping () -> Void) -> TimerToken {
        checkIsolated()
        return timers.add(due: instant, handler)
    }

    package func cancel(_ token: TimerToken) {
        checkIsolated()
        timers.cancel(token)
    }

    /// Waits, without holding the loop; `CancellationError` is not thrown: look at
    /// `Task.isCancelled` after it. For back-off, not for waiting on a state.
    package func sleep(_ duration: Duration) async {
        await suspend(starting: { asleep in
            let start: @Sendable () -> Void = {
                _ = self.schedule(after: duration) { asleep.resume() }
            }
            if isCurrent { start() } else { post(start) }
        })
    }
}

extension EventLoop {
    /// Takes these signals from their usual delivery and calls `handler` on the loop for each.
    /// Before other threads are made. For the rest of the process.
    package func onSignals(
        _ signals: [Signal], _ handler: @escaping (SignalFD.Arrived) -> Void
    ) throws(Errno) {
        let source = SignalSource(descriptor: try SignalFD(signals))
        _ = try watch(raw: source.descriptor.descriptor.raw, .readable) { _ in
            while let arrived = try? source.descriptor.next() { handler(arrived) }
        }
    }

    private final class SignalSource {
        let descriptor: SignalFD

        init(descriptor: consuming SignalFD) {
            self.descriptor = descriptor
        }
    }
}
