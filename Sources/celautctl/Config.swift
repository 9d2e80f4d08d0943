import ArgumentParser
import Syscalls

/// `celautctl config`: the daemons' configuration files.
struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks and shows the daemons' configuration.",
        subcommands: [ConfigCheck.self, ConfigShow.self])
}

/// What both take.
struct ConfigOptions: ParsableArguments {
    @Argument(help: "The daemon (default: all).")
    var daemon: DaemonName?
    @Option(help: ArgumentHelp("Where the daemons' programs are.", valueName: "dir"))
    var programs: String?
    @OptionGroup var node: NodeOptions

    var daemons: [String] { daemon.map { [$0.name] } ?? DaemonReport.daemons }

    func path(_ daemon: String) -> String {
        let runtime = node.directory
        return Keeping.of(runtime).configurationPath(daemon, runtime: runtime)
    }

    func program(_ daemon: String) -> String {
        let own = programs ?? (try? Process.executableDirectory()) ?? "/usr/lib/celaut"
        return "\(own)/\(daemon)"
    }
}

struct ConfigCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Reads the configuration as the daemons will, and says what is wrong with it.",
        discussion: """
            Examples:
              celautctl config check
              celautctl config check gateway-broker
            """)

    @OptionGroup var options: ConfigOptions

    struct Report: Encodable {
        let daemon: String
        let path: String
        let isInOrder: Bool
        let words: String
    }

    func run() {
        let reports = options.daemons.map { daemon in
            let path = options.path(daemon)
            let words = [options.program(daemon), "--config", path, "--check-config"]
            guard let said = Command.output(words) else {
                return Report(
                    daemon: daemon, path: path, isInOrder: false,
                    words: "\(words[0]) cannot be run; name its directory with --programs")
            }
            // "<daemon>: <what is wrong>", or "<path> is in order".
            let text = said.text.trimmed
            return Report(
                daemon: daemon, path: path, isInOrder: said.code == 0,
                words: text.hasPrefix("\(daemon): ")
                    ? String(text.dropFirst(daemon.count + 2)) : text)
        }
        switch options.node.format {
        case .json: Printer.json(reports)
        case .table:
            Printer.table(
                ["DAEMON", "CONFIGURATION"], reports.map { [$0.daemon, $0.words] })
        }
        Process.exit(reports.allSatisfy(\.isInOrder) ? 0 : ExitCode.invalidInput.rawValue)
    }
}

struct ConfigShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Shows the configuration files, and where they are.",
        discussion: """
            The limits in force are in `celautctl status`.

            Example:
              celautctl config show sandbox-supervisor
            """)

    @OptionGroup var options: ConfigOptions

    private struct Report: Encodable {
        let daemon: String
        let path: String
        let text: String
    }

    // LIMIT: 1 MiB of a configuration file.
    private static let bytesMax = 1 << 20

    func run() {
        var reports: [Report] = []
        for daemon in options.daemons {
            let path = options.path(daemon)
            do throws(Errno) {
                let bytes = try File.readAll(path, limit: Self.bytesMax)
                reports.append(
                    Report(daemon: daemon, path: path, text: String(decoding: bytes, as: UTF8.self))
                )
            } catch {
                Printer.complain(
                    Complaint(
                        "\(path) cannot be read: \(error).",
                        hint: "Is the node started, and its directory named with --runtime?",
                        code: .notFound),
                    as: options.node.format)
                Process.exit(ExitCode.notFound.rawValue)
            }
        }
        switch options.node.format {
        case .json: Printer.json(reports)
        case .table:
            for (index, report) in reports.enumerated() {
                if index > 0 { Printer.line("") }
                Printer.line("### \(report.path)")
                Printer.line(report.text.trimmed)
            }
        }
    }
}

extension String {
    /// Without white space at both ends.
    var trimmed: String {
        var text = self[...]
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text.drop(while: \.isWhitespace))
    }
}
