// What a daemon says about itself; `Daemon.run` does the rest, in the same order for all.

package import Channel
package import GRDB
package import Interfaces
package import Logging
package import Syscalls

package protocol DaemonProgram: SendableMetatype {
    associatedtype Configuration: DaemonConfiguration

    /// One kebab-case name everywhere: binary, socket, state directory.
    static var name: String { get }
    /// The interfaces it calls, by the daemon that serves them: each needs a path in `[peers]`.
    static var peers: [String: [InterfaceDescriptor]] { get }
    /// What it may do beyond any user. Anything more is given up; anything less is refused. A daemon
    /// that declares none refuses to run as root.
    static var capabilities: Set<Capability> { get }
    /// The names of its listening sockets. The first is served by the chassis.
    static var listeners: [String] { get }
    /// Whether it keeps descriptors with the service manager between its lives.
    static var keepsDescriptors: Bool { get }
    /// Its database, if it has one.
    static var store: StorePlan? { get }

    /// Makes the service: whatever must be true before the first request is true when it returns.
    /// Runs on the loop.
    static func start(
        _ context: DaemonContext<Configuration>
    ) async throws -> RunningDaemon
}

extension DaemonProgram {
    package static var peers: [String: [InterfaceDescriptor]] { [:] }
    package static var capabilities: Set<Capability> { [] }
    package static var listeners: [String] { [name] }
    package static var keepsDescriptors: Bool { false }
    package static var store: StorePlan? { nil }
}

/// What a daemon has when it starts.
package struct DaemonContext<Configuration: Sendable>: Sendable {
    package let loop: EventLoop
    package let configuration: Configuration
    package let common: CommonConfiguration
    package let state: StateDirectory
    package let logger: Logger
    package let manager: ServiceManager
    package let time: TimeSource
    package let random: RandomSource
    /// Listening sockets after the first, in the order of the declaration.
    package let moreListeners: [SharedDescriptor]
    /// What the service manager kept since the last life.
    package let stored: [StoredDescriptor]
    let store: DatabaseQueue?
    let peers: [String: [InterfaceDescriptor]]
    let program: String

    /// The daemon's database. Calls block: make them in `loop.runBlocking`.
    package var database: DatabaseQueue {
        guard let store else { preconditionFailure("\(program) declares no store") }
        return store
    }

    /// A caller of a declared peer. Each call makes one with a connection of its own.
    package func peer(_ name: String) -> ReconnectingCaller {
        guard let interfaces = peers[name], let path = common.peers[name] else {
            preconditionFailure("\(program) does not declare the peer \(name)")
        }
        return ReconnectingCaller(
            path: path, loop: loop, interfaces: interfaces, program: program,
            version: Release.version)
    }
}

/// A daemon that is ready to serve.
package struct RunningDaemon: Sendable {
    /// Its interfaces; Admin is added by the chassis.
    package var dispatchers: [any Dispatcher]
    /// For `celautctl status`: names in kebab-case.
    package var facts: @Sendable () async -> [String: String] = { [:] }
    /// What runs beside the requests until `stop`. Returning before is a failure of the daemon.
    package var serve: (@Sendable () async throws -> Void)?
    /// Ends `serve` and long requests; while it runs, what was accepted is answered.
    package var stop: @Sendable () async -> Void = {}

    package init(
        dispatchers: [any Dispatcher],
        facts: @escaping @Sendable () async -> [String: String] = { [:] },
        serve: (@Sendable () async throws -> Void)? = nil,
        stop: @escaping @Sendable () async -> Void = {}
    ) {
        self.dispatchers = dispatchers
        self.facts = facts
        self.serve = serve
        self.stop = stop
    }
}
