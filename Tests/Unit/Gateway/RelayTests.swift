// The relay over real sockets of this host.

import Channel
import Interfaces
import Synchronization
import Syscalls
import Testing
import gateway_broker

/// A relay on a loop of its own, to a port of this host: the sockets "inside" are plain ones.
final class RelayBench {
    let loop: EventLoop
    let target: Descriptor
    let port: UInt16
    lazy var relay = Relay(loop: loop, limits: limits, policy: policy) {
        [unowned self] id, transport, count in
        if transport == .tcp { asked.append(count) }
        guard supplies else { return }
        _ = loop.schedule(after: .zero) { self.supply(transport, count, to: id) }
    }
    private let limits: RelayLimits
    private let policy: PublishPolicy
    private(set) var asked: [Int] = []
    /// Answers requests for sockets; false leaves them open.
    var supplies = true
    let id = RegistryFixture.id(1)

    init(limits: RelayLimits = RelayLimits(), policy: PublishPolicy = PublishPolicy()) throws {
        self.policy = policy
        loop = try EventLoop()
        target = try InternetSocket.listen(.loopback(port: 0))
        port = try InternetSocket.localEndpoint(target).port
        self.limits = limits
    }

    func supply(_ transport: Transport, _ count: Int, to instance: InstanceID? = nil) {
        let parcel = Parcel()
        let kind: Socket.Kind = transport == .udp ? .datagram : .stream
        for _ in 0..<count {
            if let socket = try? InternetSocket.make(kind: kind) { parcel.append(socket) }
        }
        relay.supply(instance ?? id, transport, parcel)
    }

    func open(hostPort: UInt16 = 0) throws -> UInt16 {
        let slots = try relay.open(
            id, slots: [RelayedSlot(port: port, transport: .tcp, hostPort: hostPort)])
        return try #require(slots.first).hostPort
    }

    /// Lets the loop work until something is true, or fails the test after a while.
    ///
    /// - Parameter every: how long it works between two looks; `.zero` looks in each of its turns.
    func run(
        _ what: Comment, every: Duration = .milliseconds(1),
        until condition: @escaping () throws -> Bool
    ) throws {
        var isDone = false
        var failure: (any Error)?
        let deadline = loop.now.advanced(by: .seconds(120))
        func look() {
            do {
                isDone = try condition()
            } catch {
                failure = error
            }
            if isDone || failure != nil || loop.now >= deadline { return loop.stop() }
            _ = loop.schedule(after: every) { look() }
        }
        _ = loop.schedule(after: .zero) { look() }
        loop.run()
        if let failure { throw failure }
        #expect(isDone, what)
    }

    func dial(_ port: UInt16) throws -> RelaySocketForTests {
        let socket = try InternetSocket.make()
        _ = try InternetSocket.connect(socket, to: .loopback(port: port))
        return RelaySocketForTests(socket)
    }

    func accept() throws -> RelaySocketForTests {
        var taken: RelaySocketForTests?
        try run("a connection arrives inside") { [self] in
            if let socket = try Socket.accept(target) { taken = RelaySocketForTests(socket) }
            return taken != nil
        }
        return try #require(taken)
    }

    /// Waits for so many bytes.
    func read(_ socket: RelaySocketForTests, _ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try run("\(count) bytes arrive") {
            bytes += try readSome(socket.descriptor) ?? []
            return bytes.count >= count
        }
        return bytes
    }

    /// Waits for the end of the stream, or a reset.
    func end(_ socket: RelaySocketForTests) throws -> Errno? {
        var error: Errno?
        try run("the connection ends") {
            do throws(Errno) {
                return try File.read(socket.descriptor, max: 1_000).isEmpty
            } catch .again {
                return false
            } catch let found {
                error = found
                return true
            }
        }
        return error
    }

    var traffic: SlotCount? { relay.traffic(id).first }
}

final class RelaySocketForTests {
    let descriptor: Descriptor

    init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
    }

    func send(_ bytes: [UInt8]) throws { try File.writeAll(descriptor, bytes) }
}

