import Syscalls

/// Who keeps a node's daemons running, and where their files are.
enum Keeping: Equatable {
    /// systemd, with the units of the package.
    case systemd
    /// `celautctl up`.
    case foreground

    static let configurationDirectory = "/etc/celaut"

    /// - Parameter runtime: the directory of the node's sockets.
    static func of(_ runtime: String) -> Keeping {
        guard runtime == Session.runtimeDefault, File.exists("/run/systemd/system") else {
            return .foreground
        }
        let units = ["/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"]
        return units.contains { File.exists("\($0)/celaut.target") } ? .systemd : .foreground
    }

    /// The state of a foreground node, by its sockets' directory: the reverse of `NodeLayout`.
    static func state(_ runtime: String) -> String {
        runtime.hasSuffix("/run") && runtime != Session.runtimeDefault
            ? String(runtime.dropLast("/run".count)) : NodeLayout.stateDefault
    }

    /// The configuration file of a daemon.
    func configurationPath(_ daemon: String, runtime: String) -> String {
        switch self {
        case .systemd: "\(Self.configurationDirectory)/\(daemon).toml"
        case .foreground: "\(Self.state(runtime))/config/\(daemon).toml"
        }
    }

    /// The log of a daemon that is not in the journal.
    static func logPath(_ daemon: String, runtime: String) -> String {
        "\(state(runtime))/log/\(daemon).log"
    }

    static func unit(_ daemon: String) -> String { "celaut-\(daemon).service" }
}

/// "box-builder" and so on, on the command line; with "celaut-" before it, too.
struct DaemonName: Equatable {
    let name: String

    init?(argument: String) {
        let name = argument.hasPrefix("celaut-") ? String(argument.dropFirst(7)) : argument
        guard DaemonReport.daemons.contains(name) else { return nil }
        self.name = name
    }
}
