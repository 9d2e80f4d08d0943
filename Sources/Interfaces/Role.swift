/// Who may call (`Role` of `wire.proto`). A connection has exactly one, from the uid of its peer.
package enum Role: UInt8, Sendable, CaseIterable {
    /// The node's maintainer: root, or who the configuration names.
    case admin = 1
    /// Anybody who may use the gateway.
    case client = 2
    case boxBuilder = 3
    case sandboxSupervisor = 4
    case gatewayBroker = 5
    case peerRouter = 6
    case ledgerBridge = 7
    case reputationKeeper = 8

    /// As it is written in configuration files and logs: "admin", "box-builder".
    package var name: String {
        switch self {
        case .admin: "admin"
        case .client: "client"
        case .boxBuilder: "box-builder"
        case .sandboxSupervisor: "sandbox-supervisor"
        case .gatewayBroker: "gateway-broker"
        case .peerRouter: "peer-router"
        case .ledgerBridge: "ledger-bridge"
        case .reputationKeeper: "reputation-keeper"
        }
    }

    package init?(name: String) {
        guard let role = Role.allCases.first(where: { $0.name == name }) else { return nil }
        self = role
    }
}
