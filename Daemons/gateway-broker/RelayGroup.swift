import Channel
import Interfaces
import Syscalls

/// The connections to one instance, or of one instance to what is outside, and the entrances they come
/// through: bounded together, ended together.
///
/// Keeps true: past the bounds connections wait in the kernel's backlog, where they cost this process
/// nothing, and datagrams of new senders are dropped.
final class RelayGroup {
    let id: InstanceID
    unowned let relay: Relay
    var slots: [RelayedSlot] = []
    private(set) var traffic: [SlotKey: RelayedTraffic] = [:]
    private(set) var entrances: [RelayEntrance] = []
    private(set) var links: [RelayLink] = []
    private(set) var flows: [DatagramFlow] = []
    private var streams: SocketShelf?
    private var datagrams: SocketShelf?
    private var connections = 0
    private(set) var isClosed = false
    /// What is ready, in its order; the first of it stands at `done`.
    private var ready: [Ready] = []
    private var done = 0
    /// It has its place among the groups.
    var isListed = false

    private enum Ready {
        case link(RelayLink)
        case entrance(RelayEntrance)
    }

    init(id: InstanceID, relay: Relay) {
        self.id = id
        self.relay = relay
    }

    /// Makes room for what goes to a slot of the instance.
    func add(_ slot: RelayedSlot, _ count: SlotCount?) {
        traffic[slot.key] = RelayedTraffic(count ?? SlotCount(slot.key))
        slots.append(slot)
        let make = { [unowned self] (transport: Transport) in
            SocketShelf(
                transport, loop: relay.loop,
                ask: { [unowned self] in relay.ask(id, transport, $0) },
                needSweep: { [unowned self] in relay.needSweep() })
        }
        if slot.transport == .udp {
            datagrams = datagrams ?? make(.udp)
        } else {
            streams = streams ?? make(.tcp)
        }
    }

    func fillShelves() {
        streams?.refill()
        datagrams?.refill()
    }

    func shelf(_ transport: Transport) -> SocketShelf? {
        transport == .udp ? datagrams : streams
    }

    // MARK: Entrances

    /// Takes what comes through a socket from now on.
    func enter(
        _ socket: consuming Descriptor, slot: SlotKey, inside: InstanceID?,
        outside: IPv4Endpoint? = nil
    ) throws(Errno) -> RelayEntrance {
        let traffic = self.traffic[slot] ?? RelayedTraffic(slot)
        self.traffic[slot] = traffic
        let entrance = RelayEntrance(
            socket, slot: slot, inside: inside, outside: outside, traffic: traffic)
        entrance.group = self
        guard let listener = entrance.socket else { return entrance }
        entrance.watch = try relay.loop.watch(listener.descriptor, .readable) { [self] _ in
            queue(entrance)
        }
        entrances.append(entrance)
        return entrance
    }

    /// Closes one; the connections that came through it are reset where it is the way out.
    func leave(_ entrance: RelayEntrance) {
        if let watch = entrance.watch { relay.loop.unwatch(watch) }
        entrance.watch = nil
        if entrance.isPaused { relay.paused -= 1 }
        entrance.isPaused = false
        for flow in entrance.flows.values { flow.end() }
        for link in links.reversed() where link.entrance === entrance { link.abort() }
        entrances.removeAll { $0 === entrance }
        entrance.close()
    }

    /// Closes those in the network of an instance that is over.
    func leave(inside holder: InstanceID) {
        for entrance in entrances.reversed() where entrance.inside == holder { leave(entrance) }
    }

    /// One; the next has its turn when all that was ready before it has had one.
    private func accept(_ entrance: RelayEntrance) {
        guard let listener = entrance.socket else { return }
        guard hasRoom(entrance.slot) else { return pause(entrance) }
        do throws(Errno) {
            guard let socket = try Socket.accept(listener.descriptor) else { return }
            take(RelaySocket(socket), entrance.slot, entrance)
            queue(entrance)
        } catch {
            // Out of descriptors or memory: the rest waits in the kernel until the sweep.
            pause(entrance)
            relay.needSweep()
        }
    }

    // MARK: Turns

    func queue(_ link: RelayLink) { queue(.link(link)) }

