package import Interfaces

/// The bounds of the relay.
package struct RelayLimits: Sendable {
    // LIMIT: 16,384 relayed connections in all (configurable): two descriptors each. Past it
    // connections wait in the kernel, and datagrams of new senders are dropped.
    package var connections = 16_384
    // LIMIT: 4,096 to one instance (configurable), so that one cannot take them all; the same number
    // from one instance to what is outside.
    package var connectionsPerInstance = 4_096
    // LIMIT: 4,096 to one slot (configurable): lower it and one slot leaves room for the others.
    package var connectionsPerSlot = 4_096
    /// Nil: an idle connection stays.
    package var idleTimeout: Duration?
    // LIMIT: 256 senders of datagrams at once through one address (configurable): each has a socket
    // inside, so that answers find back. Past it datagrams of new senders are dropped.
    package var datagramFlows = 256
    // LIMIT: a sender that is quiet for a minute, both ways, is forgotten (configurable): two minutes
    // are what RFC 4787 asks of a translator of addresses, whose users cannot simply ask again.
    package var datagramIdleTimeout = Duration.seconds(60)

    // LIMIT: descriptors kept for all else: callers, listeners, pipes, sockets not used yet.
    private static let openFilesKept = 4_096

    package init() {}

    /// As many connections as the process may have descriptors for, half of them at the least.
    package func lowered(toOpenFiles openFiles: Int) -> RelayLimits {
        var lowered = self
        let room = max(openFiles - Self.openFilesKept, openFiles / 2)
        lowered.connections = min(connections, max(1, room / 2))
        lowered.connectionsPerInstance = min(connectionsPerInstance, lowered.connections)
        lowered.connectionsPerSlot = min(connectionsPerSlot, lowered.connectionsPerInstance)
        return lowered
    }
}

/// A declared slot of a service: one port can be declared for both transports.
package struct SlotKey: Hashable, Sendable, Comparable {
    package let port: UInt16
    package let transport: Transport

    package init(port: UInt16, transport: Transport) {
        self.port = port
        self.transport = transport
    }

    package static func < (one: SlotKey, other: SlotKey) -> Bool {
        (one.port, one.transport.rawValue) < (other.port, other.transport.rawValue)
    }
}

/// What passed through a slot, as a value: for reports and for the registry.
package struct SlotCount: Sendable, Equatable {
    package let slot: SlotKey
    package var connections: UInt64 = 0
    package var toInstance: UInt64 = 0
    package var fromInstance: UInt64 = 0

    package init(_ slot: SlotKey) {
        self.slot = slot
    }
}

/// Bytes delivered through a slot, exact, each counted when the receiving socket took it.
package final class RelayedTraffic {
    package internal(set) var count: SlotCount
    /// Open connections, those that wait for a socket included.
    package internal(set) var open = 0

    package init(_ slot: SlotKey) {
        count = SlotCount(slot)
    }

    /// Goes on counting where another process stopped.
    init(_ count: SlotCount) {
        self.count = count
    }
}
