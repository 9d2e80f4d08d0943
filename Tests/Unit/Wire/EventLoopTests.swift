// The loop: which thread runs what, in which order, and that it sleeps when nothing happens.

import Channel
import Synchronization
import Syscalls
import Testing

@Suite(.timeLimit(.minutes(10))) struct EventLoopTests {
    /// An actor of the loop that can be looked at from callbacks.
    actor Witness {
        nonisolated let loop: EventLoop
        private(set) var seen: [Int] = []

        init(_ loop: EventLoop) { self.loop = loop }

        nonisolated var unownedExecutor: UnownedSerialExecutor {
            // SAFETY: the test keeps the loop.
            unsafe loop.asUnownedSerialExecutor()
        }

        func note(_ value: Int) { seen.append(value) }
        func thread() -> UInt { currentThread() }
    }

    @Test func anActorOfTheLoopRunsOnItsThreadAndNoOther() async throws {
        let thread = try LoopThread()
        let witness = Witness(thread.loop)
        let here = await witness.thread()
        let there = await witness.thread()
        #expect(here == there)
        let inside = await thread.run { _ in thread.loop.isCurrent }
        #expect(inside)
        #expect(!thread.loop.isCurrent)
    }

    @Test func assumeIsolatedWorksInTimersWatchesAndPostedWork() async throws {
        let thread = try LoopThread()
        let loop = thread.loop
        let witness = Witness(loop)
        let pipe = try Pipe(nonBlocking: true)
        try File.writeAll(pipe.writing, [1])
        let reading = SharedDescriptor(pipe.keepReading())
        await thread.run { _ in
            await suspend(starting: { (done: Suspended<Void>) in
                let watch = Mutex<WatchToken?>(nil)
                _ = loop.schedule(after: .milliseconds(1)) {
                    witness.assumeIsolated { $0.note(1) }
                    let token = try? loop.watch(raw: reading.raw, .readable) { _ in
                        witness.assumeIsolated { $0.note(2) }
                        if let token = watch.withLock({ $0 }) { loop.unwatch(token) }
                        loop.post {
                            witness.assumeIsolated { $0.note(3) }
                            done.resume()
                        }
                    }
                    watch.withLock { $0 = token }
                }
            })
        }
        #expect(await witness.seen == [1, 2, 3])
    }

    @Test func timersFireInTheOrderOfTheirInstantsAndNotWhenCancelled() async throws {
        let thread = try LoopThread()
        let loop = thread.loop
        let witness = Witness(loop)
        await thread.run { _ in
            await suspend(starting: { (done: Suspended<Void>) in
                let now = loop.now
                func at(_ milliseconds: Int, _ value: Int) -> TimerToken {
                    loop.schedule(at: now.advanced(by: .milliseconds(milliseconds))) {
                        witness.assumeIsolated { $0.note(value) }
                        if value == 3 { done.resume() }
                    }
                }
                _ = at(3, 3)
                _ = at(1, 1)
                let cancelled = at(2, 99)
                _ = at(2, 2)
                loop.cancel(cancelled)
            })
        }
        #expect(await witness.seen == [1, 2, 3])
    }

    @Test func aTimerNeverFiresEarly() async throws {
        let thread = try LoopThread()
        let loop = thread.loop
        for delay in [Duration.zero, .microseconds(300), .milliseconds(2)] {
            let early = await thread.run { _ in
                let due = loop.now.advanced(by: delay)
                await loop.sleep(delay)
                return loop.now < due
            }
            #expect(!early)
        }
    }

    @Test func workPostedFromManyThreadsAllRunsOnTheLoop() async throws {
        let thread = try LoopThread()
        let loop = thread.loop
        let count = Mutex(0)
        let box = Counted(count)
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<500 {
                        loop.post { box.add(loop.isCurrent ? 1 : 1_000_000) }
                    }
                }
            }
        }
        await thread.run { _ in }
        #expect(box.value == 4_000)
    }

    @Test func blockingWorkLeavesTheLoopFreeAndResumesOnIt() async throws {
        let thread = try LoopThread()
        let loop = thread.loop
        let release = Semaphore()
        let result = await thread.run { _ in
            // The work waits for something that only a free loop does.
            loop.post { release.signal() }
            let worker = await loop.runBlocking { () throws(Never) in
                release.wait()
                return currentThread()
            }
            return (worker != currentThread(), loop.isCurrent)
        }
        #expect(result.0 && result.1)
    }

    @Test func blockingWorkGivesItsErrorBack() async throws {
        let thread = try LoopThread()
        let loop = thread.loop
        let error = await thread.run { _ -> Errno? in
            do throws(Errno) {
                try await loop.runBlocking { () throws(Errno) in throw .noEntry }
                return nil
            } catch {
                return error
            }
        }
        #expect(error == .noEntry)
    }

    @Test func aChainOfJobsDoesNotShutOutDescriptors() async throws {
        let thread = try LoopThread()
        let loop = thread.loop
        let pipe = try Pipe(nonBlocking: true)
        try File.writeAll(pipe.writing, [1])
        let reading = SharedDescriptor(pipe.keepReading())
        let links = await thread.run { _ in
            await suspend(starting: { done in
                let chain = Chain(loop)
                let token = try? loop.watch(raw: reading.raw, .readable) { _ in
                    guard let count = chain.stop() else { return }
                    done.resume(count)
                }
                chain.next()
                _ = token
            })
        }
        #expect(links < 1_000)
    }

    @Test func anEventOfAWatchThatEndedReachesNobodyAlsoWhenItsPlaceWasTakenAgain() async throws {
        let thread = try LoopThread()
        let loop = thread.loop
        let ends = [SharedDescriptor(try readable()), SharedDescriptor(try readable())]
        // Both ends stay open, so that the one that is watched has nothing to say.
        let silent = try Pipe(nonBlocking: true)
        let unready = SharedDescriptor(try silent.reading.duplicate())
        let calls = Counted(Mutex(0))
        let strays = Counted(Mutex(0))
        await thread.run { _ in
            let tokens = Mutex<[WatchToken]>([])
            for end in ends {
                let token = try? loop.watch(raw: end.raw, .readable) { _ in
                    calls.add(1)
                    // Both are ready in one batch: the one that runs first ends both, and the next
                    // watch takes the place of the one whose event is still to come.
                    for token in tokens.withLock({ $0 }) { loop.unwatch(token) }
                    _ = try? loop.watch(raw: unready.raw, .readable) { _ in strays.add(1) }
                }
                if let token { tokens.withLock { $0.append(token) } }
            }
            await loop.sleep(.milliseconds(5))
        }
        #expect(calls.value == 1)
        #expect(strays.value == 0)
        #expect(silent.writing.raw != unready.raw)
    }

    private func readable() throws -> Descriptor {
        let pipe = try Pipe(nonBlocking: true)
        try File.writeAll(pipe.writing, [1])
        return pipe.keepReading()
    }

    @Test func anIdleLoopUsesNoProcessorTime() async throws {
        let thread = try LoopThread()
        let loop = thread.loop
        let before = Wakeups.count(of: loop)
        _ = await thread.run { _ in await loop.sleep(.milliseconds(50)) }
        let after = Wakeups.count(of: loop)
        #expect(after - before < 20)
    }

    private enum Wakeups {
        static func count(of loop: EventLoop) -> UInt64 { loop.turnCount }
    }

    final class Counted: Sendable {
        private let count: Mutex<Int>
        init(_ count: consuming Mutex<Int>) { self.count = count }
        func add(_ more: Int) { count.withLock { $0 += more } }
        var value: Int { count.withLock { $0 } }
    }

    /// Posts itself for ever, until it is told to stop.
    final class Chain: Sendable {
        private let loop: EventLoop
        private let state = Mutex<(links: Int, isOver: Bool)>((0, false))

        init(_ loop: EventLoop) { self.loop = loop }

        func next() {
            let goesOn = state.withLock { state in
                state.links += 1
                return !state.isOver
            }
            if goesOn { loop.post { self.next() } }
        }

        /// The links so far, the first time.
        func stop() -> Int? {
            state.withLock { state in
                if state.isOver { return nil }
                state.isOver = true
                return state.links
            }
        }
    }
}
