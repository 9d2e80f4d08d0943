import Channel
import Interfaces
import Syscalls

/// The ways that are open: for each instance and grant, the socket inside it. What the book says
/// should be there, and is. Belongs to the loop's thread.
struct NetworkWays {
    /// Of one instance.
    struct Ways {
        var entrances: [NetworkGrant: RelayEntrance] = [:]
        var names: NameServer?
        /// Taken by the service itself: these lead nowhere for as long as it lives.
        var refused: Set<NetworkGrant> = []
        var isOpening = false
        var waiters: [Suspended<Void>] = []
    }

    var ways: [InstanceID: Ways] = [:]
    /// What names of hosts stood for when they were last looked up.
    var addresses: [String: UInt32] = [:]
    var alarm: TimerToken?

    func isOpen(_ grant: NetworkGrant, _ id: InstanceID) -> Bool {
        guard let known = ways[id] else { return false }
        return grant.peer == .names ? known.names != nil : known.entrances[grant] != nil
    }

    /// The grants of an instance that have no way yet and can have one.
    func missing(_ grants: [NetworkGrant], _ id: InstanceID) -> [NetworkGrant] {
        grants.filter { grant in
            !isOpen(grant, id) && ways[id]?.refused.contains(grant) != true
        }
    }

    /// Where a grant leads; nil where its name stands for nothing now.
    func target(_ grant: NetworkGrant) -> RelayTarget? {
        switch grant.peer {
        case .names: return nil
        case .slot(let id, let slot): return .slot(id, slot)
        case .outside(let endpoint):
            if let address = endpoint.address { return .outside(address) }
            return addresses[endpoint.host].map {
                .outside(IPv4Endpoint(address: $0, port: endpoint.hostPort))
            }
        }
    }

    /// The names of hosts that grants lead to.
    static func names(_ grants: some Sequence<NetworkGrant>) -> Set<String> {
        var names: Set<String> = []
        for grant in grants {
            if case .outside(let endpoint) = grant.peer, endpoint.address == nil {
                names.insert(endpoint.host)
            }
        }
        return names
    }
}
