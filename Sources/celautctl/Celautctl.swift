import ArgumentParser
import Syscalls

/// The command line of a node's maintainer and of its users.
@main
struct Celautctl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "celautctl",
        abstract: "Runs and administers a Celaut node.",
        discussion: """
            A box is a whole filesystem with an entrypoint, named by a digest. The node runs boxes as \
            isolated instances and gives their users an address and a token.

            Start a node to try things:    celautctl up
            Make a box from a project:     celautctl pack deploy/examples/redis
            Run it:                        celautctl run redis
            See what runs:                 celautctl ps

            \(ExitCode.table)
            """,
        version: Version.current,
        subcommands: [
            Up.self, Status.self, Pack.self, Boxes.self, Run.self, Ps.self, Inspect.self,
            Observe.self, Logs.self, Tunnel.self, Introduce.self, Stop.self, Clients.self,
            Networks.self,
            Top.self, Stats.self, Update.self, Restart.self, Doctor.self, Config.self,
            VersionCommand.self,
        ])

    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            let isWrong = exitCode(for: error) == .validationFailure
            let words = CommandLine.arguments.dropFirst()
            if isWrong, let unknown = UnknownCommand(in: words, of: self) {
                Printer.complain(unknown.complaint)
                Process.exit(ExitCode.usage.rawValue)
            }
            exit(withError: error)
        }
    }
}

/// What every command of a running node takes.
struct NodeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The directory with the node's sockets (default: $CELAUT_RUNTIME, or /run/celaut).",
            valueName: "dir"))
    var runtime: String?

    @Option(help: "How to print: table for people, json for programs.")
    var format = Format.table

    /// The directory in force.
    var directory: String {
        runtime ?? Process.environment("CELAUT_RUNTIME") ?? Session.runtimeDefault
    }

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, json
    }
}
