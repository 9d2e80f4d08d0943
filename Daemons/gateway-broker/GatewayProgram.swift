package import Chassis
package import Interfaces
import Logging
import Syscalls

/// What this daemon is to the chassis: its name, whom it calls, what it keeps, how it is made.
package enum GatewayProgram: DaemonProgram {
    package typealias Configuration = GatewayConfiguration

    package static let name = "gateway-broker"
    package static let peers = [
        "box-builder": [BoxBuilderInterface.descriptor],
        "sandbox-supervisor": [SandboxSupervisorInterface.descriptor],
    ]
    package static let store: StorePlan? = StorePlan(
        name: "registry", migrations: SQLiteRegistry.migrate)

    package static func start(
        _ context: DaemonContext<GatewayConfiguration>
    ) async throws -> RunningDaemon {
        let secret: [UInt8]
        do throws(NodeSecret.Failure) {
            secret = try NodeSecret.load(
                directory: context.state.path,
                credentials: Process.environment("CREDENTIALS_DIRECTORY")
            ) {
                Random.bytes(NodeSecret.byteCount)
            }
        } catch {
            throw DaemonFailure(error.exitCode, "\(context.state.path)/\(error)")
        }
        let service = GatewayService(
            loop: context.loop, limits: context.configuration.limits,
            relayLimits: try context.configuration.relay.lowered(toOpenFiles: raiseOpenFiles()),
            policy: context.configuration.publish, networks: context.configuration.networks,
            tokens: TokenBook(secret: secret),
            peers: GatewayService.Peers(
                boxes: BoxBuilderClient(context.peer("box-builder")),
                sandbox: SandboxSupervisorClient(context.peer("sandbox-supervisor")),
                moreSandbox: { SandboxSupervisorClient(context.peer("sandbox-supervisor")) }),
            storage: SQLiteRegistry(context.database), logger: context.logger)
        let door = HTTPDoor(
            service, limits: context.configuration.http.limits, logger: context.logger)
        await service.use(door)
        try await service.restore()
        let shown = try await context.configuration.http.open(
            door, directory: context.state.path,
            now: Clock.realtimeNanoseconds() / 1_000_000_000)
        if let shown {
            context.logger.info("http: the certificate's SHA-256 is \(shown.fingerprint)")
        }
        let fingerprint = shown?.fingerprint
        return RunningDaemon(
            dispatchers: [GatewayBrokerDispatcher(NativeDoor(service, loop: context.loop))],
            facts: {
                var facts = await service.facts
                facts["http-certificate-sha256"] = fingerprint
                return facts
            },
            serve: { await service.serve() },
            stop: {
                door.closeAll()
                await service.stop()
            })
    }

    /// Relayed connections are descriptors: as many as the hard limit allows.
    private static func raiseOpenFiles() throws(DaemonFailure) -> Int {
        do throws(Errno) {
            let limit = try Process.limit(.openFiles)
            try Process.limit(
                .openFiles, set: Process.Limit(soft: limit.hard, hard: limit.hard))
            return Int(clamping: limit.hard)
        } catch {
            throw DaemonFailure(.system, "the limit on open files cannot be raised: \(error)")
        }
    }
}

extension NodeSecret.Failure {
    fileprivate var exitCode: ExitCode {
        switch self {
        case .unreadable(let error) where error.isStorageFull: .storeFailing
        case .unreadable: .state
        case .wrongLength, .readableByOthers: .storeCorrupt
        }
    }
}

/// The daemon's own keys, all under `[limits]`.
package struct GatewayConfiguration: DaemonConfiguration {
    package var limits = GatewayLimits()
    package var relay = RelayLimits()
    package var publish = PublishPolicy()
    package var networks = NetworkPolicy()
    package var http = HTTPConfiguration()

    package init(_ reader: ConfigurationReader) throws(ConfigurationError) {
        let table = try reader.table("limits")
        limits.instances = try table.integer(
            "instances", default: limits.instances, in: 1...100_000)
        limits.instancesPerUser = try table.integer(
            "instances_per_user", default: limits.instancesPerUser, in: 1...100_000)
        limits.children = try table.integer("children", default: limits.children, in: 0...10_000)
        limits.familyDepth = try table.integer(
            "family_depth", default: limits.familyDepth, in: 1...64)
        limits.endedInstances = try table.integer(
            "ended_instances", default: limits.endedInstances, in: 0...100_000)
        limits.endedSeconds = UInt64(
            try table.integer(
                "ended_seconds", default: Int(limits.endedSeconds), in: 60...31_536_000))
        relay.connections = try table.integer(
            "relayed_connections", default: relay.connections, in: 1...1_000_000)
        relay.connectionsPerInstance = try table.integer(
            "relayed_connections_per_instance", default: relay.connectionsPerInstance,
            in: 1...1_000_000)
        relay.connectionsPerSlot = try table.integer(
            "relayed_connections_per_slot", default: relay.connectionsPerSlot, in: 1...1_000_000)
        if let seconds = try table.integer("idle_seconds", in: 1...31_536_000) {
            relay.idleTimeout = .seconds(seconds)
        }
        relay.datagramFlows = try table.integer(
            "datagram_senders", default: relay.datagramFlows, in: 1...65_536)
        if let seconds = try table.integer("datagram_idle_seconds", in: 1...86_400) {
            relay.datagramIdleTimeout = .seconds(seconds)
        }
        limits.uploads = try table.integer("uploads", default: limits.uploads, in: 1...16)
        limits.uploadBytes = UInt64(
            try table.integer(
                "upload_bytes", default: Int(limits.uploadBytes), in: 1...(256 << 30)))
        limits.uploadBytesPerUser = UInt64(
            try table.integer(
                "upload_bytes_per_user", default: Int(limits.uploadBytesPerUser), in: 0...(1 << 50))
        )
        limits.uploadSeconds = try table.integer(
            "upload_seconds", default: limits.uploadSeconds, in: 1...86_400)
        publish = try PublishPolicy(reader.table("publish"))
        networks = try NetworkPolicy(reader.table("networks"))
        http = try HTTPConfiguration(reader.table("http"), limits: table)
    }

    package var limitsInForce: [String: UInt64] {
        [
            "ended_instances": UInt64(limits.endedInstances),
            "instances": UInt64(limits.instances),
            "instances_per_user": UInt64(limits.instancesPerUser),
            "relayed_connections": UInt64(relay.connections),
        ]
    }
}
