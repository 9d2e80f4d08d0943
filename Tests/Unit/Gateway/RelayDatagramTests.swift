// The relay of datagrams, of addresses inside instances, and of what is not published.

import Channel
import Chassis
import Interfaces
import Syscalls
import Testing
import gateway_broker

/// A UDP socket that stands for the service, and those of its callers.
final class DatagramBench {
    let bench: RelayBench
    let target: RelaySocketForTests
    let slot: RelayedSlot
    private let shop = RelayWorkshop()

    init(limits: RelayLimits = RelayLimits(), policy: PublishPolicy = PublishPolicy()) throws {
        bench = try RelayBench(limits: limits, policy: policy)
        let socket = try InternetSocket.make(kind: .datagram)
        try InternetSocket.bind(socket, .loopback(port: 0))
        let port = try InternetSocket.localEndpoint(socket).port
        target = RelaySocketForTests(socket)
        slot = RelayedSlot(port: port, transport: .udp)
    }

    func open() throws -> UInt16 {
        try #require(try bench.relay.open(bench.id, slots: [slot]).first).hostPort
    }

    func dial(_ port: UInt16) throws -> RelaySocketForTests {
        let socket = try InternetSocket.make(kind: .datagram)
        _ = try InternetSocket.connect(socket, to: .loopback(port: port))
        return RelaySocketForTests(socket)
    }

    /// The next datagram the service gets, and who it seems to be from.
    func arrived() throws -> (bytes: [UInt8], from: IPv4Endpoint) {
        var found: ([UInt8], IPv4Endpoint)?
        try bench.run("a datagram arrives inside") { [self] in
            if let one = try DatagramPump.receive(target.descriptor, with: shop) {
                found = (DatagramPump.kept(bytes: one.bytes, in: shop), one.sender)
            }
            return found != nil
        }
        return try #require(found)
    }

    func answer(_ bytes: [UInt8], to endpoint: IPv4Endpoint) throws {
        try shop.send(bytes, target.descriptor, to: endpoint)
    }

    var count: SlotCount? { bench.relay.traffic(bench.id).first }
}

extension RelayWorkshop {
    /// Through the buffer, as the relay does: a pair of packet sockets puts the bytes there.
    fileprivate func send(
        _ bytes: [UInt8], _ socket: borrowing Descriptor, to endpoint: IPv4Endpoint
    ) throws {
        let pair = try UnixSocket.pair(kind: .seqpacket)
        _ = try SeqpacketSocket.send(pair.first, bytes)
        let count = try #require(try DatagramPump.receiveConnected(pair.second, with: self))
        let went = DatagramPump.send(socket, to: endpoint, bytes: count, with: self)
        #expect(went)
    }
}

/// The end of a tunnel.
private func held(_ parcel: Parcel) throws -> Descriptor {
    guard let end = parcel.take(0) else { throw Errno.noEntry }
    return end
}

@Suite("The relay of datagrams", .serialized, .timeLimit(.minutes(10)))
struct RelayDatagramTests {
    @Test("carries datagrams whole, each sender's answers to that sender, and counts them exactly")
    func bothWays() throws {
        let service = try DatagramBench()
        let port = try service.open()
        let one = try service.dial(port), other = try service.dial(port)
        try one.send([1, 2, 3])
        let first = try service.arrived()
        try other.send([4, 5])
        let second = try service.arrived()
        #expect(first.bytes == [1, 2, 3] && second.bytes == [4, 5])
        #expect(first.from != second.from)
        try service.answer([6], to: second.from)
        try service.answer([7, 8], to: first.from)
        #expect(try service.bench.read(one, 2) == [7, 8])
        #expect(try service.bench.read(other, 1) == [6])
        let count = try #require(service.count)
        #expect(count.connections == 2 && count.toInstance == 5 && count.fromInstance == 3)
        service.bench.relay.closeAll()
        #expect(service.bench.relay.connections == 0)
    }

    @Test("forgets a sender that is quiet, and takes it up again as a new one")
    func idle() throws {
        var limits = RelayLimits()
        limits.datagramIdleTimeout = .milliseconds(100)
        let service = try DatagramBench(limits: limits)
        let client = try service.dial(try service.open())
        try client.send([1])
        _ = try service.arrived()
        try service.bench.run("it is forgotten") { service.bench.relay.connections == 0 }
        try client.send([2])
        #expect(try service.arrived().bytes == [2])
        #expect(service.count?.connections == 2)
        service.bench.relay.closeAll()
    }

