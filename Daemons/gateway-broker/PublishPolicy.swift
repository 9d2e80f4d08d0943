import Chassis
import Syscalls

/// Which slots get a port of this host, and at which address. In the configuration file:
///
///     [publish]
///     address = "127.0.0.1"   # an IPv4 address of this host, or "none"
///     children = false        # those of instances with a parent too
package struct PublishPolicy: Sendable, Equatable {
    /// Nil: none does, and whoever wants to reach one asks for a tunnel.
    package var address: UInt32? = IPv4Endpoint.loopback(port: 0).address
    package var children = false

    package init() {}

    init(_ table: ConfigurationReader) throws(ConfigurationError) {
        let text = try table.string("address", default: "127.0.0.1")
        if text == "none" {
            address = nil
        } else if let endpoint = IPv4Endpoint(text, port: 0) {
            address = endpoint.address
        } else {
            throw table.invalid("address", "must be \"none\" or an IPv4 address such as 127.0.0.1")
        }
        children = try table.boolean("children", default: children)
    }

    package func address(isChild: Bool) -> UInt32? {
        isChild && !children ? nil : address
    }
}
