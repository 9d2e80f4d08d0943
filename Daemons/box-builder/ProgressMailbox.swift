import Channel
package import Interfaces
import Synchronization

/// The latest progress of an import, from its worker to whoever tells the caller.
///
/// Keeps true: the worker never waits, and a caller who does not read costs one value: what was not
/// taken is replaced. One taker.
package final class ProgressMailbox: Sendable {
    // LIMIT: five reports a second are as many as people read.
    static let intervalNanoseconds: UInt64 = 200_000_000

    private struct State {
        var latest: ImportProgress?
        var isFinished = false
        var taken: UInt64?
        var phase = ImportPhase.unspecified
        var waiter: Suspended<ImportProgress?>?
    }

    private let state = Mutex(State())

    package init() {}

    /// - Parameter now: monotonic nanoseconds. Too soon after the last, only a new phase is told.
    package func put(_ progress: ImportProgress, now: UInt64) {
        let waiter = state.withLock { state -> Suspended<ImportProgress?>? in
            if let last = state.taken, now &- last < Self.intervalNanoseconds,
                state.phase == progress.phase
            {
                return nil
            }
            state.taken = now
            state.phase = progress.phase
            guard let waiter = state.waiter else {
                state.latest = progress
                return nil
            }
            state.waiter = nil
            return waiter
        }
        waiter?.resume(progress)
    }

    /// There will be no more.
    package func finish() {
        let waiter = state.withLock { state in
            state.isFinished = true
            state.latest = nil
            return state.waiter.take()
        }
        waiter?.resume(nil)
    }

    /// Waits for the next; nil at the end.
    package func next() async -> ImportProgress? {
        await state.suspend(
            unless: { state in
                if let latest = state.latest.take() { return latest }
                return state.isFinished ? .some(nil) : nil
            }, keep: { $0.waiter = $1 })
    }
}

/// Whether somebody wants work on another thread to end.
package final class CancelFlag: Sendable {
    private let flag = Atomic(false)

    package init() {}

    package var isSet: Bool { flag.load(ordering: .relaxed) }
    package func set() { flag.store(true, ordering: .relaxed) }
}
