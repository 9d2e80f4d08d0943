/// What is said of a service beside the service itself: names and digests.
package struct Metadata: ProtoMessage {
    /// Its digests and the names people gave it.
    package var hashtag: HashTag?
    /// The codec of the service's bytes.
    package var format: DataFormat?
    /// Where opinions on it stand, on ledgers: claims of whoever wrote this.
    package var reputationProofs: [Contract] = []

    package init() {}

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: try field.merge(into: &hashtag)
        case 2: try field.merge(into: &format)
        case 3: reputationProofs.append(try field.message())
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.message(1, hashtag)
        writer.message(2, format)
        writer.messages(3, reputationProofs)
    }
}

/// Digests and tags of a value.
package struct HashTag: ProtoMessage {
    /// One of each algorithm, of the same bytes.
    package var hashes: [Hash] = []
    /// Names people gave it; nothing makes them its own.
    package var tags: [String] = []
    /// The same for parts of the value, kept as bytes: they nest, and nothing here reads them.
    package var attributes: [[UInt8]] = []

    package init() {}

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: hashes.append(try field.message())
        case 2: tags.append(try field.text())
        case 3: attributes.append(try field.blob())
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.messages(1, hashes)
        writer.texts(2, tags)
        for attribute in attributes { writer.always(3, blob: attribute) }
    }
}

/// A digest with the algorithm that made it.
package struct Hash: ProtoMessage {
    /// The algorithm: its digest of the empty input.
    package var type: [UInt8] = []
    /// The digest: 32 bytes of each algorithm known here.
    package var value: [UInt8] = []

    package init() {}

    package init(_ algorithm: Algorithm, value: [UInt8]) {
        type = algorithm.type
        self.value = value
    }

    package enum Algorithm: Sendable, CaseIterable {
        /// SHA3-256 (FIPS 202): what names a service and its blocks.
        case sha3
        /// SHA-256 (FIPS 180-4): what names contents in the store.
        case sha2
        /// BLAKE2b with digests of 32 bytes and no key (RFC 7693).
        case blake2b

        /// The digest of the empty input, 32 bytes (celaut-wire-facts: "Hashes and ids").
        package var type: [UInt8] {
            let text =
                switch self {
                case .sha3: "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a"
                case .sha2: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
                case .blake2b: "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"
                }
            return Hexadecimal.bytes(text) ?? []
        }
    }

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: type = try field.blob()
        case 2: value = try field.blob()
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.blob(1, type)
        writer.blob(2, value)
    }
}

/// Bytes as lower-case hexadecimal digits.
package enum Hexadecimal {
    package static func text(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// nil for an odd number of digits or anything that is no digit. Upper case is read too.
    package static func bytes(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in text.utf8 {
            let digit: UInt8
            switch character {
            case 0x30...0x39: digit = character - 0x30
            case 0x41...0x46: digit = character - 0x41 + 10
            case 0x61...0x66: digit = character - 0x61 + 10
            default: return nil
            }
            if let first = high {
                bytes.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        return high == nil ? bytes : nil
    }
}
