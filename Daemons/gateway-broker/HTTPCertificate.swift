package import Chassis
import NIOCore
package import NIOSSL
import SharedCrypto
package import Syscalls

/// What the door of this host shows when it speaks TLS, and how whoever connects can know it.
package struct HTTPCertificate {
    package let context: NIOSSLContext
    /// SHA-256 of the certificate, in hexadecimal.
    package let fingerprint: String

    /// A certificate and a key in files of their own (PEM; certificates of issuers may follow).
    ///
    /// - Throws: a configuration error where they do not fit each other, or not this day.
    package static func given(
        certificate: String, key: String, now: UInt64
    ) throws(DaemonFailure) -> HTTPCertificate {
        do {
            return try HTTPCertificate(
                chain: NIOSSLCertificate.fromPEMFile(certificate),
                key: NIOSSLPrivateKey(file: key, format: .pem), now: now)
        } catch let failure as DaemonFailure {
            throw failure
        } catch {
            throw DaemonFailure(.configuration, "http: certificate or key: \(error)")
        }
    }

    /// One that this daemon made, kept in its state directory so that it stays the same; one for each
    /// address it was ever for.
    package static func own(
        directory path: String, address: IPv4Endpoint, now: UInt64
    ) throws(DaemonFailure) -> HTTPCertificate {
        let name = "http-\(String(address.address, radix: 16)).pem"
        do {
            let text = try kept(path, name) ?? make(path, name, address)
            let bytes = Array(text)
            return try HTTPCertificate(
                chain: NIOSSLCertificate.fromPEMBytes(bytes),
                key: NIOSSLPrivateKey(bytes: bytes, format: .pem), now: now)
        } catch let failure as DaemonFailure {
            throw failure
        } catch {
            throw DaemonFailure(.state, "\(path)/\(name): \(error)")
        }
    }

    private init(chain: [NIOSSLCertificate], key: NIOSSLPrivateKey, now: UInt64) throws {
        guard let leaf = chain.first else {
            throw DaemonFailure(.configuration, "http: certificate: there is none in it")
        }
        for certificate in chain {
            guard certificate.notValidBefore <= Int(now), Int(now) <= certificate.notValidAfter
            else {
                throw DaemonFailure(.configuration, "http: certificate: it is not valid today")
            }
        }
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        tls.minimumTLSVersion = .tlsv12
        tls.applicationProtocols = ["h2", "http/1.1"]
        do {
            context = try NIOSSLContext(configuration: tls)
        } catch {
            throw DaemonFailure(
                .configuration,
                "http: key: it is not the certificate's, or not one for TLS: \(error)")
        }
        fingerprint = Hexadecimal.text(Array(SHA256.hash(data: try leaf.toDERBytes())))
    }

    // LIMIT: 64 KiB for a file of ours with two small texts.
    private static let bytesMax = 65_536

    private static func kept(_ path: String, _ name: String) throws(Errno) -> [UInt8]? {
        do throws(Errno) {
            let file = try File.open("\(path)/\(name)", .readOnly, [.noFollow])
            return try File.readAll(file, limit: bytesMax)
        } catch {
            guard error == .noEntry else { throw error }
            return nil
        }
    }

    /// It appears under its name complete and durable, or not at all.
    private static func make(
        _ path: String, _ name: String, _ address: IPv4Endpoint
    ) throws -> [UInt8] {
        let made = try SelfMadeCertificate(address: address.address, serial: Random.bytes(16))
        let text = Array(made.pem.utf8)
        let directory = try File.open(path, .readOnly, [.directory])
        let file = try File.open(
            at: directory, ".\(name).new", .writeOnly, [.create, .truncate, .noFollow], mode: 0o600)
        try File.writeAll(file, text)
        try File.sync(file)
        try File.rename(at: directory, ".\(name).new", to: directory, name)
        try File.sync(directory)
        return text
    }
}