    @Test("drops the datagrams of senders past its bound, and no others")
    func bounds() throws {
        var limits = RelayLimits()
        limits.datagramFlows = 1
        let service = try DatagramBench(limits: limits)
        let port = try service.open()
        let one = try service.dial(port), other = try service.dial(port)
        try one.send([1])
        #expect(try service.arrived().bytes == [1])
        try other.send([9])
        try one.send([2])
        #expect(try service.arrived().bytes == [2])
        #expect(service.count?.connections == 1)
        service.bench.relay.closeAll()
    }

    @Test("goes on after a datagram nobody took")
    func refused() throws {
        let service = try DatagramBench()
        let port = try freePort()
        let slots = try service.bench.relay.open(
            service.bench.id, slots: [RelayedSlot(port: port, transport: .udp)])
        let client = try service.dial(try #require(slots.first).hostPort)
        for _ in 0..<3 { try client.send([1]) }
        try service.bench.run("it was sent") { service.count?.toInstance ?? 0 > 0 }
        let late = try InternetSocket.make(kind: .datagram)
        try InternetSocket.bind(late, .loopback(port: port))
        let socket = RelaySocketForTests(late)
        var got: [UInt8]?
        try service.bench.run("a later one arrives") {
            try client.send([2])
            got = try readSome(socket.descriptor)
            return got?.isEmpty == false
        }
        #expect(got?.first == 2)
        service.bench.relay.closeAll()
    }

    /// One that nobody has, below those that a socket is given which asks for any: it stays free.
    private func freePort() throws -> UInt16 {
        while true {
            let port = UInt16.random(in: 10_000..<30_000)
            let socket = try InternetSocket.make(kind: .datagram)
            do throws(Errno) {
                try InternetSocket.bind(socket, .loopback(port: port))
                return port
            } catch {
                guard error == .addressInUse else { throw error }
            }
        }
    }

    @Test("a tunnel carries datagrams one by one, and ends with its holder's end")
    func tunnel() throws {
        let service = try DatagramBench()
        _ = try service.open()
        guard
            case .open(let parcel) = try service.bench.relay.tunnel(
                service.bench.id, service.slot.key)
        else {
            Issue.record("no tunnel")
            return
        }
        var end: RelaySocketForTests? = RelaySocketForTests(try held(parcel))
        let socket = try #require(end)
        _ = try SeqpacketSocket.send(socket.descriptor, [1, 2])
        _ = try SeqpacketSocket.send(socket.descriptor, [3])
        let first = try service.arrived()
        #expect(first.bytes == [1, 2])
        #expect(try service.arrived().bytes == [3])
        try service.answer([4, 5], to: first.from)
        #expect(try service.bench.read(socket, 2) == [4, 5])
        #expect(service.bench.relay.connections == 1)
        try Socket.shutdown(socket.descriptor, .both)
        end = nil
        try service.bench.run("it is over") { service.bench.relay.connections == 0 }
        service.bench.relay.closeAll()
    }
}

@Suite("Addresses of the relay", .serialized, .timeLimit(.minutes(10)))
struct RelayAddressTests {
    @Test("nothing is published where the policy says so, and a tunnel still leads there")
    func unpublished() throws {
        var policy = PublishPolicy()
        policy.address = nil
        let bench = try RelayBench(policy: policy)
        #expect(try bench.open() == 0)
        let slot = SlotKey(port: bench.port, transport: .tcp)
        guard case .open(let parcel) = try bench.relay.tunnel(bench.id, slot) else {
            Issue.record("no tunnel")
            return
        }
        let near = RelaySocketForTests(try held(parcel))
        try near.send([1])
        #expect(try bench.read(try bench.accept(), 1) == [1])
        bench.relay.closeAll()
    }

    private func configured(_ text: String) throws -> GatewayConfiguration {
        try GatewayConfiguration(ConfigurationReader(text: text, file: "gateway-broker.toml"))
    }

    @Test("the configuration file says where slots are published, and nothing that is no address")
    func configuration() throws {
        #expect(try configured("").publish == PublishPolicy())
        let named = try configured("publish.address = \"192.0.2.1\"\npublish.children = true")
            .publish
        #expect(named.address(isChild: true) == 0xC000_0201)
        let none = try configured("publish.address = \"none\"\npublish.children = true").publish
        #expect(none.address(isChild: false) == nil && none.address(isChild: true) == nil)
        for wrong in ["\"\"", "\"localhost\"", "\"10.0.0\"", "\"::1\"", "7"] {
            #expect(throws: ConfigurationError.self, "\(wrong)") {
                try configured("publish.address = \(wrong)")
            }
        }
    }

