import Channel
import Interfaces
import SwiftProtobuf
import Syscalls
import Testing
import Wire

/// A server against a peer that speaks in packets and does not keep the rules.
@Suite(.timeLimit(.minutes(10))) struct RawPeerTests {
    /// A blocking end of a connection to a server.
    final class Peer {
        let socket: Descriptor

        init(_ served: Served, greets: Bool = true) throws {
            socket = try SeqpacketSocket.connect(served.path)
            try socket.setNonBlocking(false)
            guard greets else { return }
            let (hello, _) = try #require(try next())
            #expect(hello.kind == .hello)
            try send(FrameHeader(.hello), Sample.hello(1...1, interface: 16))
        }

        func send(_ header: FrameHeader, _ body: [UInt8], _ parcel: Parcel? = nil) throws {
            var header = header
            header.descriptors = UInt16(parcel?.count ?? 0)
            _ = try SeqpacketSocket.send(socket, header.packet(body: body), descriptors: parcel)
        }

        func send(packet: [UInt8]) throws { _ = try SeqpacketSocket.send(socket, packet) }

        /// The next frame; nil when the server closed.
        func next() throws -> (FrameHeader, [UInt8])? {
            var buffer = [UInt8](repeating: 0, count: WireLimits.packetBytesMax)
            while true {
                let received: SeqpacketSocket.Received
                do throws(Errno) {
                    received = try SeqpacketSocket.receive(socket, into: &buffer)
                } catch {
                    if error == .connectionReset { continue }
                    guard error == .again else { throw error }
                    let epoll = try Epoll()
                    try epoll.add(socket.raw, .readable, token: 1)
                    _ = try epoll.wait(timeoutNanoseconds: 5_000_000_000) { _ in }
                    continue
                }
                guard received.bytes > 0 else { return nil }
                let header = try FrameHeader(
                    reading: buffer.span.extracting(0..<received.bytes),
                    descriptors: received.descriptors?.count ?? 0)
                return (header, Array(buffer[WireLimits.headerBytes..<received.bytes]))
            }
        }

        func goodbye() throws -> WireGoodbye {
            while let (header, body) = try next() {
                if header.kind == .goodbye { return try WireGoodbye(serializedBytes: body) }
            }
            Issue.record("closed without a goodbye")
            return WireGoodbye()
        }
    }

    @Test func aPacketThatIsNoFrameGetsAGoodbyeWithTheFieldsName() throws {
        let served = try Served()
        for (offset, value, field) in [
            (0, 0, "magic"), (4, 2, "version"), (5, 77, "kind"), (6, 1, "flags"),
            (12, 9, "body length"), (34, 1, "reserved"),
        ] as [(Int, UInt8, String)] {
            let peer = try Peer(served)
            var packet = FrameHeader(.cancel, interface: 16, method: 1, transaction: 1)
                .packet(body: [])
            packet[offset] = value
            try peer.send(packet: packet)
            let goodbye = try peer.goodbye()
            #expect(goodbye.reason == .protocolError)
            #expect(goodbye.subject == field)
            #expect(try peer.next() == nil)
        }
    }

    @Test func aPacketTooLongIsTruncated() throws {
        let served = try Served()
        let peer = try Peer(served)
        try peer.send(packet: [UInt8](repeating: 1, count: WireLimits.packetBytesMax + 1))
        #expect(try peer.goodbye().reason == .truncated)
    }

    @Test func anUnknownMethodIsAFaultAndTheConnectionStays() throws {
        let served = try Served()
        let peer = try Peer(served)
        for transaction in 1...3 as ClosedRange<UInt64> {
            try peer.send(
                .init(.request, interface: 16, method: 999, transaction: transaction), [])
            let (header, body) = try #require(try peer.next())
            #expect(header.kind == .fault && header.transaction == transaction)
            #expect(try WireFault(serializedBytes: body).code == .unknownMethod)
        }
    }

    @Test func aBodyThatIsNotTheMessageIsInvalidAndTheConnectionStays() throws {
        let served = try Served()
        let peer = try Peer(served)
        try peer.send(.init(.request, interface: 16, method: 4, transaction: 1), [0xff, 0xff])
        let (header, body) = try #require(try peer.next())
        #expect(header.kind == .fault)
        let fault = try WireFault(serializedBytes: body)
        #expect(fault.code == .invalid && fault.reason == .malformed)
    }

    @Test func descriptorsThatNoMethodDeclaresAreClosed() async throws {
        let served = try Served()
        let peer = try Peer(served)
        let pipe = try Pipe()
        try peer.send(
            .init(.request, interface: 16, method: 4, transaction: 1), [],
            Parcel(pipe.keepReading()))
        let (header, body) = try #require(try peer.next())
        #expect(header.kind == .fault)
        #expect(try WireFault(serializedBytes: body).reason == .badDescriptor)
        let closed = await served.thread.run { _ in served.server.descriptorsClosedCount }
        #expect(closed == 1)
    }

    @Test func aPeerThatAsksAndNeverReadsIsHeldByItsOwnQueue() async throws {
        let served = try Served()
        let peer = try Peer(served)
        try peer.socket.setNonBlocking(true)
        var asked: UInt64 = 0
        let epoll = try Epoll()
        try epoll.add(peer.socket.raw, .writable, token: 1)
        while asked < 200_000 {
            do throws(Errno) {
                let header = FrameHeader(
                    .request, interface: 16, method: 999, transaction: asked + 1)
                _ = try SeqpacketSocket.send(peer.socket, header.packet(body: []))
                asked += 1
            } catch {
                try #require(error == .again)
                // Full: the end, unless the server takes more within a while.
                let ready = try epoll.wait(timeoutNanoseconds: 200_000_000) { _ in }
                if ready == 0 { break }
            }
        }
        #expect(asked < 5_000)
        // Once it reads, everything it asked is answered.
        for number in 1...asked {
            let (header, _) = try #require(try peer.next())
            #expect(header.transaction == number)
        }
    }
}
