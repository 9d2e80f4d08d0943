// Threads for blocking work, and the queue that feeds them. Each thread has all signals blocked,
// so that the signalfd of the main thread gets them.

import CShim
import Glibc
import Synchronization

package final class Thread: Sendable {
    private let handle: pthread_t

    /// Starts a thread. Join it, or let it end with the process.
    ///
    /// - Parameter name: at most 15 bytes, for tools.
    package init(
        name: String, stackBytes: Int = 524_288, _ body: @escaping @Sendable () -> Void
    ) throws(Errno) {
        let start = Start(name: name, body: body)
        var attributes = pthread_attr_t()
        var handle = pthread_t()
        // SAFETY: the attributes are local; the closure's box is retained for the new thread, which
        // releases it, or released here when there is no thread.
        unsafe pthread_attr_init(&attributes)
        unsafe pthread_attr_setstacksize(&attributes, stackBytes)
        let context = unsafe Unmanaged.passRetained(start)
        let code = unsafe pthread_create(
            &handle, &attributes, Thread.threadMain, context.toOpaque())
        unsafe pthread_attr_destroy(&attributes)
        if code != 0 {
            unsafe context.release()
            throw Call.failure(code)
        }
        self.handle = handle
    }

    /// Waits until the thread has ended. Once.
    package func join() {
        _ = pthread_join(handle, nil)
    }

    private final class Start: Sendable {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    private static let threadMain:
        @convention(c) (UnsafeMutableRawPointer?) ->
            UnsafeMutableRawPointer? = { context in
                guard let context = unsafe context else { return nil }
                // SAFETY: the box that init retained for this thread, released by taking it.
                let start = unsafe Unmanaged<Start>.fromOpaque(context).takeRetainedValue()
                var all = sigset_t()
                // SAFETY: a local set and a short name are read during the calls.
                unsafe sigfillset(&all)
                unsafe pthread_sigmask(SIG_BLOCK, &all, nil)
                unsafe pthread_setname_np(pthread_self(), String(start.name.prefix(15)))
                start.body()
                return nil
            }
}

/// A queue between threads with a bound. `pop` blocks its thread; `push` never does.
package final class WorkQueue<Element: Sendable>: Sendable {
    private struct State {
        /// Before `head` there is nothing any more.
        var waiting: [Element?] = []
        var head = 0
        var closed = false
    }

    private let state = Mutex(State())
    private let filled = Semaphore()
    private let limit: Int

    /// - Parameter limit: how many may wait.
    package init(limit: Int) {
        self.limit = limit
    }

    /// How many wait.
    package var count: Int { state.withLock { $0.waiting.count - $0.head } }

    /// Adds work. False when the queue is full or closed: the work was not taken.
    package func push(_ element: consuming Element) -> Bool {
        let element = element
        let taken = state.withLock { state in
            if state.closed || state.waiting.count - state.head >= limit { return false }
            state.waiting.append(element)
            return true
        }
        if taken { filled.signal() }
        return taken
    }

    /// The oldest work; waits for some. nil when the queue is closed and empty.
    package func pop() -> Element? {
        while true {
            filled.wait()
            let (element, closed) = state.withLock { state -> (Element?, Bool) in
                guard state.head < state.waiting.count else { return (nil, state.closed) }
                let element = state.waiting[state.head].take()
                state.head += 1
                if state.head == state.waiting.count || state.head >= 1_024 {
                    state.waiting.removeFirst(state.head)
                    state.head = 0
                }
                return (element, false)
            }
            if let element { return element }
            if closed {
                // Pass it on to the next thread that waits.
                filled.signal()
                return nil
            }
        }
    }

    /// No more work is taken; what waits is still given out.
    package func close() {
        state.withLock { $0.closed = true }
        filled.signal()
    }
}

/// A counting semaphore between threads of this process.
///
/// SAFETY: `@unchecked Sendable` because a sem_t is made for use by several threads; it is allocated
/// once and never moved.
@safe package final class Semaphore: @unchecked Sendable {
    // SAFETY: allocated once and never moved; sem_t is made for use by several threads.
    private let raw: UnsafeMutablePointer<sem_t>

    package init(_ count: UInt32 = 0) {
        unsafe raw = .allocate(capacity: 1)
        unsafe sem_init(raw, 0, count)
    }

    deinit {
        // SAFETY: nobody waits any more, as a waiter holds a reference.
        unsafe sem_destroy(raw)
        unsafe raw.deallocate()
    }

    package func signal() {
        // SAFETY: see `raw`.
        unsafe sem_post(raw)
    }

    package func wait() {
        // SAFETY: see `raw`.
        while unsafe sem_wait(raw) == -1, errno == EINTR {}
    }

    /// Waits at most so long.
    ///
    /// - Returns: false when that was not enough.
    package func wait(milliseconds: Int32) -> Bool {
        var deadline = timespec()
        // SAFETY: a local value, written and read during the calls; see `raw`.
        unsafe clock_gettime(CLOCK_MONOTONIC, &deadline)
        let nanoseconds = deadline.tv_nsec + Int(milliseconds) * 1_000_000
        deadline.tv_sec += nanoseconds / 1_000_000_000
        deadline.tv_nsec = nanoseconds % 1_000_000_000
        while true {
            if unsafe sem_clockwait(raw, CLOCK_MONOTONIC, &deadline) == 0 { return true }
            if errno != EINTR { return false }
        }
    }
}
