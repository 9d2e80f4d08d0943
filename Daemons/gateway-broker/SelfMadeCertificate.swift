import ServiceModel
package import SharedCrypto

/// A certificate that its own key signs (X.509 version 3, RFC 5280; ECDSA with P-256 and SHA-256, RFC
/// 5758), for a door without a given one. Nobody vouches for it: who connects knows it by its digest,
/// or has it as the one certificate to trust.
///
/// It is good from 2000 to 9999, so that no clock is asked: what voids it is another one.
package struct SelfMadeCertificate {
    /// The certificate and its key, PEM (RFC 7468).
    package let pem: String

    /// - Parameters:
    ///   - address: an IPv4 address that it is for, in host order.
    ///   - serial: 16 random bytes.
    package init(
        address: UInt32, serial: [UInt8], key: P256.Signing.PrivateKey = .init()
    ) throws {
        let algorithm = DER.sequence(DER.identifier([0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2]))
        let name = DER.sequence(
            DER.set(
                DER.sequence(
                    DER.identifier([0x55, 4, 3]), DER.value(0x0C, Array("celaut gateway".utf8)))))
        let content = DER.sequence(
            DER.value(0xA0, DER.value(0x02, [2])),
            // Positive, and as long as it says.
            DER.value(0x02, [0x40 | (serial.first ?? 0) & 0x3F] + serial.dropFirst()),
            algorithm, name,
            DER.sequence(
                DER.value(0x17, Array("000101000000Z".utf8)),
                DER.value(0x18, Array("99991231235959Z".utf8))),
            name, Array(key.publicKey.derRepresentation),
            DER.value(0xA3, DER.sequence(Self.alternatives(address), Self.authority)))
        let signature = try key.signature(for: content).derRepresentation
        let whole = DER.sequence(content, algorithm, DER.value(0x03, [0] + signature))
        pem =
            Self.pem("CERTIFICATE", whole)
            + Self.pem("PRIVATE KEY", Array(key.derRepresentation))
    }

    /// The address, where it is one, and the name that whoever reaches it otherwise can expect.
    private static func alternatives(_ address: UInt32) -> [UInt8] {
        var names = DER.value(0x82, Array("celaut".utf8))
        if address != 0 {
            names += DER.value(
                0x87, (0..<4).map { UInt8(truncatingIfNeeded: address >> (24 - 8 * $0)) })
        }
        return DER.sequence(
            DER.identifier([0x55, 0x1D, 0x11]), DER.value(0x04, DER.value(0x30, names)))
    }

    /// It signs itself, and nothing below it.
    private static let authority = DER.sequence(
        DER.identifier([0x55, 0x1D, 0x13]), DER.value(0x01, [0xFF]),
        DER.value(0x04, DER.sequence(DER.value(0x01, [0xFF]), DER.value(0x02, [0]))))

    private static func pem(_ label: String, _ bytes: [UInt8]) -> String {
        let text = Array(Base64.text(bytes))
        let lines = stride(from: 0, to: text.count, by: 64).map { start in
            String(text[start..<min(start + 64, text.count)])
        }
        return
            "-----BEGIN \(label)-----\n\(lines.joined(separator: "\n"))\n-----END \(label)-----\n"
    }
}

/// Distinguished encoding (X.690), as much as a certificate needs.
enum DER {
    static func value(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        var length: [UInt8] = []
        if content.count < 0x80 {
            length = [UInt8(content.count)]
        } else {
            let bytes = (0..<4).map { UInt8(truncatingIfNeeded: content.count >> (24 - 8 * $0)) }
            let short = Array(bytes.drop { $0 == 0 })
            length = [0x80 | UInt8(short.count)] + short
        }
        return [tag] + length + content
    }

    static func sequence(_ parts: [UInt8]...) -> [UInt8] { value(0x30, parts.flatMap { $0 }) }
    static func set(_ part: [UInt8]) -> [UInt8] { value(0x31, part) }
    static func identifier(_ content: [UInt8]) -> [UInt8] { value(0x06, content) }
}
