// What is told while a task falls asleep. A task that prefers an executor is queued once more between
// its last look and its sleep, and a loop that looks at its descriptors just then hears what the
// task waits for before there is anybody to wake. Each test is run once for each round between two
// of those looks, so that in one of them it comes just there: by the order of the loop's queue, and
// not by luck.

import Channel
import Interfaces
import Synchronization
import Syscalls
import Testing
import Wire

@Suite("A wait", .timeLimit(.minutes(10))) struct WaitTests {
    private static let rounds = 0..<EventLoop.roundsMax
    /// By then all has happened that will: nothing here waits for time.
    private static let roundsEnough = 16 * EventLoop.roundsMax

    @Test("hears what is told while its task falls asleep", arguments: rounds)
    func told(round: Int) async throws {
        let thread = try LoopThread()
        let board = Board(thread.loop)
        #expect(
            await isOver(thread, after: 0) { loop in
                Rounds.after(round, on: loop) { board.assumeIsolated { $0.tell() } }
                await board.untilTold()
            })
    }

    @Test("hears it from another thread's lock as well", arguments: rounds)
    func toldUnderLock(round: Int) async throws {
        let thread = try LoopThread()
        let letter = Letter()
        #expect(
            await isOver(thread, after: 0) { loop in
                Rounds.after(round, on: loop) { letter.put() }
                await letter.arrival()
            })
    }

    @Test("for credit hears of it while its task falls asleep", arguments: rounds)
    func credit(round: Int) async throws {
        let thread = try LoopThread()
        let answering = Answering()
        let path = "/tmp/celaut-test-\(Random.integer()).sock"
        let server = Server(
            loop: thread.loop, listening: try SeqpacketSocket.listen(path),
            dispatchers: [answering], program: "sample", version: "1", role: { _ in .admin })
        defer { try? File.remove(path) }
        try await thread.run { _ in try server.start() }
        let peer = RawEnd(Parcel(try SeqpacketSocket.connect(path)))
        try peer.send(.hello, Sample.hello(1...1, interface: 16))
        try peer.send(.request, [])
        let items = await answering.sink()
        #expect(
            await isOver(thread, after: round) { _ in
                for _ in 0..<WireLimits.creditInitial { try await items.send([]) }
                try peer.send(.credit, Sample.credit(1))
                try await items.send([])
            })
        answering.end()
    }

    @Test("for a listener's hello hears it while its task falls asleep", arguments: rounds)
    func hello(round: Int) async throws {
        let thread = try LoopThread()
        let (peer, socket) = try ends()
        try peer.send(.hello, Sample.hello(1...1, interface: 16))
        #expect(
            await isOver(thread, after: round) { loop in
                _ = try await connection(socket, loop)
            })
    }

    @Test("for an item of a stream hears of it while its task falls asleep", arguments: rounds)
    func item(round: Int) async throws {
        let thread = try LoopThread()
        let (peer, socket) = try ends()
        try peer.send(.hello, Sample.hello(1...1, interface: 16))
        let connection = try await connection(socket, thread.loop)
        let stream = try await connection.open(
            BoxBuilderInterface.listBoxes, body: [], descriptors: nil, deadline: nil)
        #expect(
            await isOver(thread, after: round) { _ in
                try peer.send(.item, [])
                _ = try await stream.next()
            })
    }

    /// Runs `body` from a round behind a look on, in a task that is queued at each step, and says
    /// whether it has ended once there is nothing more to come.
    private func isOver(
        _ thread: LoopThread, after round: Int,
        _ body: @escaping @Sendable (EventLoop) async throws -> Void
    ) async -> Bool {
        let loop = thread.loop
        let isOver = Flag()
        await thread.run { _ in
            // What a timer calls is called in a look: its next round is the first behind it.
            await loop.sleep(.zero)
            Task(executorPreference: loop) {
                await Rounds.pass(round, on: loop)
                do {
                    try await body(loop)
                } catch {
                    Issue.record(error)
                }
                isOver.set()
            }
            await Rounds.pass(Self.roundsEnough, on: loop)
        }
        return isOver.isSet
    }

    private func ends() throws -> (RawEnd, Parcel) {
        let (first, second) = try SeqpacketSocket.pair().split()
        return (RawEnd(first), second)
    }
}

