// Who waits for whom, when much is ready at once.

import Interfaces
import Syscalls
import Testing
import gateway_broker

@Suite("The relay's turns", .serialized, .timeLimit(.minutes(10))) struct RelayTurnsTests {
    private static let manyConnections = 200

    /// A bench with many connections to one instance and one to another, all of them open.
    private func crowd() throws -> (
        bench: RelayBench, other: InstanceID, many: [RelaySocketForTests], one: RelaySocketForTests
    ) {
        let bench = try RelayBench()
        let host = try bench.open()
        var many: [RelaySocketForTests] = []
        for _ in 0..<Self.manyConnections { many.append(try bench.dial(host)) }
        try bench.run("all are open") {
            bench.traffic?.connections == UInt64(Self.manyConnections)
        }
        let other = RegistryFixture.id(2)
        let slots = try bench.relay.open(
            other, slots: [RelayedSlot(port: bench.port, transport: .tcp)])
        let one = try bench.dial(try #require(slots.first).hostPort)
        try bench.run("the other is open") {
            bench.relay.traffic(other).first?.connections == 1
        }
        // Nothing is ready any more.
        for _ in 0..<50 { try bench.run("a turn") { true } }
        return (bench, other, many, one)
    }

    @Test("serve one connection of an instance before the many of another that were ready first")
    func sparse() throws {
        let (bench, other, many, one) = try crowd()
        for client in many { try client.send([1]) }
        try one.send([2])
        var before: UInt64?
        try bench.run("the one is served", every: .zero) {
            if bench.relay.traffic(other).first?.toInstance == 1 {
                before = before ?? bench.traffic?.toInstance
            }
            return before != nil
        }
        // The kernel tells of 64 at a time; after each look two are served.
        #expect(try #require(before) < UInt64(Self.manyConnections) / 4)
        try bench.run("all are served") {
            bench.traffic?.toInstance == UInt64(Self.manyConnections)
        }
        bench.relay.closeAll()
    }

    @Test("leave nobody out: who has much is served beside who always has a little")
    func busy() throws {
        let (bench, other, many, one) = try crowd()
        for client in many { try client.send([1]) }
        var sent: UInt64 = 0
        try bench.run("all are served") {
            if bench.relay.traffic(other).first?.toInstance == sent {
                try one.send([2])
                sent += 1
            }
            return bench.traffic?.toInstance == UInt64(Self.manyConnections)
        }
        bench.relay.closeAll()
    }

    @Test("forget an instance that is over while much is ready for it")
    func closing() throws {
        let (bench, other, many, one) = try crowd()
        for client in many { try client.send([1]) }
        var isClosed = false
        try bench.run("some are served", every: .zero) {
            if let count = bench.traffic?.toInstance, count > 0 {
                bench.relay.close(bench.id)
                isClosed = true
            }
            return isClosed
        }
        #expect(bench.relay.connections == 1)
        try one.send([2])
        try bench.run("the other goes on") {
            bench.relay.traffic(other).first?.toInstance == 1
        }
        bench.relay.closeAll()
    }
}
