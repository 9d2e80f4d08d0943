import Interfaces
import ServiceModel
import Syscalls

/// The files of an image's archive, by their names and by their digests.
///
/// Keeps true: what is found by a digest has it, and the size that was declared. Refuses documents
/// past the bound, and digests of another kind than SHA-256.
struct ImageDocuments {
    // LIMIT: bytes of an index, a manifest or a configuration: what registries take for one.
    static let bytesMax = 4 << 20

    private let tree: FileTree

    init(_ tree: FileTree) {
        self.tree = tree
    }

    /// A file's content; links are followed as `docker save` of old makes them.
    func content(_ path: String) -> (digest: ContentDigest, bytes: UInt64)? {
        guard case .file(let digest, let bytes)? = tree.followed(path)?.content else { return nil }
        return (digest, bytes)
    }

    /// The path of the blob a descriptor names, where the archive has none; nil where it has one.
    func missing(_ descriptor: JSONObjectView) throws(Fault) -> String? {
        let path = Self.path(of: try Self.digest(try descriptor.text("digest")))
        return content(path) == nil ? path : nil
    }

    private static func path(of digest: ContentDigest) -> String { "blobs/sha256/\(digest.hex)" }

    /// The blob a descriptor names (image-spec, descriptor.md).
    func blob(_ descriptor: JSONObjectView) throws(Fault) -> ContentDigest {
        let named = try Self.digest(try descriptor.text("digest"))
        let path = Self.path(of: named)
        guard let (digest, bytes) = content(path) else {
            throw .invalid(.fileMissing, subject: path)
        }
        guard digest == named else { throw Fault(.corrupt, subject: path) }
        guard let said = descriptor["size"] else { return digest }
        guard case .integer(let size) = said else {
            throw .invalid(.wrongType, subject: "\(descriptor.name) size")
        }
        guard UInt64(clamping: size) == bytes else {
            throw Fault(
                .corrupt, subject: path, limit: UInt64(clamping: size), actual: bytes)
        }
        return digest
    }

    /// "sha256:" and 64 digits (image-spec, descriptor.md: "Digests").
    static func digest(_ name: String) throws(Fault) -> ContentDigest {
        let parts = name.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw .invalid(.malformed, subject: "digest \(name)") }
        guard parts[0] == "sha256" else {
            throw Fault(.unsupported, subject: "digest \(name)", lines: ["sha256"])
        }
        guard let digest = Hexadecimal.bytes(parts[1]).flatMap({ ContentDigest($0) }),
            digest.hex == parts[1]
        else { throw .invalid(.malformed, subject: "digest \(name)") }
        return digest
    }

    /// A file as a JSON document.
    func document(
        _ digest: ContentDigest, _ name: String, open: (ContentDigest) throws(Fault) -> Descriptor
    ) throws(Fault) -> JSONValue {
        let file = try open(digest)
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try File.readAll(file, limit: Self.bytesMax)
        } catch .fileTooLarge {
            throw .tooLarge(
                subject: name, limit: UInt64(Self.bytesMax), actual: UInt64(Self.bytesMax) + 1)
        } catch {
            throw StoreFault.storing(error, name)
        }
        do throws(JSONError) {
            return try JSONReader.read(bytes)
        } catch {
            throw .invalid(.malformed, subject: name)
        }
    }
}

/// A JSON object of an image, read by key: what is not asked for is left alone, as the image
/// specification wants it.
struct JSONObjectView {
    private let members: [(key: String, value: JSONValue)]
    /// What it is, for faults.
    let name: String

    init(_ value: JSONValue?, name: String) throws(Fault) {
        guard case .object(let members)? = value else {
            throw .invalid(.wrongType, subject: name)
        }
        self.members = members
        self.name = name
    }

    subscript(key: String) -> JSONValue? {
        members.first { $0.key == key }?.value
    }

    func text(_ key: String) throws(Fault) -> String {
        guard case .string(let text)? = self[key] else {
            throw .invalid(.missingKey, subject: "\(name) \(key)")
        }
        return text
    }

    func optionalText(_ key: String) -> String {
        if case .string(let text)? = self[key] { text } else { "" }
    }

    func texts(_ key: String) -> [String] {
        guard case .array(let values)? = self[key] else { return [] }
        return values.compactMap { if case .string(let text) = $0 { text } else { nil } }
    }

    func objects(_ key: String, max: Int) throws(Fault) -> [JSONObjectView] {
        guard case .array(let values)? = self[key] else {
            throw .invalid(.missingKey, subject: "\(name) \(key)")
        }
        return try Self.list(values, "\(name) \(key)", max: max)
    }

    static func list(
        _ values: [JSONValue], _ name: String, max: Int
    ) throws(Fault) -> [JSONObjectView] {
        guard values.count <= max else {
            throw .tooLarge(subject: name, limit: UInt64(max), actual: UInt64(values.count))
        }
        var objects: [JSONObjectView] = []
        for (index, value) in values.enumerated() {
            objects.append(try JSONObjectView(value, name: "\(name)[\(index)]"))
        }
        return objects
    }
}
