// The command line of every daemon: where its configuration is, and nothing that the configuration
// could say.

package struct DaemonArguments: Equatable, Sendable {
    package enum Action: Equatable, Sendable {
        case run, checkConfiguration, help, version
    }

    package var action: Action
    /// The configuration file; empty only for help and version.
    package var configurationPath: String

    package init(action: Action, configurationPath: String) {
        self.action = action
        self.configurationPath = configurationPath
    }

    /// - Parameter words: without the program's own name.
    package static func read(_ words: [String]) throws(DaemonFailure) -> DaemonArguments {
        var action = Action.run
        var path: String?
        var rest = words[...]
        while let word = rest.popFirst() {
            switch word {
            case "--help", "-h": return DaemonArguments(action: .help, configurationPath: "")
            case "--version": return DaemonArguments(action: .version, configurationPath: "")
            case "--check-config": action = .checkConfiguration
            case "--config":
                guard let next = rest.popFirst() else {
                    throw DaemonFailure(.usage, "--config needs a file's name after it")
                }
                path = next
            case _ where word.hasPrefix("--config="):
                path = String(word.dropFirst("--config=".count))
            default:
                throw DaemonFailure(.usage, "unknown argument \"\(word)\"; see --help")
            }
        }
        guard let path, !path.isEmpty else {
            throw DaemonFailure(.usage, "--config FILE is needed; see --help")
        }
        return DaemonArguments(action: action, configurationPath: path)
    }

    static func help(_ name: String) -> String {
        """
        Usage: \(name) --config FILE [--check-config]
               \(name) --version | --help

        A daemon of a Celaut node. It is started by a service manager (systemd, or `celautctl up`),
        which gives it its listening socket (LISTEN_FDS) and hears when it is ready (NOTIFY_SOCKET).

          --config FILE    the configuration, in TOML
          --check-config   read the configuration, say what is wrong with it, and end
          --version        print the version
          --help           print this

        Signals: TERM and INT stop it after what it has accepted is answered; HUP reads `log_level`
        from the configuration again.

        """
    }
}
