// One direction of a relayed connection, with and without pipes to spare.

import Syscalls
import Testing

/// Two connected TCP sockets on the loopback, non-blocking.
struct StreamPair: ~Copyable {
    let near: Descriptor
    let far: Descriptor

    init(bufferBytes: Int32? = nil) throws {
        let listener = try InternetSocket.listen(.loopback(port: 0))
        let caller = try InternetSocket.make()
        if let bufferBytes {
            try Socket.setBuffers(caller, sendBytes: bufferBytes, receiveBytes: bufferBytes)
            try Socket.setBuffers(listener, sendBytes: bufferBytes, receiveBytes: bufferBytes)
        }
        _ = try InternetSocket.connect(caller, to: try InternetSocket.localEndpoint(listener))
        guard let accepted = try Socket.accept(listener) else { throw Errno.again }
        near = caller
        far = accepted
    }
}

/// Writes as much as goes in without waiting.
func writeSome(_ socket: borrowing Descriptor, _ bytes: ArraySlice<UInt8>) throws -> Int {
    do throws(Errno) {
        let bytes = Array(bytes)
        // SAFETY: the array outlives the call.
        return try File.write(socket, unsafe bytes.span.bytes)
    } catch .again {
        return 0
    }
}

/// All that is there now; nil at the end of the stream.
func readSome(_ socket: borrowing Descriptor, max: Int = 1 << 20) throws -> [UInt8]? {
    do throws(Errno) {
        let bytes = try File.read(socket, max: max)
        return bytes.isEmpty ? nil : bytes
    } catch .again {
        return []
    }
}

/// Bytes that differ everywhere, so that a piece lost, doubled or moved is seen.
func pattern(_ count: Int) -> [UInt8] {
    var state: UInt64 = 88_172_645_463_325_252
    return (0..<count).map { _ in
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return UInt8(truncatingIfNeeded: state)
    }
}

@Suite("A stream pump", .serialized, .timeLimit(.minutes(10))) struct StreamPumpTests {
    /// Pools: one that always has a pipe, one that has a single pipe, one that never has.
    static let pools = [128, 1, 0]

    @Test("moves a message in one go and says that there is no more", arguments: pools)
    func message(_ pipes: Int) throws {
        let source = try StreamPair(), sink = try StreamPair()
        let shop = RelayWorkshop(pipesMax: pipes)
        var pump = StreamPump()
        #expect(try writeSome(source.near, [1, 2, 3]) == 3)
        #expect(
            pump.run(
                from: source.far, to: sink.near, with: shop, mayTrustShortReads: true,
                budget: 1_000) == .sourceEmpty)
        #expect(pump.delivered == 3)
        #expect(try readSome(sink.far) == [1, 2, 3])
        pump.close(shop)
    }

    @Test("passes an end on only after everything before it", arguments: pools)
    func end(_ pipes: Int) throws {
        let source = try StreamPair(), sink = try StreamPair()
        let shop = RelayWorkshop(pipesMax: pipes)
        var pump = StreamPump()
        #expect(try writeSome(source.near, [9]) == 1)
        try Socket.shutdown(source.near, .send)
        #expect(
            pump.run(
                from: source.far, to: sink.near, with: shop, mayTrustShortReads: false,
                budget: 1_000) == .ended)
        #expect(pump.delivered == 1)
        pump.close(shop)
    }

    @Test(
        "does not read what the sink does not take, and counts only what it took", arguments: pools)
    func backPressure(_ pipes: Int) throws {
        let source = try StreamPair(bufferBytes: 65_536), sink = try StreamPair(bufferBytes: 65_536)
        let shop = RelayWorkshop(pipesMax: pipes)
        var pump = StreamPump()
        let sent = pattern(8 << 20)
        var written = 0
        var quiet = 0
        // Nobody reads: at some point nothing goes in any more.
        while quiet < 20 {
            let count = try writeSome(
                source.near, sent[written..<min(written + 65_536, sent.count)])
            written += count
            quiet = count == 0 ? quiet + 1 : 0
            _ = pump.run(
                from: source.far, to: sink.near, with: shop, mayTrustShortReads: false,
                budget: 1 << 20)
        }
        #expect(written < 3 << 20)
        #expect(pump.delivered < UInt64(written))
        #expect(shop.pipes <= pipes)

        // Then somebody does, and gets all of it in order.
        var received: [UInt8] = []
        while received.count < sent.count {
            if written < sent.count {
                written += try writeSome(
                    source.near, sent[written..<min(written + 65_536, sent.count)])
            }
            _ = pump.run(
                from: source.far, to: sink.near, with: shop, mayTrustShortReads: false,
                budget: 1 << 20)
            received += try #require(try readSome(sink.far))
        }
        #expect(received == sent)
        #expect(pump.delivered == UInt64(sent.count))
        pump.close(shop)
    }

    @Test("gives its pipe back when nothing waits in it")
    func pipesComeBack() throws {
        let source = try StreamPair(), sink = try StreamPair()
        let shop = RelayWorkshop(pipesMax: 1)
        var pump = StreamPump()
        var received = 0
        for _ in 0..<200 {
            _ = try writeSome(source.near, pattern(65_536)[...])
            _ = pump.run(
                from: source.far, to: sink.near, with: shop, mayTrustShortReads: false,
                budget: 1 << 20)
            received += try readSome(sink.far)?.count ?? 0
        }
        while UInt64(received) < pump.delivered { received += try readSome(sink.far)?.count ?? 0 }
        while pump.run(
            from: source.far, to: sink.near, with: shop, mayTrustShortReads: false, budget: 1 << 20)
            != .sourceEmpty
        {
            received += try readSome(sink.far)?.count ?? 0
        }
        let pipe = shop.takePipe()
        #expect(pipe != nil)
        if let pipe { shop.giveBack(pipe, isEmpty: true) }
    }

    @Test("stops after its budget, so that others have a turn", arguments: pools)
    func budget(_ pipes: Int) throws {
        let source = try StreamPair(), sink = try StreamPair()
        let shop = RelayWorkshop(pipesMax: pipes)
        var pump = StreamPump()
        _ = try writeSome(source.near, pattern(150_000)[...])
        #expect(
            pump.run(
                from: source.far, to: sink.near, with: shop, mayTrustShortReads: false,
                budget: 1_000) == .budgetSpent)
        #expect(pump.delivered <= 65_536)
        pump.close(shop)
    }

    @Test("says which failure it met", arguments: pools)
    func failure(_ pipes: Int) throws {
        let shop = RelayWorkshop(pipesMax: pipes)
        var pump = StreamPump()
        let source = try StreamPair()
        let sink = try StreamPair()
        Socket.resetOnClose(sink.far)
        try close(
            sink,
            keepingNear: { near in
                _ = try writeSome(source.near, [1])
                #expect(
                    pump.run(
                        from: source.far, to: near, with: shop, mayTrustShortReads: true,
                        budget: 1_000
                    )
                    .isFailure)
            })
        pump.close(shop)
    }

    /// Lets the far end go, then goes on with the near one.
    private func close(
        _ pair: consuming StreamPair, keepingNear body: (borrowing Descriptor) throws -> Void
    ) throws {
        let near = try pair.near.duplicate()
        _ = consume pair
        try body(near)
    }
}

extension StreamPump.Pause {
    var isFailure: Bool {
        if case .failed = self { true } else { false }
    }
}
