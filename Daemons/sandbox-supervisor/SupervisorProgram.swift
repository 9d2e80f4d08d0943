import Channel
package import Chassis
import Interfaces
import LaunchPlan
import Logging
import Syscalls

/// What this daemon is to the chassis: its name, what it may do, what it keeps, how it is made.
package enum SupervisorProgram: DaemonProgram {
    package typealias Configuration = SupervisorConfiguration

    package static let name = "sandbox-supervisor"
    package static let keepsDescriptors = true
    package static let store: StorePlan? = StorePlan(
        name: "instances", migrations: SQLiteRecords.migrate)

    /// Each with what needs it, here or in the launcher; the README says the same.
    package static let capabilities: Set<Capability> = [
        .systemAdmin,  // namespaces, mounts, loop devices
        .networkAdmin,  // the loopback of a new network namespace
        .setUID, .setGID,  // map an instance's ids, become the witness's
        .setPrivileges,  // empty the bounding set of an instance
        .kill,  // signals to witnesses, which have other ids
        .changeOwner,  // give an instance its directory and its root's owner
        .actAsOwner,  // and its root's mode
        .overrideAccess,  // read what a witness wrote
        .trace,  // find the namespaces and the root of a witness
        .makeDevice,  // the five devices of /dev
    ]

    package static func start(
        _ context: DaemonContext<SupervisorConfiguration>
    ) async throws -> RunningDaemon {
        let configuration = context.configuration
        let workplace: Workplace
        do {
            let cgroups = try Cgroups(base: configuration.cgroup)
            workplace = try Workplace(
                state: context.state.path, cgroups: cgroups, maker: configuration.diskMaker)
        } catch let failure as CgroupFailure {
            throw DaemonFailure(
                .system, "the cgroup \(failure.subject) cannot be used: \(failure.errno)")
        } catch let failure as Errno {
            throw DaemonFailure(.state, "\(context.state.path) cannot be used: \(failure)")
        }
        let time = context.time
        let service = try makeService(context, workplace) { time.realtimeNanoseconds() / 1_000_000 }
        try await service.restore()
        return RunningDaemon(
            dispatchers: [SandboxSupervisorDispatcher(service)], facts: { await service.facts },
            stop: { await service.stop() })
    }

    private static func makeService(
        _ context: DaemonContext<SupervisorConfiguration>, _ workplace: Workplace,
        _ nowMs: @escaping @Sendable () -> UInt64
    ) throws -> SandboxService {
        let path = context.configuration.launcher ?? besideThis("sandbox-launcher")
        do {
            return try SandboxService(
                loop: context.loop, configuration: context.configuration, workplace: workplace,
                launcher: try LauncherLink(loop: context.loop, path: path),
                gate: try NetworkGate(), storage: SQLiteRecords(context.database),
                manager: context.manager, stored: context.stored, logger: context.logger,
                nowMs: nowMs)
        } catch let failure as LaunchFailure {
            throw DaemonFailure(.system, "\(failure.step): \(ErrorName.of(failure.code))")
        }
    }

    /// A program in the directory of this one.
    private static func besideThis(_ name: String) -> String {
        guard let link = try? File.readLink("/proc/self/exe"),
            let end = link.lastIndex(of: UInt8(ascii: "/"))
        else { return name }
        return String(decoding: link[...end], as: UTF8.self) + name
    }
}

/// The daemon's own keys.
package struct SupervisorConfiguration: DaemonConfiguration {
    /// The program that launches; nil for the one beside this.
    package var launcher: String?
    /// Our part of each cgroup hierarchy: one name, or the path of a place that is left to us.
    package var cgroup: String
    /// The program that makes file systems.
    package var diskMaker: String
    /// The first host uid and gid of all instances; 65,536 of them for each.
    package var uidBase: UInt32
    package var instancesMax: Int
    /// Bytes of output that are kept of each instance.
    package var outputBytesMax: UInt64

    package init(_ reader: ConfigurationReader) throws(ConfigurationError) {
        launcher = try reader.string("launcher")
        cgroup = try reader.string("cgroup", default: "celaut")
        let names = cgroup.split(separator: "/", omittingEmptySubsequences: false)
        guard names.allSatisfy({ !$0.isEmpty && !$0.hasPrefix(".") }) else {
            throw reader.invalid("cgroup", "must be a name or a path: \"a\", \"a/b\"")
        }
        diskMaker = try reader.string("mke2fs", default: "/usr/sbin/mke2fs")
        uidBase = UInt32(
            try reader.integer("uid_base", default: 268_435_456, in: 65_536...3_000_000_000))
        let limits = try reader.table("limits")
        // LIMIT: instances known at once, the ended ones included: each living one has 65,536 uids.
        instancesMax = try limits.integer("instances", default: 4_096, in: 1...16_384)
        outputBytesMax = UInt64(
            try limits.integer(
                "output_bytes", default: 1 << 20, in: 131_072...(64 << 20)))
    }

    package var limitsInForce: [String: UInt64] {
        ["instances": UInt64(instancesMax), "output_bytes": outputBytesMax]
    }
}
