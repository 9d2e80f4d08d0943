/// An actor on the loop and nothing else: the isolation of code that belongs to no other actor,
/// such as a program's main task.
package actor LoopActor {
    package nonisolated let loop: EventLoop

    package init(_ loop: EventLoop) {
        self.loop = loop
    }

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe loop.asUnownedSerialExecutor()
    }

    /// Runs `body` on the loop, isolated to this actor.
    package func run<T: Sendable, E: Error>(
        _ body: @Sendable (isolated LoopActor) async throws(E) -> T
    ) async throws(E) -> T {
        try await body(self)
    }
}
