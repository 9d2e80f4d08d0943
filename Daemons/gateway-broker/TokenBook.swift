import SharedCrypto

/// Tokens: 256 bits each, the right to an instance.
///
/// A token is HMAC-SHA256 of the instance's id under the node's secret. So it can be given again to
/// whoever repeats a start with its key, and is stored nowhere; who reads the registry, or guesses
/// at ids, has no token. Never logged.
package struct TokenBook: Sendable {
    private let secret: SymmetricKey

    /// - Parameter secret: 32 random bytes that stay the same for the life of the node.
    package init(secret: [UInt8]) {
        self.secret = SymmetricKey(data: secret)
    }

    /// The token as it is given out: 64 hexadecimal digits.
    package func token(of id: InstanceID) -> String {
        Hexadecimal.text(bytes(of: id))
    }

    package func digest(of id: InstanceID) -> TokenDigest {
        TokenDigest(ofToken: bytes(of: id))
    }

    /// The digest of a token as somebody shows it; nil for what cannot be one.
    package static func digest(ofText text: String) -> TokenDigest? {
        guard text.utf8.count == 64, let bytes = Hexadecimal.bytes(text) else { return nil }
        return TokenDigest(ofToken: bytes)
    }

    /// The token of a grant, made from the grant's random id.
    package func grantToken(of id: InstanceID) -> String {
        Hexadecimal.text(bytes(of: id, "celaut grant token 1\0"))
    }

    package func grantDigest(of id: InstanceID) -> TokenDigest {
        TokenDigest(ofToken: bytes(of: id, "celaut grant token 1\0"))
    }

    /// SHA-256 of parts, each preceded by its length.
    package static func digest(ofParts parts: [[UInt8]]) -> [UInt8] {
        var hash = SHA256()
        for part in parts {
            hash.update(data: (0..<8).map { UInt8(truncatingIfNeeded: part.count >> (8 * $0)) })
            hash.update(data: part)
        }
        return Array(hash.finalize())
    }

    private func bytes(
        of id: InstanceID, _ label: String = "celaut instance token 1\0"
    ) -> [UInt8] {
        // The label separates these from whatever else the secret may once be used for.
        let message = Array(label.utf8) + id.bytes
        return Array(HMAC<SHA256>.authenticationCode(for: message, using: secret))
    }
}

/// SHA-256 of a token: what is kept in memory and compared.
package struct TokenDigest: Hashable, Sendable {
    private let words: [UInt64]

    /// As it was written down.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        words = (0..<4).map { word in
            bytes[(8 * word)..<(8 * word + 8)].reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    package var bytes: [UInt8] {
        words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } }
    }

    fileprivate init(ofToken bytes: [UInt8]) {
        var words: [UInt64] = []
        for (index, byte) in SHA256.hash(data: bytes).enumerated() {
            if index % 8 == 0 { words.append(0) }
            words[words.count - 1] = words[words.count - 1] << 8 | UInt64(byte)
        }
        self.words = words
    }

    /// Takes the same time whatever differs.
    package static func == (left: Self, right: Self) -> Bool {
        var difference: UInt64 = 0
        for index in 0..<4 { difference |= left.words[index] ^ right.words[index] }
        return difference == 0
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(words[0])
    }
}
