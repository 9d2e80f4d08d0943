import Channel
import Interfaces
import Syscalls
import Testing

/// A server with a handler the test scripts, at a socket of its own, on a loop of its own.
final class Served: Sendable {
    let thread: LoopThread
    let server: Server
    let handler: SampleHandler
    let path: String

    init(
        limits: Server.Limits = .init(),
        role: @escaping @Sendable (UInt32) -> Role? = { _ in .admin }
    ) throws {
        thread = try LoopThread()
        path = "/tmp/celaut-test-\(Random.integer()).sock"
        handler = SampleHandler(thread.loop)
        server = Server(
            loop: thread.loop, listening: try SeqpacketSocket.listen(path),
            dispatchers: [BoxBuilderDispatcher(handler)], program: "sample", version: "1",
            limits: limits, role: role)
        let server = server
        let done = Semaphore()
        thread.loop.post {
            try? server.start()
            done.signal()
        }
        done.wait()
    }

    deinit {
        try? File.remove(path)
    }

    /// Ends all connections without a word, as when the daemon was killed.
    func dropConnections() async {
        await thread.run { _ in server.dropConnections() }
    }

    func connect() async throws(Fault) -> Connection {
        try await Connection.connect(
            path: path, loop: thread.loop, interfaces: [BoxBuilderInterface.descriptor],
            program: "test", version: "1")
    }

    func client() async throws(Fault) -> BoxBuilderClient { BoxBuilderClient(try await connect()) }
}

/// Answers as its request says: `RemoveBox` by the box's name, `ListBoxes` for ever.
actor SampleHandler: UnaskedBoxBuilder {
    nonisolated let loop: EventLoop
    /// Items that were sent.
    private(set) var sent = 0
    /// Requests that noticed that nobody waits any more.
    private(set) var cancelled = 0
    private(set) var finished: [String] = []
    private var held: [Suspended<Void>] = []
    private var watchers: [Suspended<Void>] = []

    init(_ loop: EventLoop) { self.loop = loop }

    nonisolated var unownedExecutor: UnownedSerialExecutor {
        // SAFETY: the test keeps the loop.
        unsafe loop.asUnownedSerialExecutor()
    }

    /// Waits until so many requests are held.
    func untilHeld(_ count: Int) async {
        await until { held.count >= count }
    }

    func untilCancelled(_ count: Int) async {
        await until { cancelled >= count }
    }

    func untilFinished(_ count: Int) async {
        await until { finished.count >= count }
    }

    func untilSent(_ count: Int) async {
        await until { sent >= count }
    }

    func release() {
        let all = held
        held = []
        for continuation in all { continuation.resume() }
    }

    private func until(_ isSo: () -> Bool) async {
        while !isSo() {
            await suspend(unless: isSo, keep: { watchers.append($0) })
        }
    }

    private func tell() {
        let all = watchers
        watchers = []
        for continuation in all { continuation.resume() }
    }

    private func hold() async {
        await withTaskCancellationHandler {
            await suspend(
                unless: { Task.isCancelled },
                keep: { asleep in
                    held.append(asleep)
                    tell()
                })
        } onCancel: {
            loop.post { self.assumeIsolated { $0.release() } }
        }
    }

    func removeBox(
        _ request: RemoveBoxRequest, context: CallContext
    ) async throws(Fault) -> RemoveBoxReply {
        defer {
            finished.append(request.box)
            tell()
        }
        var reply = RemoveBoxReply()
        switch request.box {
        case "hold": await hold()
        case "thread": reply.freedBytes = UInt64(currentThread())
        case "who": reply.freedBytes = UInt64(context.role.rawValue)
        case "missing": throw Fault(.notFound, subject: request.box)
        default: break
        }
        if Task.isCancelled {
            cancelled += 1
            tell()
            throw .cancelled
        }
        reply.serviceIDBytes = Array(request.box.utf8)
        return reply
    }

    func inspectBox(
        _ request: InspectBoxRequest, context: CallContext
    ) async throws(Fault) -> (InspectBoxReply, Parcel) {
        switch request.box {
        case "none": return (InspectBoxReply(), Parcel())
        case "pipe":
            guard let pipe = try? Pipe() else { throw Fault(.internal) }
            return (InspectBoxReply(), Parcel(pipe.keepReading()))
        default:
            guard let sealed = try? Memfd.sealed(Array(request.box.utf8)) else {
                throw Fault(.internal)
            }
            return (InspectBoxReply(), Parcel(sealed))
        }
    }

    func listBoxes(
        _ request: ListBoxesRequest, context: CallContext, items: ItemSink<BoxSummary>
    ) async throws(Fault) {
        var summary = BoxSummary()
        do throws(Fault) {
            while true {
                summary.entries = UInt64(sent)
                try await items.send(summary)
                sent += 1
                tell()
            }
        } catch {
            cancelled += 1
            tell()
            throw error
        }
    }

    func importBox(
        _ request: ImportBoxRequest, descriptors: Parcel, context: CallContext,
        items: ItemSink<ImportBoxItem>
    ) async throws(Fault) {
        guard let stream = descriptors.take(0), let bytes = try? File.readAll(stream, limit: 100)
        else { throw Fault(.invalid) }
        var item = ImportBoxItem()
        item.progress.bytes = UInt64(bytes.count)
        try await items.send(item)
    }

    func openBox(
        _ request: OpenBoxRequest, context: CallContext
    ) async throws(Fault) -> (OpenBoxReply, Parcel) {
        // Keyed: goes on when the caller is gone.
        await hold()
        if Task.isCancelled { cancelled += 1 }
        finished.append(request.box)
        tell()
        throw Fault(.notFound)
    }

    func releaseBox(
        _ request: ReleaseBoxRequest, context: CallContext
    ) async throws(Fault) -> ReleaseBoxReply { ReleaseBoxReply() }

    func listHolds(
        _ request: ListHoldsRequest, context: CallContext, items: ItemSink<Hold>
    ) async throws(Fault) {}
}