    private func queue(_ entrance: RelayEntrance) {
        guard !entrance.isQueued else { return }
        entrance.isQueued = true
        queue(.entrance(entrance))
    }

    private func queue(_ one: Ready) {
        guard !isClosed else { return }
        ready.append(one)
        relay.isReady(self)
    }

    var hasWork: Bool { done < ready.count }

    /// Does what has been ready for longest.
    func work() {
        guard hasWork else { return }
        let next = ready[done]
        done += 1
        // Moved together when half of it is done: never more than twice what is ready.
        if done * 2 >= ready.count {
            ready.removeFirst(done)
            done = 0
        }
        switch next {
        case .link(let link): link.work()
        case .entrance(let entrance):
            entrance.isQueued = false
            if entrance.slot.transport == .udp { receive(entrance) } else { accept(entrance) }
        }
    }

    private func receive(_ entrance: RelayEntrance) {
        for _ in 0..<DatagramFlow.turnDatagrams {
            do throws(Errno) {
                guard let socket = entrance.socket,
                    let arrived = try DatagramPump.receive(socket.descriptor, with: relay.shop)
                else { return }
                guard let flow = flow(entrance, arrived.sender) else { continue }
                flow.arrived(bytes: arrived.bytes)
            } catch {
                // An answer somebody did not take; the socket goes on.
                continue
            }
        }
    }

    private func flow(_ entrance: RelayEntrance, _ sender: IPv4Endpoint) -> DatagramFlow? {
        if let known = entrance.flows[sender] { return known }
        guard hasRoom(entrance.slot), entrance.flows.count < relay.limits.datagramFlows else {
            return nil
        }
        let flow = begin(.sender(entrance, sender), entrance.traffic)
        entrance.flows[sender] = flow
        connect(flow, entrance.slot, entrance)
        return entrance.flows[sender]
    }

    func hasRoom(_ slot: SlotKey) -> Bool {
        connections < relay.limits.connectionsPerInstance
            && (traffic[slot]?.open ?? 0) < relay.limits.connectionsPerSlot
            && relay.connections < relay.limits.connections
            && shelf(slot.transport)?.hasRoom ?? true
    }

    private func pause(_ entrance: RelayEntrance) {
        guard !entrance.isPaused else { return }
        entrance.isPaused = true
        relay.paused += 1
        if let watch = entrance.watch { relay.loop.modify(watch, []) }
    }

    func resume() {
        guard !isClosed else { return }
        for entrance in entrances where entrance.isPaused && hasRoom(entrance.slot) {
            entrance.isPaused = false
            relay.paused -= 1
            if let watch = entrance.watch { relay.loop.modify(watch, .readable) }
        }
    }

    // MARK: Connecting

    /// A connection that comes from nowhere: the caller holds the other end of `near`.
    ///
    /// - Returns: false where there is no such slot.
    func tunnel(_ near: RelaySocket, _ slot: SlotKey) -> Bool {
        guard let traffic = traffic[slot] else { return false }
        if slot.transport == .udp {
            connect(begin(.tunnel(near), traffic), slot, nil)
        } else {
            take(near, slot, nil)
        }
        return true
    }

    private func take(_ near: RelaySocket, _ slot: SlotKey, _ entrance: RelayEntrance?) {
        guard let traffic = traffic[slot] else { return }
        opened(traffic)
        far(slot, entrance) { [self] far in
            guard let far, !isClosed else { return drop(near, traffic) }
            link(near, far, traffic, entrance)
        }
    }

    /// A socket that is connecting to where the slot or the entrance leads.
    private func far(
        _ slot: SlotKey, _ entrance: RelayEntrance?, _ use: @escaping (RelaySocket?) -> Void
    ) {
        if let endpoint = entrance?.outside {
            use(Self.socket(to: endpoint, slot.transport))
        } else if let shelf = shelf(slot.transport) {
            shelf.take { far in
                guard let far, Self.connects(far, to: .loopback(port: slot.port)) else {
                    return use(nil)
                }
                use(far)
            }
        } else {
            use(nil)
        }
    }