    @Test("a child is published only where children are", arguments: [false, true])
    func child(_ isPublished: Bool) throws {
        var policy = PublishPolicy()
        policy.children = isPublished
        policy.address = 0x7F00_0002
        let bench = try RelayBench(policy: policy)
        let slots = [RelayedSlot(port: bench.port, transport: .tcp)]
        let slot = try #require(try bench.relay.open(bench.id, slots: slots, isChild: true).first)
        #expect((slot.hostPort != 0) == isPublished)
        if isPublished { #expect(slot.hostAddress == 0x7F00_0002) }
        bench.relay.closeAll()
    }

    @Test("an address inside leads to a slot until either instance is over", arguments: [1, 2])
    func entrance(_ over: UInt8) throws {
        let bench = try RelayBench()
        _ = try bench.open()
        let holder = RegistryFixture.id(2)
        let socket = try InternetSocket.listen(.loopback(port: 0))
        let port = try InternetSocket.localEndpoint(socket).port
        let slot = SlotKey(port: bench.port, transport: .tcp)
        let entrance = try bench.relay.lead(
            socket, inside: holder, transport: .tcp, to: .slot(bench.id, slot))
        #expect(entrance != nil)
        #expect(bench.relay.reachable(bench.id, inside: holder) == [slot])
        let client = try bench.dial(port)
        try client.send([7])
        #expect(try bench.read(try bench.accept(), 1) == [7])
        #expect(bench.traffic?.toInstance == 1)
        bench.relay.close(RegistryFixture.id(over))
        #expect(try bench.end(client) == .connectionReset)
        let late = try InternetSocket.make()
        #expect(throws: Errno.connectionRefused) {
            if try InternetSocket.connect(late, to: .loopback(port: port)) { return }
            if let error = try Socket.takeError(late) { throw error }
        }
        #expect(bench.relay.connections == 0)
        bench.relay.closeAll()
    }

    @Test("an address inside leads outside, counts, and is closed alone")
    func outside() throws {
        let bench = try RelayBench()
        let socket = try InternetSocket.listen(.loopback(port: 0))
        let port = try InternetSocket.localEndpoint(socket).port
        let made = try bench.relay.lead(
            socket, inside: bench.id, transport: .tcp,
            to: .outside(.loopback(port: bench.port)))
        let entrance = try #require(made)
        let client = try bench.dial(port)
        let peer = try bench.accept()
        try client.send([1, 2])
        #expect(try bench.read(peer, 2) == [1, 2])
        try peer.send([3])
        #expect(try bench.read(client, 1) == [3])
        #expect(entrance.count.toInstance == 2 && entrance.count.fromInstance == 1)
        bench.relay.close(entrance)
        #expect(try bench.end(client) == .connectionReset)
        #expect(bench.relay.connections == 0)
    }

    @Test("one slot at its bound leaves the others open")
    func slotBound() throws {
        var limits = RelayLimits()
        limits.connectionsPerSlot = 1
        let bench = try RelayBench(limits: limits)
        let second = try InternetSocket.listen(.loopback(port: 0))
        let port = try InternetSocket.localEndpoint(second).port
        let slots = try bench.relay.open(
            bench.id,
            slots: [
                RelayedSlot(port: bench.port, transport: .tcp),
                RelayedSlot(port: port, transport: .tcp),
            ])
        let clients = try [slots[0], slots[0], slots[1]].map { try bench.dial($0.hostPort) }
        try bench.run("the other slot's is taken") {
            bench.relay.traffic(bench.id).filter { $0.connections == 1 }.count == 2
        }
        #expect(bench.relay.connections == 2)
        #expect(clients.count == 3)
        bench.relay.closeAll()
    }

    @Test("counting goes on where it stopped")
    func counts() throws {
        let bench = try RelayBench()
        var before = SlotCount(SlotKey(port: bench.port, transport: .tcp))
        before.toInstance = 40
        before.connections = 3
        let slots = [RelayedSlot(port: bench.port, transport: .tcp)]
        let host = try #require(
            try bench.relay.open(bench.id, slots: slots, counts: [before]).first)
        let client = try bench.dial(host.hostPort)
        try client.send([1, 2])
        _ = try bench.read(try bench.accept(), 2)
        let last = try #require(bench.relay.close(bench.id)?.first)
        #expect(last.toInstance == 42 && last.connections == 4)
    }
}
