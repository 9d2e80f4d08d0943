// Sockets inside that serve one connection after another.

import Syscalls
import Testing
import gateway_broker

@Suite("A socket inside", .serialized, .timeLimit(.minutes(10))) struct RelayRenewalTests {
    enum First: CaseIterable { case client, service }

    @Test("serves the next connection when its own is over", arguments: First.allCases)
    func again(first: First) throws {
        let bench = try RelayBench()
        let host = try bench.open()
        for number in UInt8(1)...40 {
            let client = try bench.dial(host)
            let inside = try bench.accept()
            try client.send([number])
            #expect(try bench.read(inside, 1) == [number])
            try inside.send([number, 0])
            #expect(try bench.read(client, 2) == [number, 0])
            let (one, other) = first == .client ? (client, inside) : (inside, client)
            try Socket.shutdown(one.descriptor, .send)
            #expect(try bench.end(other) == nil)
            try Socket.shutdown(other.descriptor, .send)
            #expect(try bench.end(one) == nil)
            try bench.run("the connection is over") { bench.relay.connections == 0 }
        }
        #expect(bench.asked.reduce(0, +) <= 4)
        #expect(bench.traffic?.connections == 40)
        #expect(bench.traffic?.toInstance == 40)
        #expect(bench.traffic?.fromInstance == 80)
        bench.relay.closeAll()
    }

    @Test("serves no other connection after a reset")
    func reset() throws {
        let bench = try RelayBench()
        let host = try bench.open()
        for _ in 0..<20 {
            let client = try bench.dial(host)
            var inside: RelaySocketForTests? = try bench.accept()
            if let inside { Socket.resetOnClose(inside.descriptor) }
            inside = nil
            #expect(try bench.end(client) == .connectionReset)
        }
        #expect(bench.asked.reduce(0, +) >= 20)
        bench.relay.closeAll()
    }

    @Test("is not taken from a service that still has to read")
    func unread() throws {
        let bench = try RelayBench()
        let host = try bench.open()
        let bytes = pattern(400_000)
        for _ in 0..<4 {
            let client = try bench.dial(host)
            let inside = try bench.accept()
            try Socket.shutdown(inside.descriptor, .send)
            var sent = 0
            try bench.run("all is sent") {
                sent += try writeSome(client.descriptor, bytes[sent...])
                return sent == bytes.count
            }
            try Socket.shutdown(client.descriptor, .send)
            try bench.run("the relay has done its part") { bench.relay.connections == 0 }
            #expect(try bench.read(inside, bytes.count) == bytes)
            #expect(try bench.end(inside) == nil)
        }
        bench.relay.closeAll()
    }

    @Test("is forgotten with its instance")
    func closing() throws {
        let bench = try RelayBench()
        let client = try bench.dial(try bench.open())
        let inside = try bench.accept()
        try Socket.shutdown(client.descriptor, .send)
        try Socket.shutdown(inside.descriptor, .send)
        try bench.run("the connection is over") { bench.relay.connections == 0 }
        bench.relay.close(bench.id)
        let host = try bench.open()
        let late = try bench.dial(host)
        let lateInside = try bench.accept()
        try late.send([1])
        #expect(try bench.read(lateInside, 1) == [1])
        bench.relay.closeAll()
    }
}