    private static func socket(
        to endpoint: IPv4Endpoint, _ transport: Transport
    ) -> RelaySocket? {
        do throws(Errno) {
            let far = RelaySocket(
                try InternetSocket.make(kind: transport == .udp ? .datagram : .stream))
            if transport == .tcp { try InternetSocket.setNoDelay(far.descriptor) }
            return connects(far, to: endpoint) ? far : nil
        } catch {
            return nil
        }
    }

    private static func connects(_ far: RelaySocket, to endpoint: IPv4Endpoint) -> Bool {
        (try? InternetSocket.connect(far.descriptor, to: endpoint)) != nil
    }

    private func link(
        _ near: RelaySocket, _ far: RelaySocket, _ traffic: RelayedTraffic,
        _ entrance: RelayEntrance?
    ) {
        let link = RelayLink(
            near: near, far: far, traffic: traffic, entrance: entrance, group: self,
            loop: relay.loop, shop: relay.shop)
        link.index = links.count
        links.append(link)
        do throws(Errno) { try link.start() } catch { link.abort() }
        if relay.limits.idleTimeout != nil { relay.needSweep() }
    }

    private func begin(_ near: DatagramFlow.Near, _ traffic: RelayedTraffic) -> DatagramFlow {
        opened(traffic)
        traffic.count.connections += 1
        let flow = DatagramFlow(near: near, traffic: traffic, loop: relay.loop, shop: relay.shop) {
            [unowned self] in ended($0)
        }
        flow.index = flows.count
        flows.append(flow)
        relay.needSweep()
        return flow
    }

    private func connect(_ flow: DatagramFlow, _ slot: SlotKey, _ entrance: RelayEntrance?) {
        far(slot, entrance) { [self] far in
            guard let far, !isClosed, flow.isOpen else { return flow.end() }
            do throws(Errno) { try flow.start(far) } catch { flow.end() }
        }
    }

    private func opened(_ traffic: RelayedTraffic) {
        traffic.open += 1
        connections += 1
        relay.connections += 1
    }

    private func closed(_ traffic: RelayedTraffic) {
        traffic.open -= 1
        connections -= 1
        relay.connections -= 1
        if !isClosed { relay.gaveRoom() }
    }

    /// Whoever connected sees a reset: a slot that does not accept is like a port nobody listens on.
    private func drop(_ near: RelaySocket, _ traffic: RelayedTraffic) {
        Socket.resetOnClose(near.descriptor)
        closed(traffic)
    }

    func ended(_ link: RelayLink) {
        let last = links.removeLast()
        if last !== link {
            links[link.index] = last
            last.index = link.index
        }
        closed(link.traffic)
    }

    private func ended(_ flow: DatagramFlow) {
        let last = flows.removeLast()
        if last !== flow {
            flows[flow.index] = last
            last.index = flow.index
        }
        if case .sender(let entrance, let sender) = flow.near { entrance.flows[sender] = nil }
        closed(flow.traffic)
    }

    // MARK: Figures

    var counts: [SlotCount] { traffic.values.map(\.count).sorted { $0.slot < $1.slot } }

    func connections(max: Int) -> [SlotCount] {
        let streams = links.lazy.map(\.count)
        let datagrams = flows.lazy.map(\.count)
        return Array(streams.prefix(max)) + datagrams.prefix(Swift.max(0, max - links.count))
    }

    // MARK: Ends

    func close() {
        isClosed = true
        ready = []
        done = 0
        relay.forget(self)
        for entrance in entrances.reversed() { leave(entrance) }
        for link in links.reversed() { link.abort() }
        for flow in flows.reversed() { flow.end() }
        streams?.close()
        datagrams?.close()
    }

    /// Lets go of sockets and connections nobody used.
    ///
    /// - Returns: whether there will be something to look at again.
    func sweep() -> Bool {
        resume()
        var isNeeded = entrances.contains { $0.isPaused }
        for shelf in [streams, datagrams] where shelf?.sweep() == true { isNeeded = true }
        let now = relay.loop.now
        if let idle = relay.limits.idleTimeout {
            for link in links.reversed() where link.isIdle(idle, now) { link.abort() }
            if !links.isEmpty { isNeeded = true }
        }
        for flow in flows.reversed()
        where flow.lastUsed.advanced(by: relay.limits.datagramIdleTimeout) <= now {
            flow.end()
        }
        return isNeeded || !flows.isEmpty
    }
}