@Suite("The relay", .serialized, .timeLimit(.minutes(10))) struct RelayTests {
    @Test("carries bytes both ways and counts them exactly")
    func bothWays() throws {
        let bench = try RelayBench()
        let host = try bench.open()
        let client = try bench.dial(host)
        let inside = try bench.accept()
        try client.send([1, 2, 3])
        #expect(try bench.read(inside, 3) == [1, 2, 3])
        try inside.send([4, 5])
        #expect(try bench.read(client, 2) == [4, 5])
        #expect(bench.traffic?.toInstance == 3)
        #expect(bench.traffic?.fromInstance == 2)
        #expect(bench.traffic?.connections == 1)
        bench.relay.closeAll()
    }

    @Test("keeps a half-closed connection open the other way")
    func halfClose() throws {
        let bench = try RelayBench()
        let client = try bench.dial(try bench.open())
        let inside = try bench.accept()
        try client.send([7])
        try Socket.shutdown(client.descriptor, .send)
        #expect(try bench.read(inside, 1) == [7])
        #expect(try bench.end(inside) == nil)
        try inside.send([8, 9])
        #expect(try bench.read(client, 2) == [8, 9])
        try Socket.shutdown(inside.descriptor, .send)
        #expect(try bench.end(client) == nil)
        try bench.run("the connection is over") { bench.relay.connections == 0 }
        bench.relay.closeAll()
    }

    @Test("passes a reset on as a reset")
    func reset() throws {
        let bench = try RelayBench()
        let client = try bench.dial(try bench.open())
        var inside: RelaySocketForTests? = try bench.accept()
        if let inside { Socket.resetOnClose(inside.descriptor) }
        inside = nil
        #expect(try bench.end(client) == .connectionReset)
        #expect(bench.relay.connections == 0)
        bench.relay.closeAll()
    }

    @Test("resets a connection to a slot that does not accept")
    func closedSlot() throws {
        let bench = try RelayBench()
        let slots = try bench.relay.open(
            bench.id, slots: [RelayedSlot(port: 1, transport: .tcp)])
        let client = try bench.dial(try #require(slots.first).hostPort)
        #expect(try bench.end(client) == .connectionReset)
        bench.relay.closeAll()
    }

    @Test("moves large streams both ways at once, whole and in order")
    func streams() throws {
        let bench = try RelayBench()
        let client = try bench.dial(try bench.open())
        let inside = try bench.accept()
        let up = pattern(6 << 20), down = Array(up.reversed())
        var sentUp = 0, sentDown = 0
        var gotUp: [UInt8] = [], gotDown: [UInt8] = []
        try bench.run("all bytes arrive") {
            sentUp += try writeSome(client.descriptor, up[sentUp..<min(sentUp + 100_000, up.count)])
            sentDown += try writeSome(
                inside.descriptor, down[sentDown..<min(sentDown + 70_001, down.count)])
            gotUp += try readSome(inside.descriptor) ?? []
            gotDown += try readSome(client.descriptor) ?? []
            return gotUp.count == up.count && gotDown.count == down.count
        }
        #expect(gotUp == up)
        #expect(gotDown == down)
        #expect(bench.traffic?.toInstance == UInt64(up.count))
        #expect(bench.traffic?.fromInstance == UInt64(down.count))
        bench.relay.closeAll()
    }

    @Test("listens on the port it had, and on another where that was taken")
    func ports() throws {
        let bench = try RelayBench()
        let first = try bench.open()
        #expect(try bench.open() == first)
        bench.relay.close(bench.id)
        #expect(try bench.open(hostPort: first) == first)
        bench.relay.close(bench.id)
        let other = try InternetSocket.listen(.loopback(port: first))
        let moved = try bench.open(hostPort: first)
        #expect(moved != first && moved != 0)
        _ = consume other
        bench.relay.closeAll()
    }

    @Test("asks for sockets before they are gone, one request at a time")
    func refill() throws {
        let bench = try RelayBench()
        let host = try bench.open()
        try bench.run("the first sockets are asked for") { bench.asked == [2] }
        var clients: [RelaySocketForTests] = []
        for _ in 0..<40 { clients.append(try bench.dial(host)) }
        try bench.run("all are connected") { bench.traffic?.connections == 40 }
        #expect(bench.asked.allSatisfy { (1...16).contains($0) })
        #expect(bench.asked.reduce(0, +) >= 40)
        #expect(bench.relay.connections == 40)
        bench.relay.closeAll()
        #expect(bench.relay.connections == 0)
    }

    @Test("leaves connections past its bounds in the kernel, and takes them when there is room")
    func bounds() throws {
        var limits = RelayLimits()
        limits.connectionsPerInstance = 2
        let bench = try RelayBench(limits: limits)
        let host = try bench.open()
        var clients: [RelaySocketForTests] = []
        for _ in 0..<3 { clients.append(try bench.dial(host)) }
        try bench.run("two are taken") { bench.traffic?.connections == 2 }
        try bench.run("the loop has looked again") { bench.relay.paused == 1 }
        #expect(bench.relay.connections == 2)
        clients.removeFirst()
        let inside = [try bench.accept(), try bench.accept()]
        for socket in inside { try? Socket.shutdown(socket.descriptor, .send) }
        try bench.run("the third is taken") { bench.traffic?.connections == 3 }
        bench.relay.closeAll()
    }

    @Test("resets idle connections after the time-out and no others")
    func idle() throws {
        var limits = RelayLimits()
        // So long does a process not wait for a processor, so that the busy one stays so.
        limits.idleTimeout = .seconds(3)
        let bench = try RelayBench(limits: limits)
        let host = try bench.open()
        let quiet = try bench.dial(host)
        let quietInside = try bench.accept()
        let busy = try bench.dial(host)
        let inside = try bench.accept()
        var isOver = false
        try bench.run("the quiet one is reset") {
            try busy.send([1])
            _ = try readSome(inside.descriptor)
            do throws(Errno) {
                isOver = try File.read(quiet.descriptor, max: 1).isEmpty
            } catch {
                isOver = error == .connectionReset
            }
            return isOver
        }
        #expect(bench.relay.connections == 1)
        #expect(try bench.end(quietInside) == .connectionReset)
        bench.relay.closeAll()
    }

    @Test("closes what it listens on and resets what it carries when an instance is over")
    func closing() throws {
        let bench = try RelayBench()
        let host = try bench.open()
        let client = try bench.dial(host)
        _ = try bench.accept()
        bench.relay.close(bench.id)
        #expect(try bench.end(client) == .connectionReset)
        let late = try InternetSocket.make()
        #expect(throws: Errno.connectionRefused) {
            if try InternetSocket.connect(late, to: .loopback(port: host)) { return }
            if let error = try Socket.takeError(late) { throw error }
        }
    }
}
