// A caller that outlives its connections, against a server that comes and goes.

import Channel
import Interfaces
import Syscalls
import Testing

@Suite(.timeLimit(.minutes(10))) struct ReconnectingCallerTests {
    private func caller(_ thread: LoopThread, _ path: String) -> ReconnectingCaller {
        ReconnectingCaller(
            path: path, loop: thread.loop, interfaces: [BoxBuilderInterface.descriptor],
            program: "test", version: "1")
    }

    private func named(_ box: String) -> RemoveBoxRequest {
        var request = RemoveBoxRequest()
        request.box = box
        return request
    }

    private func fault<T>(_ body: () async throws(Fault) -> T) async -> Fault? {
        do throws(Fault) {
            _ = try await body()
            return nil
        } catch {
            return error
        }
    }

    @Test func withoutAListenerACallIsUnavailableAndNamesThePath() async throws {
        let thread = try LoopThread()
        let path = "/tmp/celaut-test-\(Random.integer()).sock"
        let client = BoxBuilderClient(caller(thread, path))
        let fault = await fault { () async throws(Fault) in
            try await client.removeBox(named("a"))
        }
        #expect(fault?.code == .unavailable)
        #expect(fault?.subject == path)
    }

    @Test func oneConnectionServesManyCalls() async throws {
        let served = try Served()
        let client = BoxBuilderClient(caller(served.thread, served.path))
        try await withThrowingTaskGroup { group in
            for number in 0..<50 {
                group.addTask { try await client.removeBox(named("\(number)")) }
            }
            try await group.waitForAll()
        }
        let open = await served.thread.run { _ in served.server.connectionCount }
        #expect(open == 1)
    }

    @Test func anIdempotentCallInFlightIsRepeatedOnceAfterTheConnectionWasLost() async throws {
        let served = try Served()
        let client = BoxBuilderClient(caller(served.thread, served.path))
        let request = named("hold")
        let call = Task {
            await fault { () async throws(Fault) in try await client.removeBox(request) }
        }
        await served.handler.untilHeld(1)
        await served.dropConnections()
        // The handler of the first was cancelled; the second waits again.
        await served.handler.untilCancelled(1)
        await served.handler.untilHeld(1)
        await served.handler.release()
        #expect(await call.value == nil)
        #expect(await served.handler.finished == ["hold", "hold"])
    }

    @Test func aSecondLossIsToldToTheCaller() async throws {
        let served = try Served()
        let client = BoxBuilderClient(caller(served.thread, served.path))
        let request = named("hold")
        let call = Task {
            await fault { () async throws(Fault) in try await client.removeBox(request) }
        }
        for count in 1...2 {
            await served.handler.untilHeld(1)
            await served.dropConnections()
            await served.handler.untilCancelled(count)
        }
        #expect(await call.value?.code == .unavailable)
    }

    @Test func aStreamThatLostItsConnectionIsUnavailableAndNotRepeated() async throws {
        let served = try Served()
        let client = BoxBuilderClient(caller(served.thread, served.path))
        let stream = try await client.listBoxes(ListBoxesRequest())
        _ = try await stream.next()
        await served.dropConnections()
        var last: Fault?
        do throws(Fault) {
            while try await stream.next() != nil {}
        } catch {
            last = error
        }
        #expect(last?.code == .unavailable)
        // The caller goes on with a new connection.
        _ = try await client.removeBox(named("next"))
    }

    @Test(arguments: [0, 1, 2, 5, 60])
    func theDelayDoublesWithinItsBoundsAndStartsAgainAfterSuccess(failures: Int) {
        var backoff = Backoff()
        for _ in 0..<failures { _ = backoff.failed(random: 0) }
        var same = backoff
        let least = backoff.failed(random: 0)
        let most = same.failed(random: 1_023)
        let whole = min(Backoff.first * (1 << min(failures, 16)), Backoff.longest)
        #expect(least == whole / 2)
        #expect(most > least && most < whole)
        backoff.succeeded()
        #expect(backoff.failed(random: 0) == Backoff.first / 2)
    }
}
