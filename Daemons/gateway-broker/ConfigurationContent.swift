package import Interfaces
package import ServiceModel

/// How the file inside is written.
package enum ConfigurationFormat: Sendable, Equatable {
    case proto3
    /// Protobuf's JSON mapping, in the form of RFC 8785.
    case json

    /// The names a specification may use, ours first.
    package static let names = [
        "proto3", "protobuf", "application/protobuf", "application/x-protobuf", "json",
        "application/json",
    ]

    /// What a declared format means; one that says nothing is proto3, as it is on existing nodes.
    ///
    /// - Throws: `.unsupported` where none of its names is known, with those that are.
    package init(_ names: [String]) throws(Fault) {
        guard let first = names.first else {
            self = .proto3
            return
        }
        guard let known = names.lazy.map({ $0.lowercased() }).first(where: Self.names.contains)
        else {
            throw GatewayFault.unsupported(
                "configuration format \(first)", offered: ["proto3", "json"])
        }
        self = known.hasSuffix("json") ? .json : .proto3
    }
}

/// The file an instance finds at its declared path: its gateway, what it was started with, the peers
/// of its networks and its bounds.
package enum ConfigurationContent {
    package static func bytes(
        _ plan: InstancePlan, resolutions: [NetworkResolution] = []
    ) throws(Fault) -> [UInt8] {
        var variables: TextMap<[UInt8]> = [:]
        for variable in plan.environment { variables[variable.name] = variable.valueBytes }
        let limits = plan.request.limits
        let file = ConfigurationFile(
            gateway: gateway(besides: plan.slots),
            config: Configuration(environmentVariables: variables),
            networkResolution: resolutions,
            initialSysresources: Sysresources(
                blkioWeight: UInt64(limits.blockIoWeight), cpuPeriod: limits.cpuPeriodUs,
                cpuQuota: limits.cpuQuotaUs, memLimit: limits.memoryBytes,
                diskSpace: limits.diskBytes))
        let bytes = file.encoded()
        guard plan.configurationFormat == .json else { return bytes }
        do throws(ProtoError) {
            return JSONWriter.bytes(try ProtoSchema.configurationFile.json(bytes[...]))
        } catch {
            throw GatewayFault.internalError("configuration: \(error)")
        }
    }

    /// The door inside, as one more instance with one slot.
    private static func gateway(besides slots: [RelayedSlot]) -> ServiceModel.Instance {
        let port = UInt32(GatewayAddress.port(besides: slots))
        let slot = ServiceModel.Slot(
            port: port, transport: ProtocolDefinition(tags: ["tcp"]),
            protocolStack: GatewayAddress.stack.dropFirst().map { ProtocolDefinition(tags: $0) })
        return ServiceModel.Instance(
            api: Api(slots: [slot]),
            uriSlots: [
                UriSlot(internalPort: port, uris: [Uri(ip: GatewayAddress.host, port: port)])
            ])
    }
}
