import Channel
import Interfaces
import Syscalls

/// The listeners of one instance, its spare sockets, and its connections.
///
/// Keeps true: at most one request for sockets is out at a time; a connection waits for a socket a
/// bounded time, and a bounded number of them do; past the bounds connections wait in the kernel's
/// backlog, where they cost this process nothing.
final class InstanceRelay {
    // LIMIT: 128 accepted connections wait for a socket: eight answers of the supervisor.
    private static let waitingMax = 128
    // LIMIT: a connection that got no socket after so long is reset: the supervisor is not there.
    private static let waitingTime = Duration.seconds(10)
    // LIMIT: 2 to 64 sockets kept ready, as many as were lately used between two answers.
    private static let sparesMin = 2
    private static let sparesMax = 64
    // LIMIT: 16 in one answer: the most a frame carries.
    private static let batchMax = 16
    // LIMIT: 64 connections are taken before other descriptors have their turn.
    private static let acceptsPerTurn = 64

    // LIMIT: 1,024 connections wait in the kernel to be taken; past it the client's kernel tries
    // again.
    private static let backlog: Int32 = 1_024

    let id: InstanceID
    private unowned let relay: Relay
    private(set) var slots: [RelayedSlot] = []
    private(set) var traffic: [UInt16: RelayedTraffic] = [:]
    private(set) var isPaused = false
    private var listeners: [Listener] = []
    private var links: [RelayLink] = []
    private var spares: [RelaySocket] = []
    private var waiting: [Waiting] = []
    private var wanted = InstanceRelay.sparesMin
    private var isAsking = false
    private var retry: TimerToken?
    private var usedSinceSweep = 0
    private var isClosed = false

    private final class Listener {
        let socket: Descriptor
        let port: UInt16
        var watch: WatchToken?

        init(_ socket: consuming Descriptor, port: UInt16) {
            self.socket = socket
            self.port = port
        }
    }

    private struct Waiting {
        let near: RelaySocket
        let port: UInt16
        let since: Instant
    }

    init(id: InstanceID, relay: Relay) {
        self.id = id
        self.relay = relay
    }

    // MARK: Listening

    func listen(_ slots: [RelayedSlot]) throws(Errno) {
        for var slot in slots {
            // Datagrams have no relay yet: such a slot has no host port.
            if slot.transport == .tcp {
                let listener = try bind(slot)
                slot.hostPort = try InternetSocket.localEndpoint(listener.socket).port
                listeners.append(listener)
                traffic[slot.port] = RelayedTraffic()
                listener.watch = try relay.loop.watch(listener.socket, .readable) { [self] _ in
                    accept(listener)
                }
            }
            self.slots.append(slot)
        }
    }

    private func bind(_ slot: RelayedSlot) throws(Errno) -> Listener {
        do throws(Errno) {
            return Listener(try Self.listen(port: slot.hostPort), port: slot.port)
        } catch {
            // Somebody else took the port meanwhile: another address is better than none.
            guard error == .addressInUse, slot.hostPort != 0 else { throw error }
            return Listener(try Self.listen(port: 0), port: slot.port)
        }
    }

    private static func listen(port: UInt16) throws(Errno) -> Descriptor {
        let listener = try InternetSocket.listen(.loopback(port: port), backlog: backlog)
        // tcp(7): what is accepted inherits it.
        try InternetSocket.setNoDelay(listener)
        return listener
    }

    private func accept(_ listener: Listener) {
        for _ in 0..<Self.acceptsPerTurn {
            guard hasRoom else { return pause() }
            do throws(Errno) {
                guard let socket = try Socket.accept(listener.socket) else { return }
                take(RelaySocket(socket), port: listener.port)
            } catch {
                // Out of descriptors or memory: the rest waits in the kernel until the sweep.
                pause()
                relay.needSweep()
                return
            }
        }
    }

    var hasRoom: Bool {
        waiting.count < Self.waitingMax
            && links.count + waiting.count < relay.limits.connectionsPerInstance
            && relay.connections < relay.limits.connections
    }

    private func pause() {
        guard !isPaused else { return }
        isPaused = true
        relay.paused += 1
        for listener in listeners {
            if let watch = listener.watch { relay.loop.modify(watch, []) }
        }
    }

    func resume() {
        guard isPaused, !isClosed, hasRoom else { return }
        isPaused = false
        relay.paused -= 1
        for listener in listeners {
            if let watch = listener.watch { relay.loop.modify(watch, .readable) }
        }
    }

    // MARK: Connecting

