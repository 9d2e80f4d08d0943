package import Interfaces
import Syscalls

/// What the gateway remembers of one instance: enough to go on after a restart, and to give the
/// first answer again to whoever repeats a request with its key.
package struct InstanceRecord: Sendable, Equatable {
    package let id: InstanceID
    /// The user who started it.
    package let owner: UInt32
    /// The idempotency key of the request, unique with `owner`.
    package let key: [UInt8]
    /// SHA-256 of the request without its key: the same key with another content is refused.
    package let content: [UInt8]
    package let name: String
    /// The service as it was asked for: an id, a prefix of one, or a tag.
    package let reference: String
    package let acceptedAt: UInt64
    package let readyDeadline: UInt32
    /// The instance that started it; nil where somebody outside did.
    package let parent: InstanceID?
    /// What the request asked of the instance. Dropped once it is ready: values of environment
    /// variables may be secrets, and nothing needs them any more.
    package var wishes: LaunchWishes?
    /// The service id; empty until the box was opened.
    package var serviceID: [UInt8] = []
    package var stage = Stage.accepted
    /// Set when somebody asked to stop it: the grace time in milliseconds.
    package var stopGrace: UInt32?
    package var slots: [RelayedSlot] = []
    /// The supervisor's last word.
    package var state = InstanceState()
    /// Why the start failed; only in an instance that ended before it was ready.
    package var fault: Fault?
    /// When the gateway heard of the end, in milliseconds since 1970; 0 before.
    package var endedAt: UInt64 = 0
    /// Which child of its parent it is: a part of its addresses inside. 0 without a parent.
    package var number: UInt16 = 0
    /// The siblings that may reach it.
    package var introducedTo: [InstanceID] = []
    /// Those inside which it is reached at other ports than the declared ones.
    package var shiftedInside: [InstanceID] = []
    /// The bounds it may have, written down before anybody makes them; nil until its box was opened.
    package var granted: Limits?
    /// What passed through its slots, as of the last time it was looked at: exact once it ended.
    package var counts: [SlotCount] = []

    package init(order: StartOrder, name: String, acceptedAt: UInt64) {
        id = order.id
        owner = order.owner
        key = order.key
        content = order.content
        self.name = name
        reference = order.reference
        self.acceptedAt = acceptedAt
        readyDeadline = order.readyDeadline
        parent = order.parent
        wishes = order.wishes
        state.instanceIDBytes = order.id.bytes
        state.phase = .accepted
        state.acceptedAtMs = acceptedAt
    }

    /// For a storage that reads a record back.
    package init(
        id: InstanceID, owner: UInt32, key: [UInt8], content: [UInt8], name: String,
        reference: String, acceptedAt: UInt64, readyDeadline: UInt32, parent: InstanceID? = nil
    ) {
        self.id = id
        self.owner = owner
        self.key = key
        self.content = content
        self.name = name
        self.reference = reference
        self.acceptedAt = acceptedAt
        self.readyDeadline = readyDeadline
        self.parent = parent
    }

    /// The durable stages. What happens between two of them is found again by asking the peers.
    package enum Stage: Int, Sendable {
        /// It will be started; the supervisor may know it already.
        case accepted = 1
        /// It was ready and its ports were announced.
        case ready = 2
        case ended = 3
    }

    /// What outsiders are told.
    package var view: ServiceInstance {
        var view = ServiceInstance()
        view.instanceIDBytes = id.bytes
        view.name = name
        view.serviceIDBytes = serviceID
        view.state = state
        view.state.instanceIDBytes = id.bytes
        view.state.serviceIDBytes = serviceID
        view.state.acceptedAtMs = acceptedAt
        view.ownerUid = owner
        view.parentIDBytes = parent?.bytes ?? []
        switch stage {
        case .accepted where state.phase == .ready:
            // The supervisor says ready, and nobody can reach it yet.
            view.state.phase = .starting
        case .accepted:
            break
        case .ready:
            view.state.phase = .ready
            view.addresses = entrances.flatMap { entrance in
                slots.map { $0.address(at: entrance) }
            }
            view.addresses += slots.filter { $0.hostPort != 0 }.map(\.address)
        case .ended:
            view.state.phase = .ended
            if view.state.endedAtMs == 0 { view.state.endedAtMs = endedAt }
        }
        if stage != .ended, stopGrace != nil { view.state.phase = .stopping }
        return view
    }
}

