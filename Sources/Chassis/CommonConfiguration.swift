// The keys that every daemon's configuration has, beside its own:
//
//   state = "/var/lib/celaut"      where `<daemon>/` with its store is
//   log_level = "info"             trace, debug, info, notice, warning, error, critical
//   [callers]                      role = users, by name or number; see CallerRoles
//   [peers]                        daemon = the path of its socket
//   [limits]                       connections, connections_per_user, requests_per_user

package import Channel
import Interfaces
package import Logging
import Syscalls

package struct CommonConfiguration: Sendable {
    package var state: String
    package var logLevel: Logger.Level
    package var callers: CallerRoles
    /// Socket paths by daemon.
    package var peers: [String: String]
    package var limits: Server.Limits

    /// - Parameter peerNames: whom the daemon calls; each must have a path, others are refused.
    package init(
        _ reader: ConfigurationReader, peerNames: [String],
        userNamed: (String) -> UInt32? = { Users.user(named: $0)?.uid }
    ) throws(ConfigurationError) {
        state = try reader.string("state", default: "/var/lib/celaut")
        guard state.hasPrefix("/") else {
            throw reader.invalid("state", "must be an absolute path")
        }
        logLevel = try Self.logLevel(reader)
        callers = try CallerRoles(try reader.table("callers"), userNamed: userNamed)
        peers = [:]
        let peerTable = try reader.table("peers")
        for name in peerNames { peers[name] = try peerTable.requiredString(name) }
        let limitTable = try reader.table("limits")
        limits = Server.Limits()
        limits.connections = try limitTable.integer(
            "connections", default: limits.connections, in: 1...65_536)
        limits.connectionsPerUser = try limitTable.integer(
            "connections_per_user", default: limits.connectionsPerUser, in: 1...65_536)
        limits.requestsPerUser = try limitTable.integer(
            "requests_per_user", default: limits.requestsPerUser, in: 1...65_536)
    }

    /// The bounds of the chassis, by name.
    package var limitsInForce: [String: UInt64] {
        [
            "connections": UInt64(limits.connections),
            "connections_per_user": UInt64(limits.connectionsPerUser),
            "requests_per_user": UInt64(limits.requestsPerUser),
        ]
    }

    static func logLevel(_ reader: ConfigurationReader) throws(ConfigurationError) -> Logger.Level {
        let name = try reader.string("log_level", default: "info")
        guard let level = Logger.Level(rawValue: name) else {
            let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
            throw reader.invalid("log_level", "must be one of \(levels), and is \"\(name)\"")
        }
        return level
    }
}

/// A daemon's own part of its configuration.
package protocol DaemonConfiguration: Sendable {
    /// Takes its keys; whatever neither it nor the chassis takes is refused.
    init(_ reader: ConfigurationReader) throws(ConfigurationError)

    /// The bounds among its keys, by name, for `celautctl status`.
    var limitsInForce: [String: UInt64] { get }
}

extension DaemonConfiguration {
    package var limitsInForce: [String: UInt64] { [:] }
}

/// For a daemon without keys of its own.
package struct NoConfiguration: DaemonConfiguration {
    package init(_ reader: ConfigurationReader) throws(ConfigurationError) {}
}
