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

    private func bytes(of id: InstanceID) -> [UInt8] {
        // The label separates these from whatever else the secret may once be used for.
        let message = Array("celaut instance token 1\0".utf8) + id.bytes
        return Array(HMAC<SHA256>.authenticationCode(for: message, using: secret))
    }
}

/// SHA-256 of a token: what is kept in memory and compared.
package struct TokenDigest: Hashable, Sendable {
    private let words: [UInt64]

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
