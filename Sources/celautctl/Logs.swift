import ArgumentParser
import Channel
import Interfaces
import SwiftProtobuf
import Syscalls

/// `celautctl logs`: what an instance wrote, or what a daemon logged.
struct Logs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what an instance wrote to its output, or what a daemon logged.",
        discussion: """
            A daemon's log is in the journal where systemd keeps the node, and in \
            <state>/log/<daemon>.log where `celautctl up` does.

            Examples:
              celautctl logs redis-1
              celautctl logs --follow --tail 20 redis-1
              celautctl logs --daemon gateway-broker --follow
            """)

    @Argument(help: "The instance: its name, its id, or its token.")
    var instance: String?
    @Option(help: "A daemon instead of an instance.")
    var daemon: DaemonName?
    @Flag(name: .shortAndLong, help: "Goes on with what is written later, until it ends.")
    var follow = false
    @Option(name: .shortAndLong, help: "Only the last so many lines (0: all that is kept).")
    var tail: UInt32 = 0
    @OptionGroup var options: NodeOptions

    func validate() throws {
        guard (instance == nil) != (daemon == nil) else {
            throw ValidationError("Name an instance, or a daemon with --daemon.")
        }
    }

    func run() {
        if let daemon { showDaemon(daemon.name) }
        let format = options.format
        let request = ReadServiceOutputRequest.with {
            $0.instance = .init(instance ?? "")
            $0.tailLines = tail
            $0.follow = follow
        }
        Session.run(options) { session, _ async throws(Complaint) in
            try await session.asked { () async throws(Fault) in
                let stream = try await session.gateway.readServiceOutput(request)
                while let item = try await stream.next() { OutputReport.show(item, as: format) }
            }
            return .success
        }
    }

    /// Ends the process as the program that shows it does.
    private func showDaemon(_ name: String) -> Never {
        let runtime = options.directory
        let words: [String]
        switch Keeping.of(runtime) {
        case .systemd:
            words =
                ["/usr/bin/journalctl", "--no-pager", "--unit", Keeping.unit(name)]
                + (follow ? ["--follow"] : [])
                + ["--lines", tail == 0 ? "all" : "\(tail)"]
                + ["--output", options.format == .json ? "json" : "short-iso"]
        case .foreground:
            let path = Keeping.logPath(name, runtime: runtime)
            guard File.exists(path) else {
                let complaint = Complaint(
                    "There is no log of \(name) at \(path).",
                    hint: "Is the node started, and its directory named with --runtime?",
                    code: .notFound)
                Printer.complain(complaint, as: options.format)
                Process.exit(complaint.code.rawValue)
            }
            words =
                ["/usr/bin/tail", "--lines", tail == 0 ? "+1" : "\(tail)"]
                + (follow ? ["--follow=name", "--retry"] : []) + [path]
        }
        guard let code = Command.run(words) else {
            Printer.complain(
                Complaint("\(words[0]) cannot be run.", code: .software), as: options.format)
            Process.exit(ExitCode.software.rawValue)
        }
        Process.exit(code)
    }
}