    private func take(_ near: RelaySocket, port: UInt16) {
        relay.connections += 1
        usedSinceSweep += 1
        if let far = spares.popLast() {
            connect(near, far, port)
        } else {
            waiting.append(Waiting(near: near, port: port, since: relay.loop.now))
        }
        refill()
    }

    /// A connection that comes from nowhere: the caller holds the other end of `near`.
    ///
    /// - Returns: false where there is no such slot.
    func tunnel(_ near: RelaySocket, port: UInt16) -> Bool {
        guard traffic[port] != nil else { return false }
        take(near, port: port)
        return true
    }

    private func connect(_ near: RelaySocket, _ far: RelaySocket, _ port: UInt16) {
        guard let traffic = traffic[port] else { return drop(near) }
        let link = RelayLink(
            near: near, far: far, traffic: traffic, loop: relay.loop, shop: relay.shop
        ) { [unowned self] in ended($0) }
        do throws(Errno) {
            _ = try InternetSocket.connect(far.descriptor, to: .loopback(port: port))
        } catch {
            return drop(near)
        }
        link.index = links.count
        links.append(link)
        do throws(Errno) { try link.start() } catch { link.abort() }
        if relay.limits.idleTimeout != nil { relay.needSweep() }
    }

    /// Whoever connected sees a reset: a slot that does not accept is like a port nobody listens on.
    private func drop(_ near: RelaySocket) {
        Socket.resetOnClose(near.descriptor)
        relay.connections -= 1
        relay.gaveRoom()
    }

    private func ended(_ link: RelayLink) {
        let last = links.removeLast()
        if last !== link {
            links[link.index] = last
            last.index = link.index
        }
        relay.connections -= 1
        if !isClosed { relay.gaveRoom() }
    }

    func close() {
        isClosed = true
        if isPaused { relay.paused -= 1 }
        for listener in listeners {
            if let watch = listener.watch { relay.loop.unwatch(watch) }
            listener.watch = nil
        }
        listeners = []
        for link in links.reversed() { link.abort() }
        for one in waiting { drop(one.near) }
        waiting = []
        spares = []
        if let retry { relay.loop.cancel(retry) }
        retry = nil
    }

    // MARK: Sockets

    func refill() {
        guard !isAsking, retry == nil, !isClosed, !listeners.isEmpty else { return }
        let missing = waiting.count + wanted - spares.count
        // Half of what is kept ready is left when it is asked for more.
        guard missing > wanted / 2 else { return }
        if waiting.count > 0 { wanted = min(Self.sparesMax, wanted * 2) }
        isAsking = true
        if wanted > Self.sparesMin { relay.needSweep() }
        relay.ask(id, min(missing, Self.batchMax))
    }

    func supply(_ sockets: Parcel?) {
        isAsking = false
        guard !isClosed else { return }
        guard let sockets, sockets.count > 0 else { return supplyFailed() }
        for index in 0..<sockets.count {
            guard let socket = sockets.take(index) else { continue }
            guard let far = Self.prepared(socket) else { continue }
            if waiting.isEmpty {
                spares.append(far)
            } else {
                let first = waiting.removeFirst()
                connect(first.near, far, first.port)
            }
        }
        resume()
        refill()
    }

    /// Before it is needed, so that a connection does not wait for it.
    private static func prepared(_ socket: consuming Descriptor) -> RelaySocket? {
        let far = RelaySocket(socket)
        do throws(Errno) {
            try far.descriptor.setNonBlocking(true)
            try InternetSocket.setNoDelay(far.descriptor)
            return far
        } catch {
            // Not a TCP socket: nothing to relay to.
            return nil
        }
    }

    func supplyFailed() {
        isAsking = false
        guard !isClosed, retry == nil else { return }
        let now = relay.loop.now
        while let first = waiting.first, first.since.advanced(by: Self.waitingTime) <= now {
            waiting.removeFirst()
            drop(first.near)
        }
        // Without anybody waiting, the next connection asks.
        guard !waiting.isEmpty else { return }
        retry = relay.loop.schedule(after: .milliseconds(200)) { [self] in
            retry = nil
            refill()
        }
    }

    /// Lets go of sockets and connections nobody used.
    ///
    /// - Returns: whether there will be something to look at again.
    func sweep() -> Bool {
        resume()
        if usedSinceSweep < wanted / 2 { wanted = max(Self.sparesMin, wanted / 2) }
        usedSinceSweep = 0
        if spares.count > wanted { spares.removeLast(spares.count - wanted) }
        if relay.limits.idleTimeout != nil {
            for link in links.reversed() where !link.keepsMoving() { link.abort() }
        }
        return isPaused || wanted > Self.sparesMin
            || (relay.limits.idleTimeout != nil && !links.isEmpty)
    }
}
