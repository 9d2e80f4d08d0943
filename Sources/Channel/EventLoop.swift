import Synchronization
package import Syscalls

/// The one loop of a process: descriptors, timers and the jobs of Swift's tasks, on one thread.
///
/// It is the serial executor of the daemon's actors and the preferred executor of its tasks, so a
/// request that arrives is decoded, handled and answered without leaving the thread that read it.
///
/// Keeps true: everything it calls (handlers of descriptors and timers, jobs, posted work) runs on
/// the thread that called `run`, one at a time; `assumeIsolated` of an actor whose executor this is
/// works in all of them. Jobs cannot shut out descriptors nor the other way round: after a bounded
/// number of rounds of jobs the descriptors are asked again, without waiting. It sleeps in the
/// kernel until something happens: there is no tick.
///
/// Refuses (precondition): watching and scheduling from another thread than its own.
package final class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
    // LIMIT: rounds of jobs between two looks at the descriptors. A round is what was queued when
    // it began, so a chain of jobs that each queue the next one costs I/O at most 16 links of it.
    package static let roundsMax = 16

    /// The thread that runs the loop (the one that made it, until `run`).
    private let owner: Atomic<UInt>
    private let inbox = Mutex(Inbox())
    private let blocking = BlockingPool()

    // SAFETY (all below): touched only on the owner's thread, which every entry checks.
    let epoll: Epoll
    private let wake: EventFD
    private let alarm: TimerFD
    /// When the alarm rings; nil when it will not.
    private var alarmAt: Instant?
    var watches = WatchTable()
    var timers = TimerHeap()
    private var queue: [Entry] = []
    private var running: [Entry] = []
    private var isStopping = false
    /// Work in small parts, one after each look at the descriptors while `hasParts`; tells whether there
    /// is more.
    package var part: (() -> Bool)?
    package var hasParts = false
    /// How often the loop went around: it stands still while nothing happens. For tests.
    private let turns = Atomic<UInt64>(0)
    /// Where packets are received.
    var buffer = PacketBuffer()

    private enum Entry: Sendable {
        case job(UnownedJob)
        case work(@Sendable () -> Void)
    }

    private struct Inbox {
        var entries: [Entry] = []
        var isWoken = false
    }

    // LIMIT: freed bytes that the process keeps for the next bodies: a full credit of items.
    private static let heapKeptBytes: Int32 = 1_048_576

    /// What a loop serves.
    package enum Scope: Sendable {
        /// Its actors.
        case actors
        /// Also the jobs of the process that belong to no executor, for its whole life: nothing of
        /// Swift's concurrency then runs on another thread, and a call costs no thread switch.
        case process
    }

    /// A loop of the calling thread. A daemon's is of the `process`; there can be one of those.
    package init(_ scope: Scope = .actors) throws(Errno) {
        Heap.keepFreed(bytes: Self.heapKeptBytes)
        epoll = try Epoll()
        wake = try EventFD()
        alarm = try TimerFD()
        owner = Atomic(currentThread())
        try epoll.add(wake.descriptor.raw, .readable, token: WatchTable.wakeTag)
        try epoll.add(alarm.descriptor.raw, .readable, token: WatchTable.alarmTag)
        if scope == .process { takeUnownedJobs() }
    }

    // MARK: Running

    /// Serves until `stop`. The calling thread becomes the loop's.
    package func run() {
        owner.store(currentThread(), ordering: .relaxed)
        isStopping = false
        takeInbox()
        while true {
            runJobs()
            if isStopping { return }
            wait()
        }
    }

    /// Serves until `body` has returned; what a program that only calls others needs.
    package func run(until body: @escaping @Sendable (isolated LoopActor) async -> Void) {
        let home = LoopActor(self)
        Task {
            await body(home)
            self.stop()
        }
        run()
    }

    /// Makes `run` return after the jobs that are queued. From any thread.
    package func stop() {
        if isCurrent {
            isStopping = true
        } else {
            post { self.isStopping = true }
        }
    }

    /// Whether the calling thread is the loop's.
    package var isCurrent: Bool {
        owner.load(ordering: .relaxed) == currentThread()
    }

    /// The time now, on the clock of the timers.
    package var now: Instant { Instant(nanoseconds: Clock.monotonicNanoseconds()) }

    /// Runs `work` on the loop, soon. From any thread; from the loop's own it costs no system call.
    package func post(_ work: @escaping @Sendable () -> Void) {
        submit(.work(work))
    }

    /// Runs `work`, which may wait for a disk or compute for long, on a worker thread and resumes
    /// on the caller's executor. At most `BlockingPool.threadsMax` run at once, in order.
    package func runBlocking<T: Sendable, E: Error>(
        _ work: @escaping @Sendable () throws(E) -> T
    ) async throws(E) -> T {
        try await blocking.run(work)
    }

    // MARK: Executor

    private func takeUnownedJobs() {
        // SAFETY: the loop is retained for ever, so the pointer stays good in the sink; a job is
        // one pointer, which the runtime hands over to be run once.
        let context = unsafe Unmanaged.passRetained(self)
        let isTaken = unsafe UnownedJobs.take(context: context.toOpaque()) { context, job in
            guard let context = unsafe context, let job = unsafe job else { return }
            let loop = unsafe Unmanaged<EventLoop>.fromOpaque(context).takeUnretainedValue()
            loop.submit(.job(unsafe unsafeBitCast(job, to: UnownedJob.self)))
        }
        if !isTaken { unsafe context.release() }
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        submit(.job(UnownedJob(job)))
    }

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        // SAFETY: the loop lives as long as the process, or longer than its actors' jobs.
        unsafe UnownedSerialExecutor(ordinary: self)
    }

    package func isSameExclusiveExecutionContext(other: EventLoop) -> Bool { self === other }

    package func checkIsolated() {
        precondition(isCurrent, "not on the event loop's thread")
    }

    package func isIsolatingCurrentContext() -> Bool? { isCurrent }

    private func submit(_ entry: Entry) {
        if isCurrent {
            queue.append(entry)
            return
        }
        let mustWake = inbox.withLock { inbox in
            inbox.entries.append(entry)
            defer { inbox.isWoken = true }
            return !inbox.isWoken
        }
        guard mustWake else { return }
        do throws(Errno) {
            try wake.signal()
        } catch {
            preconditionFailure("the loop cannot be woken: \(error)")
        }
    }

    private func takeInbox() {
        do throws(Errno) {
            try wake.drain()
        } catch {
            preconditionFailure("the loop's eventfd cannot be read: \(error)")
        }
        inbox.withLock { inbox in
            queue.append(contentsOf: inbox.entries)
            inbox.entries.removeAll(keepingCapacity: inbox.entries.count < 1_024)
            inbox.isWoken = false
        }
    }

    private func runJobs() {
        // Never with `taskExecutor:` as well: a task without that preference would then be queued
        // again at each call of another actor of the loop.
        // SAFETY: the executor is this loop, which is running.
        let serial = unsafe asUnownedSerialExecutor()
        for _ in 0..<Self.roundsMax {
            if queue.isEmpty { return }
            swap(&queue, &running)
            for entry in running {
                switch entry {
                case .job(let job):
                    unsafe job.runSynchronously(on: serial)
                case .work(let work): work()
                }
            }
            running.removeAll(keepingCapacity: true)
        }
    }

    package var turnCount: UInt64 { turns.load(ordering: .relaxed) }

    /// One look at the descriptors and the timers.
    private func wait() {
        turns.wrappingAdd(1, ordering: .relaxed)
        armAlarm()
        // Work that is queued must not wait for descriptors; else sleep until there is an event.
        let timeout: UInt64? = queue.isEmpty && !hasParts ? nil : 0
        do throws(Errno) {
            _ = try epoll.wait(timeoutNanoseconds: timeout) { event in
                if event.token == WatchTable.wakeTag {
                    takeInbox()
                } else if event.token == WatchTable.alarmTag {
                    alarmRang()
                } else if let handler = watches.handler(event.token) {
                    handler(event.ready)
                }
            }
        } catch {
            preconditionFailure("the loop cannot wait: \(error)")
        }
        if hasParts { hasParts = part?() ?? false }
    }

    /// Makes the alarm ring no later than the next timer. One that rings too early finds nothing
    /// and is set again, which is cheaper than moving it with each timer that is not the last.
    private func armAlarm() {
        guard let next = timers.next else { return }
        if let alarmAt, alarmAt <= next { return }
        do throws(Errno) {
            try alarm.set(at: next.nanoseconds)
        } catch {
            preconditionFailure("the loop's timer cannot be set: \(error)")
        }
        alarmAt = next
    }

    private func alarmRang() {
        do throws(Errno) {
            _ = try alarm.drain()
        } catch {
            preconditionFailure("the loop's timer cannot be read: \(error)")
        }
        alarmAt = nil
        let now = now
        while let handler = timers.takeDue(at: now) { handler() }
    }
}
