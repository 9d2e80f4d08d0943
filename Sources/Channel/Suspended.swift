// How a task waits: the one place that touches continuations. A rule in Tests/Tidy keeps it so.

package import Synchronization

/// A task that sleeps until it is resumed with a value.
///
/// Keeps true: whoever holds it resumes it exactly once; holders take it out of where they keep it
/// before they resume it. Twice ends the process; never, and the task sleeps for ever.
package struct Suspended<Value: Sendable>: Sendable {
    private let continuation: CheckedContinuation<Value, Never>

    fileprivate init(_ continuation: CheckedContinuation<Value, Never>) {
        self.continuation = continuation
    }

    package func resume(_ value: Value) {
        continuation.resume(returning: value)
    }
}

extension Suspended where Value == Void {
    package func resume() { resume(()) }
}

/// Waits for what somebody else will tell: sleeps unless it has been told.
///
/// A look before this call is too early: between the two the task may be queued once more (it is, at
/// each call, where it prefers an executor), and what is told meanwhile wakes nobody. So it is
/// looked at here, where there is already somebody to be woken.
///
/// - Parameters:
///   - found: what the wait is for, where it is there.
///   - keep: puts the sleeper where whoever tells finds it.
package func suspend<Value: Sendable>(
    unless found: () -> Value?, keep: (Suspended<Value>) -> Void
) async -> Value {
    await suspend(starting: { asleep in
        if let value = found() { return asleep.resume(value) }
        keep(asleep)
    })
}

/// As above, for what carries no value.
package func suspend(unless isSo: () -> Bool, keep: (Suspended<Void>) -> Void) async {
    await suspend(unless: { isSo() ? () : nil }, keep: keep)
}

/// Starts what ends by resuming the task, once. Not for what may have happened before: see
/// `suspend(unless:keep:)`.
package func suspend<Value: Sendable>(starting work: (Suspended<Value>) -> Void) async -> Value {
    await withCheckedContinuation { work(Suspended($0)) }
}

extension Mutex where Value: Sendable {
    /// As `suspend(unless:keep:)`, for what is told from any thread: looked at and kept under the
    /// lock.
    package func suspend<Told: Sendable>(
        unless found: (inout Value) -> Told?, keep: (inout Value, Suspended<Told>) -> Void
    ) async -> Told {
        await Channel.suspend(starting: { asleep in
            let told: Told? = withLock { value in
                if let told = found(&value) { return told }
                keep(&value, asleep)
                return nil
            }
            if let told { asleep.resume(told) }
        })
    }
}
