package import Interfaces
package import ServiceModel
package import Syscalls

/// A peer an instance was given: an address inside that leads to it, and to nothing else.
package struct NetworkGrant: Sendable, Hashable {
    /// Where an address inside leads.
    package enum Peer: Sendable, Hashable {
        case outside(NetworkEndpoint)
        case slot(InstanceID, SlotKey)
        /// The node's own answers to questions for names.
        case names
    }

    /// Which of the declared networks, from 0.
    package let network: Int
    package let peer: Peer
    /// In the instance's own network.
    package let inside: IPv4Endpoint
    package let transport: Transport

    package init(network: Int, peer: Peer, inside: IPv4Endpoint, transport: Transport) {
        self.network = network
        self.peer = peer
        self.inside = inside
        self.transport = transport
    }

    /// Where it is listened on inside. A program without a configuration of its own asks for names on
    /// the loopback (resolv.conf(5)).
    package var ends: [IPv4Endpoint] {
        peer == .names ? [inside, .loopback(port: inside.port)] : [inside]
    }

    /// What the instance may call it: a name that the operator gave.
    package var name: String? {
        guard case .outside(let endpoint) = peer, endpoint.name != endpoint.address?.host else {
            return nil
        }
        return endpoint.name
    }

    package var instance: InstanceID? {
        if case .slot(let id, _) = peer { id } else { nil }
    }

    /// As the configuration file has a peer: an instance with one slot and one address.
    package var described: ServiceModel.Instance {
        let port = UInt32(inside.port)
        let slot = ServiceModel.Slot(
            port: port, transport: ProtocolDefinition(tags: [transport == .udp ? "udp" : "tcp"]),
            protocolStack: peer == .names ? [ProtocolDefinition(tags: [NetworkBook.namesTag])] : [])
        return ServiceModel.Instance(
            api: Api(slots: [slot]),
            uriSlots: [UriSlot(internalPort: port, uris: [Uri(ip: inside.host, port: port)])])
    }
}