extension InstanceRecord {
    /// Where its family reaches it: its parent first.
    package var entrances: [FamilyEntrance] {
        guard let parent else { return [] }
        return [entrance(inside: parent, FamilyAddress.inParent(number))]
            + introducedTo.map { entrance(inside: $0, FamilyAddress.inSibling(number)) }
    }

    func entrance(inside holder: InstanceID, _ address: UInt32) -> FamilyEntrance {
        FamilyEntrance(
            inside: holder, address: address, isShifted: shiftedInside.contains(holder))
    }
}

/// What a request asks of an instance beside which service it is.
package struct LaunchWishes: Sendable, Equatable {
    package var environment: [EnvironmentVariable]
    /// 0 for what the specification says, as in all that follows.
    package var memoryBytes: UInt64
    package var diskBytes: UInt64 = 0
    package var cpuQuotaUs: UInt64 = 0
    package var cpuPeriodUs: UInt64 = 0
    package var processes: UInt32 = 0
    package var lifetimeMs: UInt64 = 0

    package init(environment: [EnvironmentVariable] = [], memoryBytes: UInt64 = 0) {
        self.environment = environment
        self.memoryBytes = memoryBytes
    }

    package init(_ request: StartServiceRequest) {
        environment = request.environment
        memoryBytes = request.memoryBytes
        diskBytes = request.diskBytes
        cpuQuotaUs = request.cpuQuotaUs
        cpuPeriodUs = request.cpuPeriodUs
        processes = request.processes
        lifetimeMs = request.lifetimeMs
    }
}

/// A declared slot and where it can be reached.
package struct RelayedSlot: Sendable, Equatable {
    package let port: UInt16
    package let transport: Transport
    /// The port on this host; 0 while there is none. Durable, so that the address stays the same when
    /// the gateway is restarted.
    package var hostPort: UInt16
    /// Where on this host.
    package var hostAddress: UInt32

    package init(
        port: UInt16, transport: Transport, hostPort: UInt16 = 0,
        hostAddress: UInt32 = IPv4Endpoint.loopback(port: 0).address
    ) {
        self.port = port
        self.transport = transport
        self.hostPort = hostPort
        self.hostAddress = hostAddress
    }

    package var key: SlotKey { SlotKey(port: port, transport: transport) }

    func address(at entrance: FamilyEntrance) -> Address {
        var address = Address()
        address.slot = UInt32(port)
        address.transport = transport
        let endpoint = entrance.endpoint(of: self)
        address.host = endpoint.host
        address.port = UInt32(endpoint.port)
        address.insideBytes = entrance.inside.bytes
        return address
    }

    var address: Address {
        var address = Address()
        address.slot = UInt32(port)
        address.transport = transport
        address.host = IPv4Endpoint(address: hostAddress, port: hostPort).host
        address.port = UInt32(hostPort)
        return address
    }
}

/// A start that passed its checks, with what had to come from outside: the id (random) and the
/// digest of its content.
package struct StartOrder: Sendable, Equatable {
    package let id: InstanceID
    package let owner: UInt32
    package let key: [UInt8]
    package let content: [UInt8]
    package let reference: String
    /// Empty: one is made.
    package let name: String
    package let wishes: LaunchWishes
    /// Milliseconds.
    package let readyDeadline: UInt32
    /// The instance that asks; nil where somebody outside does.
    package let parent: InstanceID?

    package init(
        id: InstanceID, owner: UInt32, key: [UInt8], content: [UInt8], reference: String,
        name: String = "", wishes: LaunchWishes = LaunchWishes(), readyDeadline: UInt32 = 30_000,
        parent: InstanceID? = nil
    ) {
        self.parent = parent
        self.id = id
        self.owner = owner
        self.key = key
        self.content = content
        self.reference = reference
        self.name = name
        self.wishes = wishes
        self.readyDeadline = readyDeadline
    }
}
