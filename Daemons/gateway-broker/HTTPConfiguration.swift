import Chassis
import NIOCore
import NIOSSL
package import Syscalls

/// The HTTP door of this host. In the configuration file:
///
///     [http]
///     port = 2353               # 0, which is also what none means: no such door
///     address = "127.0.0.1"     # an IPv4 address of this host
///     certificate = "/…/cert.pem"   # with `key`: TLS; must be there where the address is no loopback
///     key = "/…/key.pem"
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
        guard endpoint.address >> 24 == 127 || certificate != nil else {
            throw table.invalid(
                "certificate", "must be there where address is not of the loopback")
        }
        self.endpoint = port == 0 ? nil : endpoint
    }

    /// Listens, if it says so.
    func open(_ door: HTTPDoor) async throws {
        guard let endpoint else { return }
        let tls = try certificate.flatMap { certificate in
            try key.map { key in try Self.context(certificate: certificate, key: key) }
        }
        let socket: Descriptor
        do throws(Errno) {
            socket = try InternetSocket.listen(endpoint)
        } catch {
            throw DaemonFailure(.system, "http: cannot listen on \(endpoint): \(error)")
        }
        try await door.open(.host, socket, tls: tls)
    }

    private static func context(
        certificate: String, key: String
    ) throws(DaemonFailure) -> NIOSSLContext {
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(certificate)
            let own = try NIOSSLPrivateKey(file: key, format: .pem)
            var tls = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(own))
            tls.minimumTLSVersion = .tlsv12
            tls.applicationProtocols = ["h2", "http/1.1"]
            return try NIOSSLContext(configuration: tls)
        } catch {
            throw DaemonFailure(.configuration, "http: certificate or key: \(error)")
        }
    }
}
