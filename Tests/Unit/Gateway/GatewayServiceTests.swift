// The gateway's promises, against peers that do what a test says.

import Channel
import Interfaces
import ServiceModel
import Syscalls
import Testing
import gateway_broker

@Suite("The gateway", .serialized, .timeLimit(.minutes(10))) struct GatewayServiceTests {
    /// Runs a test's body on a loop with a thread of its own: the threads that tests share must not
    /// wait for each other.
    static func run(
        _ body: @escaping @Sendable (inout GatewayBench) async throws -> Void
    ) async throws {
        let loop = try EventLoop()
        await suspend(starting: { done in
            do {
                _ = try Thread(name: "gateway-test") {
                    loop.run { home in await perform(home, body) }
                    done.resume()
                }
            } catch {
                Issue.record(error)
                done.resume()
            }
        })
    }

    private static func perform(
        _ home: isolated LoopActor,
        _ body: @Sendable (inout GatewayBench) async throws -> Void
    ) async {
        do {
            var bench = try await GatewayBench(home.loop)
            do {
                try await body(&bench)
            } catch {
                Issue.record(error)
            }
            await bench.end()
        } catch {
            Issue.record(error)
        }
    }

    @Test("accepts, reports and ends a start with a token and an address that leads inside")
    func start() async throws {
        try await Self.run { bench in
            let items = try await bench.start()
            guard case .accepted(let accepted) = items.first?.event else {
                Issue.record("the first item is not `accepted`")
                return
            }
            #expect(accepted.state.phase == .accepted)
            let started = try #require(items.last).started
            #expect(started.token.utf8.count == 64)
            #expect(started.instance.state.phase == .ready)
            #expect(started.instance.serviceIDBytes == [UInt8](repeating: 5, count: 32))
            #expect(started.instance.ownerUid == 1_000)
            let address = try #require(started.instance.addresses.first)
            #expect(address.slot == UInt32(bench.insidePort))
            #expect(address.host == "127.0.0.1")
            #expect(await bench.boxes.holds == [Hexadecimal.text(accepted.instanceIDBytes)])
            // Through the relay to what stands for the slot.
            let socket = try InternetSocket.make()
            _ = try InternetSocket.connect(socket, to: .loopback(port: UInt16(address.port)))
            let near = RelaySocketForTests(socket)
            try near.send([42])
            var far: RelaySocketForTests?
            for _ in 0..<60_000 where far == nil {
                await bench.loop.sleep(.milliseconds(1))
                if let taken = try Socket.accept(bench.inside.descriptor) {
                    far = RelaySocketForTests(taken)
                }
            }
            let inside = try #require(far)
            var got: [UInt8] = []
            for _ in 0..<60_000 where got.isEmpty {
                await bench.loop.sleep(.milliseconds(1))
                got = try readSome(inside.descriptor) ?? []
            }
            #expect(got == [42])
        }
    }

    @Test("gives the supervisor the specification's plan and the configuration file")
    func plan() async throws {
        try await Self.run { bench in
            let items = try await bench.start {
                $0.environment = [InstancePlanTests.variable("A", "1")]
            }
            let started = try #require(items.last).started
            let id = try #require(InstanceID(started.instance.instanceIDBytes))
            let request = try #require(await bench.supervisor.requests[id])
            #expect(request.entrypoint == ["usr", "bin", "redis-server"])
            #expect(request.environment.map(\.name) == ["A"])
            let file = try ConfigurationFile(
                decoding: try #require(await bench.supervisor.configurations[id]))
            #expect(file.config?.environmentVariables == ["A": [0x31]])
        }
    }

    @Test("gives the same instance, token and addresses for the same key, also after a restart")
    func keyed() async throws {
        try await Self.run { bench in
            let first = try #require(try await bench.start().last).started
            let second = try #require(try await bench.start().last).started
            #expect(first == second)
            try await bench.restart()
            let third = try #require(try await bench.start().last).started
            #expect(first == third)
            #expect(await bench.supervisor.starts == 1)
        }
    }

    @Test("lets a second caller with the key join a start that is on its way")
    func join() async throws {
        try await Self.run { gateway in
            await gateway.supervisor.set(.waits)
            let copy = gateway
            async let first = copy.start()
            async let second = copy.start()
            await gateway.loop.sleep(.milliseconds(20))
            while await gateway.supervisor.states.isEmpty {
                await gateway.loop.sleep(.milliseconds(1))
            }
            for id in await gateway.supervisor.states.keys {
                await gateway.supervisor.change(id) { $0.phase = .ready }
            }
            let tokens = [
                try await first.last?.started.token, try await second.last?.started.token,
            ]
            #expect(tokens[0] == tokens[1])
            #expect(await gateway.supervisor.starts == 1)
        }
    }

    @Test("goes on with a start whose caller went away")
    func abandoned() async throws {
        try await Self.run { bench in
            await bench.supervisor.set(.waits)
            let request = StartCheckTests.request {
                $0.keyBytes = [UInt8](repeating: 1, count: 16)
            }
            let stream = try await bench.client().startService(request)
            _ = try await stream.next()
            stream.cancel()
            while await bench.supervisor.states.isEmpty { await bench.loop.sleep(.milliseconds(1)) }
            for id in await bench.supervisor.states.keys {
                await bench.supervisor.change(id) { $0.phase = .ready }
            }
            #expect(try await bench.start().last?.started.token.isEmpty == false)
            #expect(await bench.supervisor.starts == 1)
        }
    }

    @Test("goes on with a start that a restart of itself interrupted")
    func interrupted() async throws {
        try await Self.run { bench in
            await bench.supervisor.set(.waits)
            let stream = try await bench.client().startService(
                StartCheckTests.request { $0.keyBytes = [UInt8](repeating: 1, count: 16) })
            _ = try await stream.next()
            try await bench.restart()
            await #expect(throws: Fault.self) { while try await stream.next() != nil {} }
            while await bench.supervisor.states.isEmpty { await bench.loop.sleep(.milliseconds(1)) }
            for id in await bench.supervisor.states.keys {
                await bench.supervisor.change(id) { $0.phase = .ready }
            }
            #expect(try await bench.start().last?.started.token.isEmpty == false)
            #expect(await bench.supervisor.starts == 1)
        }
    }

    @Test("says why a start failed, keeps nothing of it, and says the same to the same key")
    func failed() async throws {
        try await Self.run { bench in
            await bench.supervisor.set(
                .ends(.notReady, subject: "6379/tcp", lines: ["cannot bind"]))
            let expected = Fault(
                .slotClosed, subject: "6379/tcp", limit: 30_000, lines: ["cannot bind"])
            for _ in 0..<2 {
                do throws(Fault) {
                    _ = try await bench.start()
                    Issue.record("it started")
                } catch {
                    #expect(error == expected)
                }
            }
            #expect(await bench.boxes.holds.isEmpty)
            let live = try await bench.list()
            let all = try await bench.list(ended: true)
            #expect(live.isEmpty)
            #expect(all.map(\.state.ended.cause) == [.notReady])
        }
    }

    @Test("names a service that is not there")
    func unknownService() async throws {
        try await Self.run { bench in
            do throws(Fault) {
                _ = try await bench.start { $0.service = "absent" }
                Issue.record("it started")
            } catch {
                #expect(error == Fault(.notFound, subject: "absent"))
            }
        }
    }

    @Test("stops by token for anybody, answers the same again, and refuses what is no token")
    func stop() async throws {
        try await Self.run { bench in
            let started = try #require(try await bench.start().last).started
            let ended = try await bench.stop(token: started.token)
            #expect(ended.state.phase == .ended)
            #expect(ended.state.ended.cause == .stopped)
            #expect(ended.addresses.isEmpty)
            #expect(try await bench.stop(token: started.token) == ended)
            #expect(await bench.boxes.holds.isEmpty)
            for wrong in ["", "x", String(repeating: "0", count: 64)] {
                await #expect(throws: GatewayFault.wrongToken()) {
                    _ = try await bench.stop(token: wrong)
                }
            }
        }
    }

    @Test("shows users their own instances and the maintainer all")
    func lists() async throws {
        try await Self.run { bench in
            _ = try await bench.start(key: 1, uid: 1_000)
            _ = try await bench.start(key: 2, uid: 1_001)
            #expect(try await bench.list().count == 2)
            #expect(try await bench.list(.client, uid: 1_001).map(\.ownerUid) == [1_001])
            #expect(try await bench.list(.client, uid: 5).isEmpty)
        }
    }

    @Test("hears of an end by itself, lets go of the box and tells who watches")
    func endsByItself() async throws {
        try await Self.run { bench in
            let started = try #require(try await bench.start().last).started
            var request = WatchServiceRequest()
            request.instance.token = started.token
            let watch = try await bench.client(uid: 9).watchService(request)
            #expect(try await watch.next()?.state.phase == .ready)
            let id = try #require(InstanceID(started.instance.instanceIDBytes))
            await bench.supervisor.end(id, .exited)
            #expect(try await watch.next()?.state.ended.cause == .exited)
            #expect(try await watch.next() == nil)
            #expect(await bench.boxes.holds.isEmpty)
        }
    }

    @Test(
        "watches again when the supervisor was away, and says lost what it does not know any more")
    func supervisorRestarts() async throws {
        try await Self.run { bench in
            let kept = try #require(try await bench.start(key: 1).last).started
            let lost = try #require(try await bench.start(key: 2).last).started
            let lostID = try #require(InstanceID(lost.instance.instanceIDBytes))
            await bench.supervisor.lose(lostID)
            bench.supervisorCaller.breakDown(calls: 2)
            var request = WatchServiceRequest()
            request.instance.token = lost.token
            let watch = try await bench.client(uid: 9).watchService(request)
            var last: ServiceInstance?
            while let item = try await watch.next() { last = item }
            #expect(last?.state.ended.cause == .lost)
            #expect(try await bench.stop(token: kept.token).state.ended.cause == .stopped)
        }
    }

    @Test("makes a start again whose instance the supervisor lost with its own life")
    func lostStart() async throws {
        try await Self.run { bench in
            await bench.supervisor.set(.waits)
            let stream = try await bench.client().startService(
                StartCheckTests.request { $0.keyBytes = [UInt8](repeating: 1, count: 16) })
            let id = try #require(
                InstanceID(try await stream.next()?.accepted.instanceIDBytes ?? []))
            while await bench.supervisor.states[id] == nil {
                await bench.loop.sleep(.milliseconds(1))
            }
            await bench.supervisor.set(.ready)
            await bench.supervisor.end(id, .lost)
            var last: StartServiceItem?
            while let item = try await stream.next() { last = item }
            #expect(last?.started.token.isEmpty == false)
            #expect(await bench.supervisor.starts == 2)
        }
    }

    @Test("starts when a peer that was away is back")
    func peersAway() async throws {
        try await Self.run { bench in
            bench.boxCaller.breakDown(calls: 2)
            let items = try await bench.start()
            #expect(items.last?.started.token.isEmpty == false)
        }
    }

    @Test("refuses a start it cannot write down, and leaves nothing of it")
    func storageFull() async throws {
        try await Self.run { bench in
            bench.storage.isFull = true
            await #expect(throws: GatewayFault.storageFull()) { _ = try await bench.start() }
            let all = try await bench.list(ended: true)
            #expect(all.isEmpty)
            #expect(await bench.supervisor.starts == 0)
            bench.storage.isFull = false
            let items = try await bench.start()
            #expect(items.last?.started.token.isEmpty == false)
        }
    }

    @Test("stops orphans and releases stale holds when it starts")
    func orphans() async throws {
        try await Self.run { bench in
            let orphan = RegistryFixture.id(99)
            await bench.supervisor.adopt(orphan, .ready)
            await bench.boxes.hold(orphan.description)
            try await bench.restart()
            for _ in 0..<60_000 where await bench.supervisor.states[orphan] != nil {
                await bench.loop.sleep(.milliseconds(1))
            }
            #expect(await bench.supervisor.states[orphan] == nil)
            for _ in 0..<60_000 where await !bench.boxes.holds.isEmpty {
                await bench.loop.sleep(.milliseconds(1))
            }
            #expect(await bench.boxes.holds.isEmpty)
        }
    }

    @Test("passes output on")
    func output() async throws {
        try await Self.run { bench in
            let started = try #require(try await bench.start().last).started
            var request = ReadServiceOutputRequest()
            request.instance.token = started.token
            let stream = try await bench.client(uid: 9).readServiceOutput(request)
            #expect(try await stream.next()?.dataBytes == Array("hello\n".utf8))
            #expect(try await stream.next() == nil)
        }
    }
}

