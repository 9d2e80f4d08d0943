/// A task that waits to be resumed with a value: the one place that touches raw continuations.
///
/// SAFETY: whoever holds it resumes it exactly once; holders take it out of where they keep it
/// before they resume it. Never resumed, the task waits for ever; twice is undefined.
@safe struct Suspended<Value: Sendable>: Sendable {
    private let continuation: UnsafeContinuation<Value, Never>

    fileprivate init(_ continuation: UnsafeContinuation<Value, Never>) {
        unsafe self.continuation = unsafe continuation
    }

    func resume(_ value: Value) {
        unsafe continuation.resume(returning: value)
    }
}

extension Suspended where Value == Void {
    func resume() { resume(()) }
}

/// Suspends the calling task and hands it, suspended, to `body`.
@inline(__always)
func suspend<Value: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: (Suspended<Value>) -> Void
) async -> Value {
    // SAFETY: see `Suspended`.
    await unsafe withUnsafeContinuation(isolation: isolation) { continuation in
        body(unsafe Suspended(continuation))
    }
}
