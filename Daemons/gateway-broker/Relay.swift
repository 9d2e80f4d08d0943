package import Channel
package import Interfaces
package import Syscalls

/// Relays connections and datagrams: from ports of this host and from addresses inside instances to
/// slots of instances, and from addresses inside instances to what is outside.
///
/// The socket on the target's side is made in its network namespace by the supervisor and asked for in
/// advance through `wantSockets`. Belongs to the loop's thread.
package final class Relay {
    // LIMIT: 1,024 connections wait in the kernel to be taken; past it the client's kernel tries
    // again.
    private static let backlog: Int32 = 1_024
    // LIMIT: 5 s between two looks at what is idle, less where less is allowed: half of that.
    private static let sweepPeriodMax = Duration.seconds(5)

    let loop: EventLoop
    let limits: RelayLimits
    let shop: RelayWorkshop
    private let turns = RelayTurns()
    private let policy: PublishPolicy
    private let wantSockets: (InstanceID, Transport, Int) -> Void
    private var instances: [InstanceID: RelayGroup] = [:]
    /// By the instance whose way out they are.
    private var outsides: [InstanceID: RelayGroup] = [:]
    package internal(set) var connections = 0
    /// Entrances that wait for room.
    package internal(set) var paused = 0
    private var sweep: TimerToken?

    /// - Parameter wantSockets: asks for so many sockets; answered with `supply` or `supplyFailed`.
    package init(
        loop: EventLoop, limits: RelayLimits, policy: PublishPolicy = PublishPolicy(),
        shop: RelayWorkshop = RelayWorkshop(),
        wantSockets: @escaping (InstanceID, Transport, Int) -> Void
    ) {
        self.loop = loop
        self.limits = limits
        self.policy = policy
        self.shop = shop
        self.wantSockets = wantSockets
        loop.part = { [weak self] in self?.takeTurn() ?? false }
    }

    /// Something is ready for a group.
    func isReady(_ group: RelayGroup) {
        turns.add(group)
        loop.hasParts = true
    }

    private func takeTurn() -> Bool {
        turns.take(isShared: instances.count + outsides.count > 1)
    }

    func forget(_ group: RelayGroup) {
        turns.remove(group)
    }

    // MARK: Instances

    /// Relays to the slots of an instance: through tunnels from now on, and through ports of this host
    /// where the policy publishes them, on the port a slot had, on any other where that is taken or
    /// there was none.
    ///
    /// - Returns: the slots with their host ports. Opening what is open gives the same again.
    package func open(
        _ id: InstanceID, slots: [RelayedSlot], isChild: Bool = false, counts: [SlotCount] = []
    ) throws(Errno) -> [RelayedSlot] {
        if let known = instances[id] { return known.slots }
        let group = RelayGroup(id: id, relay: self)
        do throws(Errno) {
            for slot in slots {
                let count = counts.first { $0.slot == slot.key }
                guard let address = policy.address(isChild: isChild) else {
                    group.add(RelayedSlot(port: slot.port, transport: slot.transport), count)
                    continue
                }
                let socket = try Self.bind(slot, address)
                let host = try InternetSocket.localEndpoint(socket)
                group.add(
                    RelayedSlot(
                        port: slot.port, transport: slot.transport, hostPort: host.port,
                        hostAddress: host.address), count)
                _ = try group.enter(socket, slot: slot.key, inside: nil)
            }
        } catch {
            group.close()
            throw error
        }
        instances[id] = group
        group.fillShelves()
        return group.slots
    }

    private static func bind(_ slot: RelayedSlot, _ address: UInt32) throws(Errno) -> Descriptor {
        do throws(Errno) {
            return try bind(slot.transport, IPv4Endpoint(address: address, port: slot.hostPort))
        } catch {
            // Somebody else took the port meanwhile: another address is better than none.
            guard error == .addressInUse, slot.hostPort != 0 else { throw error }
            return try bind(slot.transport, IPv4Endpoint(address: address, port: 0))
        }
    }

    private static func bind(
        _ transport: Transport, _ endpoint: IPv4Endpoint
    ) throws(Errno) -> Descriptor {
        if transport == .udp {
            let socket = try InternetSocket.make(kind: .datagram)
            try InternetSocket.bind(socket, endpoint)
            return socket
        }
        let listener = try InternetSocket.listen(endpoint, backlog: backlog)
        // tcp(7): what is accepted inherits it.
        try InternetSocket.setNoDelay(listener)
        return listener
    }

    /// Closes the entrances to an instance and inside it, and resets its connections.
    ///
    /// - Returns: what passed through its slots in all; nil where it was not open.
    @discardableResult
    package func close(_ id: InstanceID) -> [SlotCount]? {
        outsides.removeValue(forKey: id)?.close()
        for group in instances.values { group.leave(inside: id) }
        guard let group = instances.removeValue(forKey: id) else { return nil }
        group.close()
        gaveRoom()
        return group.counts
    }

    package func closeAll() {
        for group in instances.values { group.close() }
        for group in outsides.values { group.close() }
        instances = [:]
        outsides = [:]
    }

    package func supply(_ id: InstanceID, _ transport: Transport, _ sockets: Parcel?) {
        instances[id]?.shelf(transport)?.supply(sockets)
        instances[id]?.resume()
    }

    package func supplyFailed(_ id: InstanceID, _ transport: Transport) {
        instances[id]?.shelf(transport)?.supplyFailed()
    }

    // MARK: Addresses inside

    /// Leads what comes through a socket that was made inside an instance to a target, until either
    /// instance is closed, or it is closed itself.
    ///
    /// - Returns: nil where the target is not open.
    package func lead(
        _ socket: consuming Descriptor, inside holder: InstanceID, transport: Transport,
        to target: RelayTarget
    ) throws(Errno) -> RelayEntrance? {
        try socket.setNonBlocking(true)
        if transport == .tcp { try InternetSocket.setNoDelay(socket) }
        switch target {
        case .slot(let id, let slot):
            guard let group = instances[id], group.traffic[slot] != nil else { return nil }
            return try group.enter(socket, slot: slot, inside: holder)
        case .outside(let endpoint):
            let group = outsides[holder] ?? RelayGroup(id: holder, relay: self)
            outsides[holder] = group
            return try group.enter(
                socket, slot: SlotKey(port: endpoint.port, transport: transport), inside: holder,
                outside: endpoint)
        }
    }

    package func close(_ entrance: RelayEntrance) {
        entrance.group?.leave(entrance)
    }

    /// Closes the addresses of an instance inside another.
    package func close(_ id: InstanceID, inside holder: InstanceID) {
        instances[id]?.leave(inside: holder)
    }

    /// The slots of an instance that can be reached from inside another.
    package func reachable(_ id: InstanceID, inside holder: InstanceID) -> Set<SlotKey> {
        Set(instances[id]?.entrances.filter { $0.inside == holder }.map(\.slot) ?? [])
    }

    // MARK: Figures

    /// What passed through the slots of an instance.
    package func traffic(_ id: InstanceID) -> [SlotCount] { instances[id]?.counts ?? [] }

    /// Connections open now, by slot.
    package func open(_ id: InstanceID) -> [SlotKey: Int] {
        instances[id]?.traffic.mapValues(\.open) ?? [:]
    }

    /// The oldest connections that are open, each with what it carried.
    package func connections(_ id: InstanceID, max: Int) -> [SlotCount] {
        instances[id]?.connections(max: max) ?? []
    }

    // MARK: Tunnels

    /// What a request for a tunnel comes to.
    package enum Tunnel {
        case open(Parcel)
        /// The instance has no such slot, or is not reachable now.
        case noSlot
        case noRoom
    }

    /// One end of a stream, or of packets for datagrams, whose other end is relayed to a slot.
    package func tunnel(_ id: InstanceID, _ slot: SlotKey) throws(Errno) -> Tunnel {
        guard let group = instances[id], group.traffic[slot] != nil else { return .noSlot }
        guard group.hasRoom(slot) else { return .noRoom }
        let kind: Socket.Kind = slot.transport == .udp ? .seqpacket : .stream
        let (near, far) = try UnixSocket.pair(kind: kind).split()
        guard let socket = near.take(0), group.tunnel(RelaySocket(socket), slot) else {
            return .noSlot
        }
        return .open(far)
    }

    // MARK: For the groups

    func ask(_ id: InstanceID, _ transport: Transport, _ count: Int) {
        wantSockets(id, transport, count)
    }

    /// Connections ended: those that wait for room get it.
    func gaveRoom() {
        guard paused > 0 else { return }
        for group in instances.values { group.resume() }
        for group in outsides.values { group.resume() }
    }

    /// Looks through the groups from time to time while there is something that can get old.
    func needSweep() {
        guard sweep == nil else { return }
        let idle = min(limits.idleTimeout ?? Self.sweepPeriodMax, limits.datagramIdleTimeout)
        sweep = loop.schedule(after: min(idle / 2, Self.sweepPeriodMax)) { [self] in
            sweep = nil
            var isNeeded = false
            for group in Array(instances.values) + outsides.values where group.sweep() {
                isNeeded = true
            }
            if isNeeded { needSweep() }
        }
    }
}
