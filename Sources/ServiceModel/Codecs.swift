/// A way to write a service as bytes. Each gives the same value, and so the same id.
package enum Codec: String, Sendable, CaseIterable {
    /// The expanded canonical bytes themselves: the id is the digest of the file.
    case proto3
    /// Protobuf's JSON mapping in the form of RFC 8785, the filesystem in base64.
    case json
    /// The same without the filesystem, and the filesystem as files, in a zip.
    case jsonZip = "json+zip"
}

/// The codecs and digests a node understands, as a file that another reads to find what both do:
/// `{"codecs":["proto3","json"],"hashes":["a7ff…"],"version":1}`.
///
/// Refuses what is no such file. Keeps names it does not know: they are somebody's.
package struct Codecs: Equatable, Sendable {
    /// The preferred one first.
    package var codecs: [String]
    /// Types of hashes: the digest of nothing, in hexadecimal.
    package var hashes: [String]

    // LIMIT: bytes of the file, and names in each of its lists: room for what others add.
    package static let bytesMax = 16_384
    package static let namesMax = 64

    /// What this program understands.
    package static let ours = Codecs(
        codecs: Codec.allCases.map(\.rawValue),
        hashes: Hash.Algorithm.allCases.map { Hexadecimal.text($0.type) })

    package init(codecs: [String], hashes: [String]) {
        self.codecs = codecs
        self.hashes = hashes
    }

    /// The codec that two nodes use: the one of those both have that `ours` prefers. nil for none.
    package static func common(_ ours: Codecs, _ theirs: Codecs) -> Codec? {
        ours.codecs.lazy.filter { theirs.codecs.contains($0) }
            .compactMap { Codec(rawValue: $0) }.first
    }

    /// The text of the file, canonical.
    package var encoded: [UInt8] {
        JSONWriter.bytes(
            .object([
                ("codecs", .array(codecs.map { .string($0) })),
                ("hashes", .array(hashes.map { .string($0) })), ("version", .integer(1)),
            ]))
    }

    /// nil for anything that is no such file. Members nobody here knows are passed over.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count <= Self.bytesMax, let document = try? JSONReader.read(bytes),
            case .object(let members) = document
        else { return nil }
        func value(_ key: String) -> JSONValue? { members.first { $0.key == key }?.value }
        func names(_ key: String) -> [String]? {
            guard case .array(let elements)? = value(key), elements.count <= Self.namesMax else {
                return nil
            }
            var names: [String] = []
            for element in elements {
                guard case .string(let name) = element else { return nil }
                names.append(name)
            }
            return names
        }
        guard value("version") == .integer(1), let codecs = names("codecs"),
            let hashes = names("hashes")
        else { return nil }
        self.init(codecs: codecs, hashes: hashes)
    }
}
