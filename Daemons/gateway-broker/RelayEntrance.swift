import Channel
package import Syscalls

/// Where what comes through an entrance goes.
package enum RelayTarget: Sendable, Equatable {
    /// A slot of an instance.
    case slot(InstanceID, SlotKey)
    /// An address this host can reach.
    case outside(IPv4Endpoint)
}

/// A socket that is listened on: on this host, or inside an instance's network.
package final class RelayEntrance {
    /// Nil once it is closed, whoever still holds the entrance.
    private(set) var socket: RelaySocket?
    let slot: SlotKey
    /// The instance in whose network it is; nil for this host's.
    let inside: InstanceID?
    /// Nil: the slot of the group it belongs to.
    private(set) var outside: IPv4Endpoint?
    let traffic: RelayedTraffic
    var watch: WatchToken?
    var isPaused = false
    /// It has its place among what is to be done.
    var isQueued = false
    /// Of datagrams, by who sends.
    var flows: [IPv4Endpoint: DatagramFlow] = [:]
    weak var group: RelayGroup?

    init(
        _ socket: consuming Descriptor, slot: SlotKey, inside: InstanceID?, outside: IPv4Endpoint?,
        traffic: RelayedTraffic
    ) {
        self.socket = RelaySocket(socket)
        self.slot = slot
        self.inside = inside
        self.outside = outside
        self.traffic = traffic
    }

    func close() {
        socket = nil
    }

    /// Connections from now on lead there; those that are open go on.
    package func move(to endpoint: IPv4Endpoint) {
        precondition(outside != nil, "an entrance to a slot was moved outside")
        outside = endpoint
    }

    /// What passed through it and all others to the same slot.
    package var count: SlotCount { traffic.count }
}
