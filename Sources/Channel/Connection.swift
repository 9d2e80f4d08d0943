package import Interfaces
package import Syscalls

/// A connection to a daemon: one socket, until it ends. `ReconnectingCaller` makes new ones.
///
/// Keeps true: a request is sent at once and answered once; letting go of the connection says
/// goodbye. A cancelled task cancels its request.
package actor Connection: Caller {
    package nonisolated let loop: EventLoop
    nonisolated let link: CallingLink

    init(_ link: CallingLink) {
        self.link = link
        loop = link.loop
    }

    deinit {
        let link = link
        link.loop.post { link.close() }
    }

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe loop.asUnownedSerialExecutor()
    }

    /// Connects to a daemon's socket and waits for its hello.
    ///
    /// - Parameters:
    ///   - interfaces: those that will be called, for the choice of revisions.
    ///   - program, version: who is calling, for the daemon's log.
    /// - Throws: `.unavailable` when nobody listens, `.forbidden` or `.limitReached` when turned
    ///   away; the subject is the path or what the daemon said.
    package static func connect(
        path: String, loop: EventLoop, interfaces: [InterfaceDescriptor], program: String,
        version: String
    ) async throws(Fault) -> Connection {
        let home = LoopActor(loop)
        return try await home.run { (_) async throws(Fault) -> Connection in
            let socket: Descriptor
            do throws(Errno) {
                socket = try SeqpacketSocket.connect(path)
            } catch {
                throw Fault(
                    error == .access ? .forbidden : .unavailable, subject: path,
                    lines: [error.description])
            }
            return try await greet(
                socket, path, loop: loop, interfaces: interfaces, program: program,
                version: version)
        }
    }

    /// The same over a socket that is connected already.
    package static func adopt(
        _ socket: consuming Descriptor, loop: EventLoop, interfaces: [InterfaceDescriptor],
        program: String, version: String
    ) async throws(Fault) -> Connection {
        let parcel = Parcel(socket)
        let home = LoopActor(loop)
        return try await home.run { (_) async throws(Fault) -> Connection in
            guard let socket = parcel.take(0) else { throw Fault(.unavailable) }
            return try await greet(
                socket, "", loop: loop, interfaces: interfaces, program: program, version: version)
        }
    }

    private static func greet(
        _ socket: consuming Descriptor, _ path: String, loop: EventLoop,
        interfaces: [InterfaceDescriptor], program: String, version: String
    ) async throws(Fault) -> Connection {
        let machine = ConnectionMachine(.caller, interfaces: interfaces, now: loop.now)
        let link = CallingLink(socket, machine, loop: loop)
        do throws(Errno) {
            try link.start(program: program, version: version)
        } catch {
            link.end(nil)
            throw Fault(.unavailable, subject: path, lines: [error.description])
        }
        await link.ready()
        guard link.isReady else { throw unavailable(link, path) }
        return Connection(link)
    }

    private static func unavailable(_ link: CallingLink, _ path: String) -> Fault {
        guard let farewell = link.farewell else { return Fault(.unavailable, subject: path) }
        switch farewell.reason {
        case .forbidden: return Fault(.forbidden, subject: path)
        case .limitReached: return Fault(.limitReached, subject: farewell.subject)
        case .noCommonRevision: return Fault(.unsupported, subject: path)
        default: return Fault(.unavailable, subject: path, lines: ["\(farewell.reason)"])
        }
    }

    /// Whether requests can still be made.
    package var isReady: Bool { link.isReady }

    /// The revision chosen for an interface; nil when the daemon does not speak it.
    package func revision(of interface: UInt16) -> UInt16? { link.machine.revision(of: interface) }

    /// Program and version of the daemon, as it says.
    package var peer: (program: String, version: String) {
        (link.machine.peerProgram, link.machine.peerVersion)
    }

    /// Says goodbye. What was not answered is `.unavailable`.
    package func close() { link.close() }

    /// Calls `handler` on the loop once, when no request can be made any more.
    func onClosing(_ handler: @escaping () -> Void) {
        if link.isReady { link.onClosing = handler } else { handler() }
    }

    // MARK: Caller

    package func call(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel?, deadline: Duration
    ) async throws(Fault) -> Answer {
        if Task.isCancelled { throw .cancelled }
        let ticket = Ticket(link)
        let result = await withTaskCancellationHandler {
            await suspend(starting: { asleep in
                ticket.opened = link.call(
                    method, body: body, descriptors: descriptors, deadline: deadline, asleep)
            })
        } onCancel: {
            ticket.cancel()
        }
        return try result.get()
    }

    package func open(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel?, deadline: Duration?
    ) async throws(Fault) -> any RawItems {
        if Task.isCancelled { throw .cancelled }
        let stream = StreamItems(self)
        await stream.opened(
            try link.open(
                method, body: body, descriptors: descriptors, deadline: deadline, stream))
        return stream
    }

    /// Where a cancel finds its request.
    ///
    /// SAFETY: `@unchecked Sendable` because `opened` is touched on the loop's thread only.
    private final class Ticket: @unchecked Sendable {
        let link: CallingLink
        var opened: (place: Place, transaction: UInt64)?

        init(_ link: CallingLink) {
            self.link = link
        }

        func cancel() {
            link.loop.post { [self] in
                guard let opened else { return }
                link.cancel(opened.place, transaction: opened.transaction)
            }
        }
    }
}