@Suite("The gateway on a full disk", .serialized, .timeLimit(.minutes(10)))
struct GatewayFullDiskTests {
    @Test("stops what runs, tells it, and writes it down when there is room")
    func stop() async throws {
        try await GatewayServiceTests.run { bench in
            let started = try #require(try await bench.start().last).started
            let id = try #require(InstanceID(started.instance.instanceIDBytes))
            bench.storage.isFull = true
            #expect(try await bench.stop(token: started.token).state.ended.cause == .stopped)
            #expect(bench.storage.records[id]?.stage == .ready)
            bench.storage.isFull = false
            for _ in 0..<60_000 where bench.storage.records[id]?.stage != .ended {
                await bench.loop.sleep(.milliseconds(1))
            }
            #expect(bench.storage.records[id]?.stage == .ended)
        }
    }

    @Test("does not say ready before the ports are written down, and holds up no other instance")
    func ready() async throws {
        try await GatewayServiceTests.run { bench in
            let other = try #require(try await bench.start(key: 9).last).started
            await bench.supervisor.set(.waits)
            let stream = try await bench.client().startService(
                StartCheckTests.request { $0.keyBytes = [UInt8](repeating: 1, count: 16) })
            let accepted = try #require(try await stream.next()).accepted
            let id = try #require(InstanceID(accepted.instanceIDBytes))
            while await bench.supervisor.states[id] == nil {
                await bench.loop.sleep(.milliseconds(1))
            }
            bench.storage.isFull = true
            await bench.supervisor.change(id) { $0.phase = .ready }
            await bench.loop.sleep(.milliseconds(50))
            let phases = try await bench.list().map(\.state.phase)
            #expect(phases.filter { $0 == .ready }.count == 1)
            #expect(try await bench.stop(token: other.token).state.phase == .ended)
            bench.storage.isFull = false
            var last: StartServiceItem?
            while let item = try await stream.next() { last = item }
            #expect(last?.started.token.isEmpty == false)
            #expect(bench.storage.records[id]?.stage == .ready)
        }
    }
}
