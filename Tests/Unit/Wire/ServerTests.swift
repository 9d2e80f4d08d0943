// A real server and a real caller over a socket, through the generated client and handler.

import Channel
import Interfaces
import Syscalls
import Testing
import Wire

@Suite(.timeLimit(.minutes(10))) struct ServerTests {
    private func fault<T>(_ body: () async throws(Fault) -> T) async -> WireFaultCode? {
        do throws(Fault) {
            _ = try await body()
            return nil
        } catch {
            return error.code
        }
    }

    private func named(_ box: String) -> RemoveBoxRequest {
        var request = RemoveBoxRequest()
        request.box = box
        return request
    }

    @Test func aCallIsAnsweredByItsHandlerAndFaultsTravelWhole() async throws {
        let served = try Served()
        let client = try await served.client()
        let reply = try await client.removeBox(named("abc"))
        #expect(reply.serviceIDBytes == Array("abc".utf8))
        do throws(Fault) {
            _ = try await client.removeBox(named("missing"))
            Issue.record("no fault")
        } catch {
            #expect(error == Fault(.notFound, subject: "missing"))
        }
    }

    @Test func aCallFromTheLoopCostsNoThreadHop() async throws {
        let served = try Served()
        let client = try await served.client()
        let request = named("thread")
        let (before, during, after) = try await served.thread.run {
            (_) async throws(Fault) in
            let before = currentThread()
            let reply = try await client.removeBox(request)
            return (before, UInt(reply.freedBytes), currentThread())
        }
        #expect(before == during && during == after)
    }

    @Test func answersComeInTheOrderTheyAreReady() async throws {
        let served = try Served()
        let client = try await served.client()
        async let slow = client.removeBox(named("hold"))
        await served.handler.untilHeld(1)
        _ = try await client.removeBox(named("quick"))
        await served.handler.release()
        #expect(try await slow.serviceIDBytes == Array("hold".utf8))
        #expect(await served.handler.finished == ["quick", "hold"])
    }

    @Test func theDeadlineEndsTheCallAndCancelsTheHandler() async throws {
        let served = try Served()
        let client = try await served.client()
        let code = await fault { () async throws(Fault) in
            try await client.removeBox(named("hold"), deadline: .milliseconds(30))
        }
        #expect(code == .deadlineExceeded)
        await served.handler.untilCancelled(1)
        // The connection is as good as before.
        _ = try await client.removeBox(named("next"))
    }

    @Test func cancellingTheCallersTaskCancelsTheHandler() async throws {
        let served = try Served()
        let client = try await served.client()
        let request = named("hold")
        let call = Task {
            await fault { () async throws(Fault) in try await client.removeBox(request) }
        }
        await served.handler.untilHeld(1)
        call.cancel()
        #expect(await call.value == .cancelled)
        await served.handler.untilCancelled(1)
    }

    @Test func aCallersDisconnectCancelsWhatIsNotDurableAndLetsTheKeyedFinish() async throws {
        let served = try Served()
        let connection = try await served.connect()
        let client = BoxBuilderClient(connection)
        let request = named("hold")
        let plain = Task {
            await fault { () async throws(Fault) in try await client.removeBox(request) }
        }
        await served.handler.untilHeld(1)
        var open = OpenBoxRequest()
        open.box = "kept"
        let keyed = Task { [open] in
            await fault { () async throws(Fault) in try await client.openBox(open) }
        }
        await served.handler.untilHeld(2)
        await connection.close()
        #expect(await plain.value == .unavailable)
        #expect(await keyed.value == .unavailable)
        await served.handler.untilCancelled(1)
        await served.handler.release()
        await served.handler.untilFinished(2)
        #expect(await served.handler.cancelled == 1)
    }

    @Test func aStreamStopsAtItsCreditAndGoesOnAsItemsAreTaken() async throws {
        let served = try Served()
        let client = try await served.client()
        let stream = try await client.listBoxes(ListBoxesRequest())
        await served.handler.untilSent(Int(WireLimits.creditInitial))
        // Everything that is under way arrives; no more than the credit was sent.
        _ = try await client.removeBox(named("after"))
        #expect(await served.handler.sent == Int(WireLimits.creditInitial))
        for expected in 0..<1_000 {
            let item = try await stream.next()
            #expect(item?.entries == UInt64(expected))
        }
        stream.cancel()
        await served.handler.untilCancelled(1)
    }

    @Test func lettingGoOfAStreamCancelsIt() async throws {
        let served = try Served()
        let client = try await served.client()
        do {
            let stream = try await client.listBoxes(ListBoxesRequest())
            _ = try await stream.next()
        }
        await served.handler.untilCancelled(1)
    }

    @Test func descriptorsArriveAndAreOfTheDeclaredKind() async throws {
        let served = try Served()
        let client = try await served.client()
        var request = InspectBoxRequest()
        request.box = "content"
        let (_, parcel) = try await client.inspectBox(request)
        let content = parcel.inspect(0) { try? File.readAll($0, limit: 100) }
        #expect(content == Array("content".utf8))
        for wrong in ["none", "pipe"] {
            request.box = wrong
            let code = await fault { [request] () async throws(Fault) in
                try await client.inspectBox(request)
            }
            #expect(code == .internal)
        }
    }

    @Test func aRequestsDescriptorsAreCheckedBeforeTheHandlerSeesThem() async throws {
        let served = try Served()
        let client = try await served.client()
        let good = try Pipe()
        try File.writeAll(good.writing, Array("12345".utf8))
        let parcel = Parcel(good.keepReading())
        parcel.append(try Memfd.sealed([1]))
        let stream = try await client.importBox(ImportBoxRequest(), descriptors: parcel)
        #expect(try await stream.next()?.progress.bytes == 5)
        #expect(try await stream.next() == nil)

        let directory = Parcel(try File.open("/tmp", .path, .directory))
        directory.append(try Memfd.sealed([1]))
        let refused = try await client.importBox(ImportBoxRequest(), descriptors: directory)
        do throws(Fault) {
            _ = try await refused.next()
            Issue.record("not refused")
        } catch {
            #expect(error == .invalid(.badDescriptor, subject: "descriptors[0]"))
        }
        let closed = await served.thread.run { _ in served.server.descriptorsClosedCount }
        #expect(closed == 2)
    }

    @Test func aUserWithoutARoleIsTurnedAway() async throws {
        let served = try Served(role: { _ in nil })
        #expect(
            await fault { () async throws(Fault) in try await served.connect() } == .forbidden)
    }

    @Test func aRoleThatMayNotCallAMethodIsForbiddenAndTheConnectionStays() async throws {
        let served = try Served(role: { _ in .client })
        let client = try await served.client()
        for _ in 0..<2 {
            #expect(
                await fault { () async throws(Fault) in try await client.removeBox(named("a")) }
                    == .forbidden)
        }
    }

    @Test func oneConnectionTooManyOfAUserIsTurnedAwayAndAPlaceThatIsFreeCounts() async throws {
        var limits = Server.Limits()
        limits.connectionsPerUser = 2
        let served = try Served(limits: limits)
        let first = try await served.connect()
        let second = try await served.connect()
        #expect(
            await fault { () async throws(Fault) in try await served.connect() } == .limitReached)
        await second.close()
        _ = try await BoxBuilderClient(first).removeBox(named("a"))
        _ = try await served.connect()
    }

    @Test func oneRequestTooManyOfAUserIsRefused() async throws {
        var limits = Server.Limits()
        limits.requestsPerUser = 1
        let served = try Served(limits: limits)
        let client = try await served.client()
        async let held = client.removeBox(named("hold"))
        await served.handler.untilHeld(1)
        let other = try await served.client()
        #expect(
            await fault { () async throws(Fault) in try await other.removeBox(named("a")) }
                == .limitReached)
        await served.handler.release()
        _ = try await held
        _ = try await other.removeBox(named("a"))
    }

    @Test func stopAnswersWhatWasAcceptedAndThenEndsTheConnection() async throws {
        let served = try Served()
        let connection = try await served.connect()
        let client = BoxBuilderClient(connection)
        async let held = client.removeBox(named("hold"))
        await served.handler.untilHeld(1)
        let stopping = Task { await served.server.stop() }
        while await connection.isReady { await served.thread.loop.sleep(.milliseconds(1)) }
        #expect(
            await fault { () async throws(Fault) in try await client.removeBox(named("late")) }
                == .unavailable)
        await served.handler.release()
        #expect(try await held.serviceIDBytes == Array("hold".utf8))
        await stopping.value
        let left = await served.thread.run { _ in served.server.connectionCount }
        #expect(left == 0)
    }

    @Test func stopDoesNotWaitForWhoOnlyWatches() async throws {
        let served = try Served()
        let client = try await served.client()
        let stream = try await client.listBoxes(ListBoxesRequest())
        _ = try await stream.next()
        // On the loop's own thread, which waits for no other test.
        let took = await served.thread.run { _ in
            let start = served.thread.loop.now
            await served.server.stop()
            return start.duration(until: served.thread.loop.now)
        }
        #expect(took < WireLimits.stoppingTimeout)
        var last: Fault?
        do throws(Fault) {
            while try await stream.next() != nil {}
        } catch {
            last = error
        }
        #expect(last?.code == .unavailable)
    }
}
