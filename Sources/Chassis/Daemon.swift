// The life of every daemon, always in this order: read the configuration, give up what must not be
// held, take the listening sockets, open the store, make the service, say READY, serve, and on TERM
// say STOPPING, answer what was accepted, end with a documented code.

import Channel
import GRDB
import Interfaces
import Syscalls

package enum Daemon {
    /// Runs a daemon to its end.
    package static func run<Program: DaemonProgram>(_ program: Program.Type) -> Never {
        let code = life(program, words: Array(CommandLine.arguments.dropFirst()))
        // Other threads may still be in a library; its exit handlers would pull the floor away.
        Process.exit(code.rawValue, now: true)
    }

    private static func life<Program: DaemonProgram>(
        _ program: Program.Type, words: [String]
    ) -> ExitCode {
        do throws(DaemonFailure) {
            let arguments = try DaemonArguments.read(words)
            switch arguments.action {
            case .help:
                Terminal.write(DaemonArguments.help(Program.name), to: .output)
                return .success
            case .version:
                Terminal.write("\(Program.name) \(Release.version)\n", to: .output)
                return .success
            case .checkConfiguration:
                _ = try configuration(program, arguments.configurationPath)
                Terminal.write("\(arguments.configurationPath) is in order\n", to: .output)
                return .success
            case .run:
                return try serve(program, arguments.configurationPath)
            }
        } catch {
            // The log has its level and form from the configuration, which may be what is wrong.
            Terminal.write("\(Program.name): \(error.description)\n", to: .error)
            return error.exitCode
        }
    }

    /// All of a configuration file, with nothing left over.
    package static func configuration<Program: DaemonProgram>(
        _ program: Program.Type, _ path: String
    ) throws(DaemonFailure) -> (CommonConfiguration, Program.Configuration) {
        do throws(ConfigurationError) {
            let reader = try ConfigurationReader(file: path)
            let common = try CommonConfiguration(reader, peerNames: Program.peers.keys.sorted())
            let own = try Program.Configuration(reader)
            try reader.finish()
            return (common, own)
        } catch {
            throw DaemonFailure(error.exitCode, error.description)
        }
    }

    private static func serve<Program: DaemonProgram>(
        _ program: Program.Type, _ path: String
    ) throws(DaemonFailure) -> ExitCode {
        let (common, own) = try configuration(program, path)
        Process.setUmask(0o077)
        Signal.pipe.ignore()
        try Privileges.forget(keeping: Program.capabilities)
        let given = try InheritedDescriptors.take(
            declared: Program.listeners, keepsDescriptors: Program.keepsDescriptors)
        let state = try StateDirectory(state: common.state, daemon: Program.name)
        var store: DatabaseQueue?
        if let plan = Program.store { store = try Store.open(plan, in: state) }
        let sink = LogSink(program: Program.name, level: common.logLevel)
        let loop: EventLoop
        do throws(Errno) {
            loop = try EventLoop(.process)
        } catch {
            throw DaemonFailure(.system, "no event loop: \(error)")
        }
        let context = DaemonContext(
            loop: loop, configuration: own, common: common, state: state, logger: sink.logger(),
            manager: ServiceManager(), time: .system, random: .system,
            moreListeners: Array(given.listeners.dropFirst()), stored: given.stored,
            store: store, peers: Program.peers, program: Program.name)
        let surroundings = AdminService.Surroundings(
            sink: sink, life: Life(in: state), statePath: state.path,
            limits: common.limitsInForce.merging(own.limitsInForce) { $1 })
        let life = DaemonLife(
            loop: loop, listening: given.listeners[0], name: Program.name, sink: sink,
            common: common, configurationPath: path, manager: context.manager,
            surroundings: surroundings)
        let code = life.run { try await Program.start(context) }
        try? store?.close()
        return code
    }
}
