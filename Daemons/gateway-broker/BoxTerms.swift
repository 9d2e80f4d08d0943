package import Interfaces
package import ServiceModel

/// What a specification says that matters to a start: read from the box's service, which is what its
/// id stands for, and from nothing else.
package struct BoxTerms: Sendable, Equatable {
    /// The machine it runs on, under each of its names: "linux/amd64".
    package var architectures: [String] = []
    package var entrypoint: [String] = []
    /// Declared environment variables, sorted by their bytes, as the canonical form has them.
    package var variables: [String] = []
    package var configurationPath = BoxTerms.configurationPathDefault
    /// The names of the format of the file there.
    package var configurationFormat: [String] = []
    package var atInit = Resources()
    package var atMost = Resources()
    package var slots: [RelayedSlot] = []
    /// The protocols it must find spoken by its gateway, each by its tags.
    package var gatewayProtocols: [[String]] = []
    package var networks: [DeclaredNetwork] = []
    /// The slots again, with what is spoken on each.
    package var exposed: [ExposedSlot] = []
    /// Directories offered to children, or inherited from the parent.
    package var shares: [SharedDirectory] = []
    /// Nothing can be written to its root.
    package var isReadOnly = false
    /// It has terminals of its own.
    package var hasTerminals = false

    /// What asks for terminals among what a node should know to start a service (`init.xattrs`).
    private static let terminalsKey = "terminals"

    /// What a specification that names no file gets.
    package static let configurationPathDefault = ["__config__"]

    /// Zero means no limit, or none said.
    package struct Resources: Sendable, Equatable {
        package var memoryBytes: UInt64 = 0
        package var diskBytes: UInt64 = 0
        package var cpuQuota: UInt64 = 0
        package var cpuPeriod: UInt64 = 0
        package var blockWeight: UInt64 = 0

        package init() {}

        init(_ said: Sysresources, or standard: Sysresources) {
            memoryBytes = said.memLimit ?? standard.memLimit ?? 0
            diskBytes = said.diskSpace ?? standard.diskSpace ?? 0
            cpuQuota = said.cpuQuota ?? standard.cpuQuota ?? 0
            cpuPeriod = said.cpuPeriod ?? standard.cpuPeriod ?? 0
            blockWeight = said.blkioWeight ?? standard.blkioWeight ?? 0
        }
    }

    package init() {}

    /// - Throws: for a slot no instance can have.
    package init(_ service: Service) throws(Fault) {
        architectures = service.container.architecture.tags
        entrypoint = service.container.initial.entryPath
        let named = service.networks.map(\.environmentVariable).filter { !$0.isEmpty }
        variables = Set(Array(service.container.environmentVariables.keys) + named)
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        if let path = service.container.configDeclaration?.path, !path.isEmpty {
            configurationPath = path
        }
        configurationFormat = service.container.configDeclaration?.format?.tags ?? []
        let said = service.container.resources
        atInit = Resources(said?.atInit ?? Sysresources(), or: .standard)
        // A service that says nothing of its most has what it starts with.
        atMost = Resources(said?.atMost ?? Sysresources(), or: said?.atInit ?? .standard)
        gatewayProtocols = service.container.nodeProtocolStack.map(\.tags)
        networks = service.networks.map { DeclaredNetwork($0) }
        hasTerminals = try Self.terminals(service.container.initial)
        for slot in service.api.slots {
            let relayed = try Self.slot(slot)
            slots.append(relayed)
            exposed.append(
                ExposedSlot(
                    slot: relayed,
                    protocols: slot.transport.tags + slot.protocolStack.flatMap(\.tags)))
        }
    }

    private static func terminals(_ initial: EntryPoint) throws(Fault) -> Bool {
        switch initial.xattrs[terminalsKey].map({ String(decoding: $0, as: UTF8.self) }) {
        case nil, "false": return false
        case "true": return true
        case let value?:
            throw GatewayFault.unsupported(
                "init.xattrs.\(terminalsKey) \(value)", offered: ["true", "false"])
        }
    }

    private static func slot(_ slot: ServiceModel.Slot) throws(Fault) -> RelayedSlot {
        guard let port = UInt16(exactly: slot.port), port != 0 else {
            throw GatewayFault.outOfRange("api.slot.port", limit: 65_535, actual: UInt64(slot.port))
        }
        switch slot.transportName {
        case "tcp": return RelayedSlot(port: port, transport: .tcp)
        case "udp": return RelayedSlot(port: port, transport: .udp)
        default:
            throw GatewayFault.unsupported(
                "transport \(slot.transport.tags.joined(separator: " "))", offered: ["tcp", "udp"])
        }
    }
}
