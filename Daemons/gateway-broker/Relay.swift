package import Channel
package import Syscalls

/// The bounds of the relay.
package struct RelayLimits: Sendable {
    // LIMIT: 16,384 relayed connections in all (configurable): two descriptors each. Past it
    // connections wait in the kernel.
    package var connections = 16_384
    // LIMIT: 4,096 to one instance (configurable), so that one cannot take them all.
    package var connectionsPerInstance = 4_096
    /// Nil: an idle connection stays.
    package var idleTimeout: Duration?

    // LIMIT: descriptors kept for all else: callers, listeners, pipes, sockets not used yet.
    private static let openFilesKept = 4_096

    package init() {}

    /// As many connections as the process may have descriptors for, half of them at the least.
    package func lowered(toOpenFiles openFiles: Int) -> RelayLimits {
        var lowered = self
        let room = max(openFiles - Self.openFilesKept, openFiles / 2)
        lowered.connections = min(connections, max(1, room / 2))
        lowered.connectionsPerInstance = min(connectionsPerInstance, lowered.connections)
        return lowered
    }
}

/// Relays connections from host ports to slots of instances.
///
/// The socket on the instance's side is made in its network namespace by the supervisor and asked
/// for in advance through `wantSockets`. Belongs to the loop's thread.
package final class Relay {
    let loop: EventLoop
    let limits: RelayLimits
    let shop: RelayWorkshop
    private let wantSockets: (InstanceID, Int) -> Void
    private var instances: [InstanceID: InstanceRelay] = [:]
    package internal(set) var connections = 0
    /// Instances whose listeners wait for room.
    package internal(set) var paused = 0
    private var sweep: TimerToken?

    /// - Parameter wantSockets: asks for so many sockets; answered with `supply` or `supplyFailed`.
    package init(
        loop: EventLoop, limits: RelayLimits, shop: RelayWorkshop = RelayWorkshop(),
        wantSockets: @escaping (InstanceID, Int) -> Void
    ) {
        self.loop = loop
        self.limits = limits
        self.shop = shop
        self.wantSockets = wantSockets
    }

    /// Listens for the slots of an instance: on the host port a slot had, on any other where that is
    /// taken or there was none.
    ///
    /// - Returns: the slots with their host ports. Opening what is open gives the same again.
    package func open(
        _ id: InstanceID, slots: [RelayedSlot]
    ) throws(Errno) -> [RelayedSlot] {
        if let known = instances[id] { return known.slots }
        let instance = InstanceRelay(id: id, relay: self)
        do throws(Errno) {
            try instance.listen(slots)
        } catch {
            instance.close()
            throw error
        }
        instances[id] = instance
        instance.refill()
        return instance.slots
    }

    /// Closes the listeners and resets the connections of an instance.
    package func close(_ id: InstanceID) {
        instances.removeValue(forKey: id)?.close()
    }

    package func closeAll() {
        for instance in instances.values { instance.close() }
        instances = [:]
    }

    package func supply(_ id: InstanceID, _ sockets: Parcel?) {
        instances[id]?.supply(sockets)
    }

    package func supplyFailed(_ id: InstanceID) {
        instances[id]?.supplyFailed()
    }

    /// Bytes and connections per declared port.
    package func traffic(_ id: InstanceID) -> [UInt16: RelayedTraffic] {
        instances[id]?.traffic ?? [:]
    }

    /// What a request for a tunnel comes to.
    package enum Tunnel {
        case open(Parcel)
        /// The instance has no such slot, or is not reachable now.
        case noSlot
        case noRoom
    }

    /// One end of a stream whose other end is relayed to a slot.
    package func tunnel(_ id: InstanceID, port: UInt16) throws(Errno) -> Tunnel {
        guard let instance = instances[id] else { return .noSlot }
        guard instance.hasRoom else { return .noRoom }
        let (near, far) = try UnixSocket.pair(kind: .stream).split()
        guard let socket = near.take(0), instance.tunnel(RelaySocket(socket), port: port) else {
            return .noSlot
        }
        return .open(far)
    }

    func ask(_ id: InstanceID, _ count: Int) {
        wantSockets(id, count)
    }

    /// Connections ended: those that wait for room get it.
    func gaveRoom() {
        guard paused > 0 else { return }
        for instance in instances.values where instance.isPaused { instance.resume() }
    }

    /// Looks through the instances from time to time while there is something that can get old.
    func needSweep() {
        guard sweep == nil else { return }
        let period = limits.idleTimeout.map { $0 / 2 } ?? .seconds(5)
        sweep = loop.schedule(after: period) { [self] in
            sweep = nil
            var isNeeded = false
            for instance in instances.values where instance.sweep() { isNeeded = true }
            if isNeeded { needSweep() }
        }
    }
}