private func connection(_ socket: Parcel, _ loop: EventLoop) async throws -> Connection {
    guard let socket = socket.take(0) else { throw Errno.noEntry }
    return try await Connection.adopt(
        socket, loop: loop, interfaces: [BoxBuilderInterface.descriptor], program: "test",
        version: "1")
}

/// A loop's rounds: each link of a chain of posted work is one.
private enum Rounds {
    static func after(_ count: Int, on loop: EventLoop, _ work: @escaping @Sendable () -> Void) {
        loop.post { count == 0 ? work() : after(count - 1, on: loop, work) }
    }

    static func pass(_ count: Int, on loop: EventLoop) async {
        await suspend(starting: { asleep in after(count, on: loop) { asleep.resume() } })
    }
}

/// What is told to an actor of the loop.
private actor Board {
    nonisolated let loop: EventLoop
    private var isTold = false
    private var waiting: [Suspended<Void>] = []

    init(_ loop: EventLoop) { self.loop = loop }

    nonisolated var unownedExecutor: UnownedSerialExecutor {
        // SAFETY: the test keeps the loop.
        unsafe loop.asUnownedSerialExecutor()
    }

    func untilTold() async {
        if isTold { return }
        await suspend(unless: { isTold }, keep: { waiting.append($0) })
    }

    func tell() {
        isTold = true
        for asleep in waiting { asleep.resume() }
        waiting = []
    }
}

/// What is told under a lock.
private final class Letter: Sendable {
    private struct State {
        var isHere = false
        var waiter: Suspended<Void>?
    }

    private let state = Mutex(State())

    func put() {
        let waiter = state.withLock { state in
            state.isHere = true
            return state.waiter.take()
        }
        waiter?.resume()
    }

    func arrival() async {
        if state.withLock({ $0.isHere }) { return }
        await state.suspend(unless: { $0.isHere ? () : nil }, keep: { $0.waiter = $1 })
    }
}

private final class Flag: Sendable {
    private let flag = Atomic(false)

    var isSet: Bool { flag.load(ordering: .relaxed) }
    func set() { flag.store(true, ordering: .relaxed) }
}

/// The other end of a connection, which says what it is told to. What it hears stays unread.
private final class RawEnd: Sendable {
    private let socket: Parcel

    init(_ socket: Parcel) { self.socket = socket }

    func send(_ kind: FrameKind, _ body: [UInt8]) throws {
        let method = BoxBuilderInterface.listBoxes
        let header =
            kind == .hello
            ? FrameHeader(.hello)
            : FrameHeader(
                kind, interface: method.interface, method: method.ordinal, transaction: 1)
        _ = try socket.inspect(0) { socket in
            try SeqpacketSocket.send(socket, header.packet(body: body))
        }
    }
}

/// A listener whose streams end when the test says so; whoever wants to sends their items.
private final class Answering: Dispatcher {
    private struct State {
        var sink: (any RawSink)?
        var isOver = false
        var asking: Suspended<any RawSink>?
        var handler: Suspended<Void>?
    }

    let interface = BoxBuilderInterface.descriptor
    private let state = Mutex(State())

    func answer(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel, context: CallContext,
        items: any RawSink
    ) async throws(Fault) -> Answer? {
        let asking = state.withLock { state in
            state.sink = items
            return state.asking.take()
        }
        asking?.resume(items)
        await state.suspend(unless: { $0.isOver ? () : nil }, keep: { $0.handler = $1 })
        return nil
    }

    func sink() async -> any RawSink {
        await state.suspend(unless: { $0.sink }, keep: { $0.asking = $1 })
    }

    func end() {
        let handler = state.withLock { state in
            state.isOver = true
            return state.handler.take()
        }
        handler?.resume()
    }
}
