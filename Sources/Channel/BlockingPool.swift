import Synchronization
import Syscalls

/// Threads for work that waits for a disk or computes for long.
///
/// Keeps true: at most `threadsMax` threads, made when first needed and kept; work starts in the
/// order it came; the waiting task resumes where it was, never on a worker.
final class BlockingPool: Sendable {
    // LIMIT: threads. A disk gains nothing from more, and some of the work waits for a peer's pipe,
    // which must leave threads for the rest. Each costs a stack. More work waits in the queue.
    static let threadsMax = 8

    // LIMIT: waiting work. Requests are bounded per user, so this is not met in normal service;
    // past it the work runs on the thread that asked, which slows the source down.
    static let waitingMax = 1_024

    private struct Threads {
        var count = 0
        var busy = 0
    }

    private let queue = WorkQueue<@Sendable () -> Void>(limit: waitingMax)
    private let threads = Mutex(Threads())

    deinit {
        queue.close()
    }

    func run<T: Sendable, E: Error>(
        _ work: @escaping @Sendable () throws(E) -> T
    ) async throws(E) -> T {
        let result: Result<T, E> = await suspend(starting: { asleep in
            let job: @Sendable () -> Void = {
                let result: Result<T, E>
                do throws(E) {
                    result = .success(try work())
                } catch {
                    result = .failure(error)
                }
                asleep.resume(result)
            }
            submit(job)
        })
        return try result.get()
    }

    private func submit(_ job: @escaping @Sendable () -> Void) {
        let needsThread = threads.withLock { threads in
            threads.busy += 1
            guard threads.busy > threads.count, threads.count < Self.threadsMax else {
                return false
            }
            threads.count += 1
            return true
        }
        let hasThreads = needsThread ? startThread() : true
        if !hasThreads || !queue.push(job) {
            job()
            finished()
        }
    }

    private func finished() {
        threads.withLock { $0.busy -= 1 }
    }

    /// Whether there is a thread that will take work.
    private func startThread() -> Bool {
        let queue = queue
        do throws(Errno) {
            _ = try Thread(name: "blocking") { [weak self] in
                while let job = queue.pop() {
                    job()
                    self?.finished()
                }
            }
            return true
        } catch {
            return threads.withLock { threads in
                threads.count -= 1
                return threads.count > 0
            }
        }
    }
}
