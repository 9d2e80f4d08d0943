package import Interfaces
package import ServiceModel
import Syscalls

/// Knows which instance was given which peers, and decides about more. Pure: whoever asks it for
/// something writes the entry down before it tells anybody.
///
/// It keeps true: nobody is given what it did not declare, what an ancestor did not declare, or what
/// the policy does not allow; an address that was given leads to the same peer for as long as the
/// instance lives, or nowhere; an instance is no peer of itself.
package struct NetworkBook: Sendable {
    // LIMIT: 64 peers of an instance: a listening socket each. The rest is not given.
    package static let peersMax = 64
    /// 10.66.0.0/15; the node, children and siblings are below.
    static let firstAddress: UInt32 = 0x0A42_0001
    /// A network with this tag is the answers to names.
    package static let namesTag = "dns"
    package static let namesPort: UInt16 = 53
    /// Where a port is one of the service's own, which it may bind on all addresses.
    static let firstOtherPort: UInt16 = 20_053

    package struct Entry: Sendable, Equatable {
        package let member: NetworkMember
        package var grants: [NetworkGrant]
        /// How many addresses were ever given.
        package var given: UInt32

        package init(member: NetworkMember, grants: [NetworkGrant] = [], given: UInt32 = 0) {
            self.member = member
            self.grants = grants
            self.given = given
        }
    }

    package let policy: NetworkPolicy
    package private(set) var entries: [InstanceID: Entry] = [:]

    package init(policy: NetworkPolicy = NetworkPolicy()) {
        self.policy = policy
    }

    /// Takes up an entry that was written down. What the policy allows no more is gone from it.
    package mutating func restore(_ id: InstanceID, _ entry: Entry) {
        var entry = entry
        entry.grants.removeAll { !isAllowed($0, entry.member) }
        entries[id] = entry
    }

    private func isAllowed(_ grant: NetworkGrant, _ member: NetworkMember) -> Bool {
        guard member.networks.indices.contains(grant.network) else { return false }
        let network = member.networks[grant.network]
        switch grant.peer {
        case .names: return givesNames(network)
        case .outside(let endpoint):
            guard case .allowed(let tags) = policy.verdict(network.tags) else { return false }
            return policy.endpoints(tags, speaking: network.protocols).contains(endpoint)
        case .slot:
            guard case .allowed = policy.verdict(network.tags) else { return false }
            return true
        }
    }

    // MARK: Giving

    /// Gives a new instance all there is of its networks.
    ///
    /// - Parameter isServing: whether an instance can be reached now.
    /// - Returns: the entry to write down. One that joined already has what it was given then: its
    ///   file says so.
    package func joining(
        _ id: InstanceID, _ member: NetworkMember, isServing: (InstanceID) -> Bool
    ) -> Entry {
        if let known = entries[id] { return known }
        var entry = Entry(member: member)
        for network in member.networks.indices {
            give(network, to: id, &entry, isServing)
        }
        return entry
    }

    /// What an instance has of a network, with what can be had by now.
    ///
    /// - Parameter tags: the network meant: any of the tags it is declared under.
    /// - Throws: `.forbidden` for what was not declared, by it or by an ancestor; `.unsupported` for
    ///   what the policy does not allow.
    package func resolving(
        _ tags: [String], for id: InstanceID, isServing: (InstanceID) -> Bool
    ) throws(Fault) -> (entry: Entry, grants: [NetworkGrant]) {
        let asked = tags.first ?? ""
        guard var entry = entries[id] else {
            throw GatewayFault.undeclaredNetwork(asked, declared: [])
        }
        let isMeant = { (own: String) in tags.contains { NetworkTag.same($0, own) } }
        let networks = entry.member.networks.indices.filter {
            entry.member.networks[$0].tags.contains(where: isMeant)
        }
        guard !networks.isEmpty else {
            if entry.member.networks.contains(where: { $0.withheld.contains(where: isMeant) }) {
                throw GatewayFault.forbidden("family.network \(asked)")
            }
            throw GatewayFault.undeclaredNetwork(asked, declared: entry.member.tags)
        }
        let isOpen = networks.contains { network in
            let place = entry.member.networks[network]
            if givesNames(place) { return true }
            if case .allowed = policy.verdict(place.tags) { return true }
            return false
        }
        guard isOpen else { throw GatewayFault.unsupported("network \(asked)") }
        for network in networks { give(network, to: id, &entry, isServing) }
        return (entry, entry.grants.filter { networks.contains($0.network) })
    }

    package mutating func set(_ id: InstanceID, _ entry: Entry) {
        entries[id] = entry
    }

    /// Takes out an instance that ended, and every way to it.
    ///
    /// - Returns: those whose entries changed, to be written down when there is time: a way to an
    ///   instance that is over leads nowhere in any case.
    package mutating func leave(_ id: InstanceID) -> [InstanceID] {
        entries[id] = nil
        var changed: [InstanceID] = []
        for (other, entry) in entries where entry.grants.contains(where: { $0.instance == id }) {
            entries[other]?.grants.removeAll { $0.instance == id }
            changed.append(other)
        }
        return changed.sorted()
    }

    private func givesNames(_ network: NetworkMember.Membership) -> Bool {
        guard network.tags.contains(where: { NetworkTag.same($0, Self.namesTag) }) else {
            return false
        }
        if case .denied = policy.verdict(network.tags) { return false }
        return true
    }

    /// Adds to an entry the peers of one network that it does not have yet.
    private func give(
        _ network: Int, to id: InstanceID, _ entry: inout Entry,
        _ isServing: (InstanceID) -> Bool
    ) {
        let place = entry.member.networks[network]
        if givesNames(place) { add(.names, .udp, Self.namesPort, network, &entry) }
        guard case .allowed(let tags) = policy.verdict(place.tags) else { return }
        for endpoint in policy.endpoints(tags, speaking: place.protocols) {
            let transport: Transport = endpoint.kind == .udp ? .udp : .tcp
            add(.outside(endpoint), transport, endpoint.port, network, &entry)
        }
        for peer in entries.keys.sorted() where peer != id && isServing(peer) {
            guard let member = entries[peer]?.member,
                member.memberships(tags).contains(where: { $0.group == place.group })
            else { continue }
            for exposed in member.slots(speaking: place.protocols) {
                let slot = exposed.slot
                add(.slot(peer, slot.key), slot.transport, slot.port, network, &entry)
            }
        }
    }

    private func add(
        _ peer: NetworkGrant.Peer, _ transport: Transport, _ wanted: UInt16, _ network: Int,
        _ entry: inout Entry
    ) {
        guard entry.grants.count < Self.peersMax,
            !entry.grants.contains(where: { $0.network == network && $0.peer == peer })
        else { return }
        let slots = entry.member.slots.map(\.slot)
        let isTaken = slots.contains { $0.port == wanted && $0.transport == transport }
        let port = GatewayAddress.freePort(
            from: isTaken ? Self.firstOtherPort : wanted, transport, besides: slots)
        var address = GatewayAddress.address
        if peer != .names {
            address = Self.firstAddress + entry.given
            entry.given += 1
        } else if entry.grants.contains(where: { $0.peer == .names }) {
            return
        }
        entry.grants.append(
            NetworkGrant(
                network: network, peer: peer, inside: IPv4Endpoint(address: address, port: port),
                transport: transport))
    }

    // MARK: Looking

    /// What the configuration file of an instance says of its networks: all of them, also those that
    /// have nobody.
    package static func resolutions(_ entry: Entry) -> [NetworkResolution] {
        entry.member.networks.indices.map { network in
            var resolution = NetworkResolution()
            let place = entry.member.networks[network]
            resolution.tags = place.tags + place.withheld
            resolution.peerInstances = entry.grants.filter { $0.network == network }
                .map(\.described)
            return resolution
        }
    }

    /// What a name means to an instance: the addresses of the peer that is called so, or of all peers
    /// of the network with this tag; nil for a name it was not given.
    package func addresses(of name: String, for id: InstanceID) -> [UInt32]? {
        guard let entry = entries[id] else { return nil }
        let networks = entry.member.networks.indices.filter { network in
            entry.member.networks[network].tags.contains { NetworkTag.same($0, name) }
        }
        var addresses: [UInt32] = []
        for grant in entry.grants where grant.peer != .names {
            let isMeant = grant.name == name || networks.contains(grant.network)
            if isMeant, !addresses.contains(grant.inside.address) {
                addresses.append(grant.inside.address)
            }
        }
        return addresses.isEmpty && networks.isEmpty ? nil : addresses
    }

    /// The tags a child of this instance may have.
    package func ceiling(of parent: InstanceID?) -> [String]? {
        parent.map { entries[$0]?.member.tags ?? [] }
    }
}
