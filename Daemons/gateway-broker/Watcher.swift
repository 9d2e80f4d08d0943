import Channel
package import Interfaces
import Synchronization

/// What outsiders may know of an instance: durable, as it was announced.
package struct Sighting: Sendable, Equatable {
    package var view: ServiceInstance
    package var outcome: Outcome?

    package init(view: ServiceInstance, outcome: Outcome?) {
        self.view = view
        self.outcome = outcome
    }
}

/// One caller that waits for news of an instance.
///
/// Keeps true: a bounded number of unseen changes is held, the last one always; after the end there
/// is only the end.
package final class Watcher: Sendable {
    private let state: Mutex<State>
    private let unseenMax: Int

    private struct State {
        var unseen: [Sighting] = []
        var end: Fault?
        var waiter: Suspended<Sighting?>?
    }

    package init(unseenMax: Int) {
        self.unseenMax = unseenMax
        state = Mutex(State())
    }

    package func tell(_ sighting: Sighting) {
        let waiter: Suspended<Sighting?>? = state.withLock { state in
            if let waiter = state.waiter {
                state.waiter = nil
                return waiter
            }
            if state.unseen.count == unseenMax { state.unseen.removeFirst() }
            state.unseen.append(sighting)
            return nil
        }
        waiter?.resume(sighting)
    }

    /// No more news: who waits gets the fault, after what is still unseen.
    package func end(_ fault: Fault) {
        let waiter = state.withLock { state in
            state.end = state.end ?? fault
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(nil)
    }

    /// The next news that is none of what was seen already.
    package func next(after seen: Sighting) async throws(Fault) -> Sighting {
        while true {
            let sighting = try await next()
            if sighting != seen { return sighting }
        }
    }

    /// The next news. One caller at a time.
    ///
    /// - Throws: what it was ended with; `.cancelled` when the waiting task was.
    package func next() async throws(Fault) -> Sighting {
        let sighting = await withTaskCancellationHandler {
            await state.suspend(
                unless: { state in
                    if !state.unseen.isEmpty { return state.unseen.removeFirst() }
                    return state.end == nil ? nil : .some(nil)
                }, keep: { $0.waiter = $1 })
        } onCancel: {
            end(.cancelled)
        }
        if let sighting { return sighting }
        throw state.withLock { $0.end } ?? .cancelled
    }
}
