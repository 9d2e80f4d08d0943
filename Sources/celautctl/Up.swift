import ArgumentParser
import Channel
import Interfaces
import SwiftProtobuf
import Syscalls

/// `celautctl up`: the node in the foreground, in place of a service manager.
struct Up: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a node in the foreground.",
        discussion: """
            For trying and developing, and where systemd is not in charge. It makes the daemons' \
            sockets, starts the daemons, starts again what dies, and ends them all on Ctrl-C. \
            Instances that run then are stopped first, unless --keep-instances is given. \
            What ended by itself is started again by the next request to its socket.

            It must be run as root: isolating an instance needs it. Only sandbox-supervisor keeps \
            privileges; the other daemons get users of their own.

            Examples:
              celautctl up
              celautctl up --state /var/tmp/node
              celautctl up --config ./policy      (with ./policy/gateway-broker.toml)
              (other commands then need: export CELAUT_RUNTIME=/var/tmp/node/run)
            """)

    @Option(
        help: ArgumentHelp(
            "Where the node keeps its boxes and instances.",
            valueName: "dir"))
    var state = NodeLayout.stateDefault
    @Option(
        help: ArgumentHelp(
            "Where the daemons' programs are (default: beside celautctl).", valueName: "dir"))
    var daemons: String?
    @Option(
        help: ArgumentHelp(
            "Whether boxes are mounted from layers or checked out, or what the kernel can do.",
            valueName: "auto|layers|checkout"))
    var roots = NodeLayout.Roots.auto
    @Option(
        help: ArgumentHelp(
            "A folder with a <daemon>.toml for each daemon that is to be told more than up writes.",
            valueName: "dir"))
    var config: String?
    @Flag(help: "Leave instances running when the node ends; its next start finds them.")
    var keepInstances = false

    func run() throws {
        let layout: NodeLayout
        let keeper: Keeper
        let lock: Descriptor
        let loop: EventLoop
        do throws(Complaint) {
            let wanted = try makeLayout()
            lock = try wanted.prepare()
            layout = try wanted.withReachablePrograms()
            loop = try Self.makeLoop()
            keeper = try Keeper(loop: loop, layout: layout) {
                layout.removeRuntime()
                Keeper.say("ended")
                Process.exit(0)
            }
        } catch {
            Printer.complain(error)
            Process.exit(error.code.rawValue)
        }
        Signal.pipe.ignore()
        let ender = NodeEnder(loop: loop, layout: layout, keepInstances: keepInstances)
        try loop.onSignals([.interrupt, .terminate, .hangUp]) { _ in
            ender.end { keeper.stop() }
        }
        Keeper.say("the node's state is in \(layout.state), its sockets in \(layout.runtime)")
        try keeper.begin()
        if layout.runtime != Session.runtimeDefault {
            Keeper.say("in another terminal: export CELAUT_RUNTIME=\(layout.runtime)")
        }
        loop.run()
        withExtendedLifetime(lock.raw) {}
    }

    private static func makeLoop() throws(Complaint) -> EventLoop {
        do throws(Errno) {
            return try EventLoop(.process)
        } catch {
            throw Complaint("The event loop cannot be made: \(error).", code: .software)
        }
    }

    private func makeLayout() throws(Complaint) -> NodeLayout {
        guard Process.effectiveUID == 0 else {
            throw Complaint(
                "A node must be started as root: isolating instances needs it.",
                hint: "Try: sudo celautctl up", code: .notPermitted)
        }
        let path: String
        let programs: String
        do throws(Errno) {
            path = state.hasPrefix("/") ? state : "\(try Process.currentDirectory())/\(state)"
            programs = if let daemons { daemons } else { try Process.executableDirectory() }
        } catch {
            throw Complaint("/proc cannot be read: \(error).", code: .software)
        }
        var added = OwnConfiguration()
        if let config { added = try OwnConfiguration(folder: config) }
        return NodeLayout(state: path, programs: programs, roots: roots, added: added)
    }
}

extension NodeLayout.Roots: ExpressibleByArgument {}

/// Ends the instances before the node; a second request does not wait for them.
///
/// SAFETY: `@unchecked Sendable`: everything runs on the loop's thread.
final class NodeEnder: @unchecked Sendable {
    private let loop: EventLoop
    private let layout: NodeLayout
    private let keepInstances: Bool
    private var isEnding = false

    // LIMIT: time between TERM and KILL for instances of a node that ends.
    private static let grace = Duration.seconds(5)

    init(loop: EventLoop, layout: NodeLayout, keepInstances: Bool) {
        self.loop = loop
        self.layout = layout
        self.keepInstances = keepInstances
    }

    func end(_ then: @escaping @Sendable () -> Void) {
        guard !isEnding, !keepInstances else { return then() }
        isEnding = true
        Keeper.say("stopping; once more ends it without waiting for instances")
        let session = Session(loop: loop, runtime: layout.runtime)
        let home = LoopActor(loop)
        Task {
            await home.run { _ in await Self.stopInstances(session) }
            then()
        }
    }

    private static func stopInstances(_ session: Session) async {
        let gateway = session.gateway
        let names: [String]
        do throws(Complaint) {
            names = try await session.collected { () async throws(Fault) in
                try await gateway.listServices(ListServicesRequest(), deadline: .seconds(10))
            }.map { Words.hex($0.instanceIDBytes) }
        } catch {
            Keeper.say("the instances could not be listed: \(error.text)")
            return await stopTheRest(session)
        }
        await withTaskGroup(of: Void.self) { group in
            for name in names {
                group.addTask {
                    let request = StopServiceRequest.with {
                        $0.instance = .with { $0.instance = name }
                        $0.graceMs = UInt32(grace.components.seconds * 1_000)
                    }
                    do throws(Fault) {
                        _ = try await gateway.stopService(request, deadline: .seconds(20))
                    } catch {
                        Keeper.say("\(name.prefix(12)) was not stopped: \(error)")
                    }
                }
            }
        }
        if !names.isEmpty { Keeper.say("stopped \(names.count) instance(s)") }
        await stopTheRest(session)
    }

    /// What runs and the gateway does not know of, or could not be asked about.
    private static func stopTheRest(_ session: Session) async {
        let supervisor = session.supervisor
        do throws(Fault) {
            let states = try await supervisor.listInstances(
                ListInstancesRequest(), deadline: .seconds(10))
            var running: [[UInt8]] = []
            while let state = try await states.next() {
                if state.phase != .ended { running.append(state.instanceIDBytes) }
            }
            for id in running {
                let request = StopInstanceRequest.with { $0.instanceIDBytes = id }
                _ = try await supervisor.stopInstance(request, deadline: .seconds(10))
            }
        } catch {
            Keeper.say("sandbox-supervisor could not be asked what runs: \(error)")
        }
    }
}
