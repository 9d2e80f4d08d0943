package import Interfaces
package import Syscalls
import Wire

/// Serves the interfaces of a daemon on one listening socket.
///
/// Keeps true: a connection has the role its uid has, or is turned away; no uid holds more
/// connections or running requests than its limits, so that one user cannot shut others out;
/// after `stop` nothing new begins and what was accepted is answered or cancelled within
/// `WireLimits.stoppingTimeout`.
///
/// SAFETY: `@unchecked Sendable` because its state is touched on the loop's thread only; `stop` and
/// the figures may be asked from code isolated to actors of the loop.
package final class Server: @unchecked Sendable {
    /// What a server allows each user.
    package struct Limits: Sendable {
        /// Connections of one uid.
        package var connectionsPerUser = WireLimits.connectionsPerUser
        // LIMIT: requests of one uid whose handler has not returned, over all its connections.
        // The next gets the fault LIMIT_REACHED.
        package var requestsPerUser = 512
        // LIMIT: connections of all users; below the usual 1,024 descriptors of a process. More
        // wait in the kernel's queue until one closes.
        package var connections = 512

        package init() {}
    }

    /// Something worth a line in the log.
    package enum Event: Sendable {
        /// A connection was turned away or ended with a goodbye that this side said or heard.
        case closed(
            uid: UInt32, pid: Int32, program: String, reason: WireGoodbyeReason, subject: String)
        /// Descriptors that no method declared were closed.
        case descriptorsClosed(Int)
        /// No connection can be taken for now.
        case acceptFailed(Errno)
    }

    private struct User {
        var connections = 0
        var requests = 0
        var isEmpty: Bool { connections == 0 && requests == 0 }
    }

    package let loop: EventLoop
    package let interfaces: [InterfaceDescriptor]
    private let dispatchers: [any Dispatcher]
    private let listening: Descriptor
    private let limits: Limits
    private let program: String
    private let version: String
    private let role: @Sendable (UInt32) -> Role?
    private let report: @Sendable (Event) -> Void

    private var watch: WatchToken?
    private var links: [ObjectIdentifier: ServedLink] = [:]
    private var users: [UInt32: User] = [:]
    private var running = 0
    private var isStopping = false
    private var stopWaiter: Suspended<Void>?

    /// Connections open now.
    package var connectionCount: Int { links.count }
    /// Requests whose handler runs now.
    package var runningCount: Int { running }
    /// Requests answered since the start, faults included.
    package private(set) var answeredCount: UInt64 = 0
    /// Descriptors closed because no method declared them.
    package private(set) var descriptorsClosedCount: UInt64 = 0

    /// - Parameters:
    ///   - listening: a SOCK_SEQPACKET socket that listens.
    ///   - role: the role of a uid; nil turns it away.
    package init(
        loop: EventLoop, listening: consuming Descriptor, dispatchers: [any Dispatcher],
        program: String, version: String, limits: Limits = Limits(),
        role: @escaping @Sendable (UInt32) -> Role?,
        report: @escaping @Sendable (Event) -> Void = { _ in }
    ) {
        self.loop = loop
        self.listening = listening
        self.dispatchers = dispatchers
        self.interfaces = dispatchers.map { $0.interface }
        self.program = program
        self.version = version
        self.limits = limits
        self.role = role
        self.report = report
    }

    /// Begins to accept. On the loop.
    package func start() throws(Errno) {
        try listening.setNonBlocking(true)
        watch = try loop.watch(listening, .readable) { [self] _ in accept() }
    }

    /// Says STOPPING to everyone, finishes what was accepted, and returns when that is done or
    /// `WireLimits.stoppingTimeout` has passed. The listening socket stays open with its owner's
    /// copies: who connects meanwhile waits for the next daemon.
    package func stop() async {
        await suspend(starting: { asleep in
            if loop.isCurrent {
                beginStopping(asleep)
            } else {
                loop.post { self.beginStopping(asleep) }
            }
        })
    }

    /// Ends all connections without a word, as a crash does. For tests.
    package func dropConnections() {
        for link in links.values { link.end(nil) }
    }

    private func beginStopping(_ continuation: Suspended<Void>) {
        guard !isStopping else { return continuation.resume() }
        isStopping = true
        stopWaiter = continuation
        if let watch { loop.unwatch(watch) }
        watch = nil
        for link in links.values { link.stop() }
        _ = loop.schedule(after: WireLimits.stoppingTimeout) { [self] in
            for link in links.values { link.end(saying: .init(.stopping)) }
            stopped()
        }
        stopIfIdle()
    }

    private func stopIfIdle() {
        if isStopping, links.isEmpty, running == 0 { stopped() }
    }

    private func stopped() {
        guard let waiter = stopWaiter else { return }
        stopWaiter = nil
        waiter.resume()
    }

    // MARK: For connections

    func dispatcher(_ interface: UInt16) -> (any Dispatcher)? {
        for index in interfaces.indices where interfaces[index].number == interface {
            return dispatchers[index]
        }
        return nil
    }

    /// The limit, when the user has as many requests running.
    func requestLimitReached(_ link: ServedLink) -> Int? {
        let requests = users[link.peer.uid]?.requests ?? 0
        return requests >= limits.requestsPerUser ? limits.requestsPerUser : nil
    }

    func began(_ link: ServedLink) {
        running += 1
        users[link.peer.uid, default: User()].requests += 1
    }

    func finished(_ link: ServedLink) {
        running -= 1
        answeredCount &+= 1
        change(link.peer.uid) { $0.requests -= 1 }
        stopIfIdle()
    }

    func ended(_ link: ServedLink, _ farewell: ConnectionMachine.Farewell?) {
        links[ObjectIdentifier(link)] = nil
        change(link.peer.uid) { $0.connections -= 1 }
        if let farewell, farewell.reason != .done, farewell.reason != .stopping {
            closed(link.peer, link.machine.peerProgram, farewell)
        }
        if links.count == limits.connections - 1 { resume() }
        stopIfIdle()
    }

    /// Closes descriptors nobody asked for.
    func drop(_ descriptors: Parcel?) {
        guard let descriptors, descriptors.count > 0 else { return }
        descriptorsClosedCount &+= UInt64(descriptors.count)
        descriptors.close()
        report(.descriptorsClosed(descriptors.count))
    }

    private func change(_ uid: UInt32, _ body: (inout User) -> Void) {
        guard var user = users[uid] else { return }
        body(&user)
        users[uid] = user.isEmpty ? nil : user
    }

    private func closed(
        _ peer: PeerCredentials, _ program: String, _ farewell: ConnectionMachine.Farewell
    ) {
        report(
            .closed(
                uid: peer.uid, pid: peer.pid, program: program, reason: farewell.reason,
                subject: farewell.subject))
    }

    // MARK: Accepting

    // LIMIT: how long no connection is taken after the process ran out of descriptors or memory.
    private static let acceptPause = Duration.milliseconds(100)

    private func accept() {
        guard links.count < limits.connections else { return pause() }
        let socket: Descriptor
        do throws(Errno) {
            guard let accepted = try Socket.accept(listening) else { return }
            socket = accepted
        } catch {
            report(.acceptFailed(error))
            pause()
            _ = loop.schedule(after: Self.acceptPause) { [self] in resume() }
            return
        }
        guard let peer = try? Socket.peerCredentials(socket) else { return }
        let found = role(peer.uid)
        let link = ServedLink(socket, peer: peer, role: found ?? .client, server: self)
        users[peer.uid, default: User()].connections += 1
        links[ObjectIdentifier(link)] = link
        // Who is turned away hears that and no hello, so that he cannot take himself for welcome.
        if found == nil { return link.end(saying: .init(.forbidden)) }
        if (users[peer.uid]?.connections ?? 0) > limits.connectionsPerUser {
            return link.end(saying: .init(.limitReached, subject: "connectionsPerUser"))
        }
        do throws(Errno) {
            try link.start(program: program, version: version)
        } catch {
            report(.acceptFailed(error))
            link.end(nil)
        }
    }

    /// Stops looking at the listening socket; who connects waits in the kernel's queue.
    private func pause() {
        if let watch { loop.modify(watch, []) }
    }

    private func resume() {
        if let watch { loop.modify(watch, .readable) }
    }
}
