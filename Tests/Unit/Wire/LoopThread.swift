import Channel
import Synchronization
import Syscalls

/// A loop on a thread of its own, for one test.
final class LoopThread: Sendable {
    let loop: EventLoop
    private let thread: Thread

    init() throws {
        let made = Mutex<Result<EventLoop, Errno>?>(nil)
        let ready = Semaphore()
        // Made on its thread, so that it is the loop's from the start.
        let box = Box(made: made)
        thread = try Thread(name: "loop") {
            let result: Result<EventLoop, Errno>
            do throws(Errno) {
                result = .success(try EventLoop())
            } catch {
                result = .failure(error)
            }
            box.made.withLock { $0 = result }
            ready.signal()
            if case .success(let loop) = result { loop.run() }
        }
        ready.wait()
        guard case .success(let loop)? = box.made.withLock({ $0 }) else { throw Errno.noMemory }
        self.loop = loop
    }

    deinit {
        loop.stop()
        thread.join()
    }

    /// Runs `body` on the loop, isolated to an actor of it.
    func run<T: Sendable, E: Error>(
        _ body: @Sendable (isolated LoopActor) async throws(E) -> T
    ) async throws(E) -> T {
        try await LoopActor(loop).run(body)
    }

    private final class Box: Sendable {
        let made: Mutex<Result<EventLoop, Errno>?>

        init(made: consuming Mutex<Result<EventLoop, Errno>?>) {
            self.made = made
        }
    }
}
