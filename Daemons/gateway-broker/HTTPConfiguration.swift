import Chassis
import NIOCore
package import Syscalls

/// The HTTP door of this host. In the configuration file:
///
///     [http]
///     port = 2353               # 0, which is also what none means: no such door
///     address = "127.0.0.1"     # an IPv4 address of this host
///     certificate = "/…/cert.pem"   # with `key`: TLS. Where the address is no loopback and there is
///     key = "/…/key.pem"            # none, one is made
///
/// Keeps true: tokens do not cross a network in the clear.
package struct HTTPConfiguration: Sendable, Equatable {
    package var endpoint: IPv4Endpoint?
    package var certificate: String?
    package var key: String?
    package var limits = HTTPLimits()

    package init() {}

    init(
        _ table: ConfigurationReader, limits bounds: ConfigurationReader
    ) throws(ConfigurationError) {
        limits.connections = try bounds.integer(
            "http_connections", default: limits.connections, in: 1...100_000)
        limits.connectionsPerInstance = try bounds.integer(
            "http_connections_per_instance", default: limits.connectionsPerInstance,
            in: 1...100_000)
        if let seconds = try bounds.integer("http_request_seconds", in: 1...3_600) {
            limits.requestPatience = .seconds(Int64(seconds))
        }
        let port = try table.integer("port", default: 0, in: 0...65_535)
        let address = try table.string("address", default: "127.0.0.1")
        certificate = try table.string("certificate")
        key = try table.string("key")
        guard let endpoint = IPv4Endpoint(address, port: UInt16(port)) else {
            throw table.invalid("address", "must be an IPv4 address such as 127.0.0.1")
        }
        guard (certificate == nil) == (key == nil) else {
            throw table.invalid("key", "must be there when certificate is, and only then")
        }
        self.endpoint = port == 0 ? nil : endpoint
    }

    /// Listens, if it says so.
    ///
    /// - Parameters:
    ///   - directory: where a certificate is kept that is made.
    ///   - now: seconds since 1970.
    func open(
        _ door: HTTPDoor, directory: String, now: UInt64
    ) async throws -> HTTPCertificate? {
        guard let endpoint else { return nil }
        let shown = try certificate(for: endpoint, directory, now)
        let socket: Descriptor
        do throws(Errno) {
            socket = try InternetSocket.listen(endpoint)
        } catch {
            throw DaemonFailure(.system, "http: cannot listen on \(endpoint): \(error)")
        }
        try await door.open(.host, socket, tls: shown?.context)
        return shown
    }

    private func certificate(
        for endpoint: IPv4Endpoint, _ directory: String, _ now: UInt64
    ) throws(DaemonFailure) -> HTTPCertificate? {
        if let certificate, let key {
            return try HTTPCertificate.given(certificate: certificate, key: key, now: now)
        }
        guard endpoint.address >> 24 != 127 else { return nil }
        return try HTTPCertificate.own(directory: directory, address: endpoint, now: now)
    }
}
