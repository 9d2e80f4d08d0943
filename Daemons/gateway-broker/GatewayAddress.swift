package import Interfaces

/// Where an instance finds its node, and what is spoken there.
package enum GatewayAddress {
    /// The node's own address in every instance's network; 10.64.0.0/24 has nothing else.
    package static let address: UInt32 = 0x0A40_0001
    package static let host = "10.64.0.1"
    /// No port that services use.
    private static let port: UInt16 = 2_352

    /// Where the node listens for a service: at 2352, or above where that is a slot of its own.
    package static func port(besides slots: [RelayedSlot]) -> UInt16 {
        freePort(from: port, .tcp, besides: slots)
    }

    /// A port that is left to the node: a listener of the node and one of a service on all addresses
    /// cannot both have one.
    package static func freePort(
        from first: UInt16, _ transport: Transport, besides slots: [RelayedSlot]
    ) -> UInt16 {
        let taken = Set(slots.filter { $0.transport == transport }.map(\.port))
        return (first...UInt16.max).first { !taken.contains($0) } ?? first
    }

    /// What the gateway speaks inside, lowest first: what the configuration file says of it.
    package static let stack = [["tcp"], ["http", "http/1.1", "http/2", "h2c"], [protocolTag]]
    package static let protocolTag = "celaut-gateway-http/1"

    /// Every name of what it speaks: the only ones a service may insist on.
    package static var protocols: [String] { stack.flatMap { $0 } }

    /// The first protocol of a service's stack that is not spoken here, by its names; nil where all
    /// are. A protocol is known by any of its names; one without a name is not.
    package static func unspoken(_ wanted: [[String]]) -> [String]? {
        wanted.first { names in
            !names.contains { name in protocols.contains { $0 == name.lowercased() } }
        }
    }
}
