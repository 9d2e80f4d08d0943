/// What a zip cannot say of a tree: owners, times, extended attributes, what is shared, modes where they are not the
/// ones a zip keeps. The part "attributes.json" of the codec `json+zip`: an object with a member for
/// each entry that is not as usual, by its path, "" for the root; RFC 8785.
///
///     {"":{"readMode":"ro"},"etc/x":{"gid":7,"mode":33188,"mtimeNs":"1","uid":3,
///      "xattrs":{"user.a":"AA=="}}}
///
/// Usual is an entry of nobody (0/0) without a time or extended attributes. The zip has the kinds,
/// the permissions, the contents and the text of each link.
package enum TreeAttributesJSON {
    // LIMIT: bytes of the part, which is held. Trees are packed without owners and times, and then
    // it is a few bytes; a tree with more is not written in this codec.
    package static let bytesMax = 8 << 20

    // LIMIT: values in it: as many as `bytesMax` of the shortest that is written can have, five of an
    // entry in 48 bytes.
    static let valuesMax = 900_000

    /// - Throws: NotExpressible for more than `bytesMax`.
    package static func write(_ tree: FileTree) throws(ServiceJSON.NotExpressible) -> [UInt8] {
        var members: [(key: String, value: JSONValue)] = []
        var root: [(key: String, value: JSONValue)] = []
        if tree.attributes != .directory { root = numbers(tree.attributes) }
        if tree.isReadOnly { root.append(("readMode", .string("ro"))) }
        if !root.isEmpty { members.append(("", .object(root))) }
        collect(tree.entries, "", into: &members)
        let bytes = JSONWriter.bytes(.object(members))
        guard bytes.count <= bytesMax else { throw ServiceJSON.NotExpressible() }
        return bytes
    }

    private static func collect(
        _ entries: [TreeEntry], _ path: String,
        into members: inout [(key: String, value: JSONValue)]
    ) {
        for entry in entries {
            let own = path.isEmpty ? entry.name : "\(path)/\(entry.name)"
            var said: [(key: String, value: JSONValue)] = []
            let attributes = entry.attributes
            if attributes != FileAttributes(mode: attributes.mode) { said = numbers(attributes) }
            // A zip's reader may make every link 0777.
            if case .link = entry.content, attributes.permissions != 0o777, said.isEmpty {
                said = numbers(attributes)
            }
            if !entry.extended.isEmpty {
                let values = entry.extended.map {
                    (key: $0.name, value: JSONValue.string(Base64.text($0.value)))
                }
                said.append(("xattrs", .object(values)))
            }
            if let share = entry.share {
                let values = share.pairs.map {
                    (
                        key: $0.key,
                        value: JSONValue.string(String(decoding: $0.value, as: UTF8.self))
                    )
                }
                said.append(("share", .object(values)))
            }
            if !said.isEmpty { members.append((own, .object(said))) }
            if case .directory(let below) = entry.content { collect(below, own, into: &members) }
        }
    }

    private static func numbers(_ own: FileAttributes) -> [(key: String, value: JSONValue)] {
        [
            ("gid", .integer(Int64(own.gid))), ("mode", .integer(Int64(own.mode))),
            ("mtimeNs", .string(String(own.modifiedNanoseconds))),
            ("uid", .integer(Int64(own.uid))),
        ]
    }

    // MARK: Reading

    /// Gives the entries of a tree what the part says of them.
    ///
    /// - Throws: MALFORMED, BAD_ATTRIBUTE, DUPLICATE or, for a path that is not in the tree,
    ///   INCOMPLETE; with the path.
    package static func apply(
        _ bytes: [UInt8], to tree: inout FileTree
    ) throws(CanonicalError) {
        guard bytes.count <= bytesMax else {
            throw CanonicalError(
                .tooLarge, path: "attributes.json", limit: UInt64(bytesMax),
                actual: UInt64(bytes.count))
        }
        let document: JSONValue
        do throws(JSONError) {
            document = try JSONReader.read(bytes, valuesMax: valuesMax)
        } catch {
            throw CanonicalError(error, path: "attributes.json")
        }
        guard case .object(let members) = document else {
            throw CanonicalError(.malformed, path: "attributes.json")
        }
        var said: TextMap<JSONValue> = [:]
        for (path, value) in members { said[path] = value }
        if let root = said[""] {
            try Said(root, "").apply(&tree.attributes, isReadOnly: &tree.isReadOnly)
            said[""] = nil
        }
        try apply(&said, to: &tree.entries, "")
        if let left = said.keys.first { throw CanonicalError(.incomplete, path: left) }
        try tree.checkShares()
    }

    private static func apply(
        _ said: inout TextMap<JSONValue>, to entries: inout [TreeEntry], _ path: String
    ) throws(CanonicalError) {
        for index in entries.indices {
            let own = path.isEmpty ? entries[index].name : "\(path)/\(entries[index].name)"
            if let value = said[own] {
                try Said(value, own).apply(&entries[index])
                said[own] = nil
            }
            if case .directory(var below) = entries[index].content {
                try apply(&said, to: &below, own)
                entries[index].content = .directory(below)
            }
        }
    }

    /// What is said of one entry.
    private struct Said {
        private var numbers: [String: UInt64] = [:]
        private var extended: [ExtendedAttribute] = []
        private var isReadOnly = false
        private var share: DirectoryShare?
        private let path: String

        init(_ value: JSONValue, _ path: String) throws(CanonicalError) {
            self.path = path
            guard case .object(let members) = value else {
                throw CanonicalError(.malformed, path: path)
            }
            for (key, value) in members {
                switch (key, value) {
                case ("gid", .integer(let number)), ("uid", .integer(let number)),
                    ("mode", .integer(let number)):
                    guard let small = UInt32(exactly: number) else {
                        throw CanonicalError(.badAttribute, path: path)
                    }
                    numbers[key] = UInt64(small)
                case ("mtimeNs", .string(let text)):
                    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                        let number = UInt64(text)
                    else { throw CanonicalError(.badAttribute, path: path) }
                    numbers[key] = number
                case ("readMode", .string("ro")) where path.isEmpty: isReadOnly = true
                case ("xattrs", .object(let values)) where !path.isEmpty:
                    try take(values)
                case ("share", .object(let values)) where !path.isEmpty:
                    share = try Self.share(values, path)
                default: throw CanonicalError(.malformed, path: "\(path): \(key)")
                }
            }
        }

        private mutating func take(
            _ values: [(key: String, value: JSONValue)]
        ) throws(CanonicalError) {
            for (name, value) in values {
                guard ExtendedAttribute.isKept(name), case .string(let text) = value,
                    let bytes = Base64.bytes(text)
                else { throw CanonicalError(.badAttribute, path: path) }
                extended.append(ExtendedAttribute(name: name, value: bytes))
            }
            let sum = extended.reduce(0) { $0 + $1.name.utf8.count + $1.value.count }
            guard sum <= ExtendedAttribute.bytesMax else {
                throw CanonicalError(
                    .tooLarge, path: path, limit: UInt64(ExtendedAttribute.bytesMax),
                    actual: UInt64(sum))
            }
        }

        private static func share(
            _ values: [(key: String, value: JSONValue)], _ path: String
        ) throws(CanonicalError) -> DirectoryShare? {
            var said = ShareAttributes()
            for (key, value) in values {
                guard case .string(let text) = value, said.take(key, Array(text.utf8)[...]) else {
                    throw CanonicalError(.badAttribute, path: path)
                }
            }
            do throws(ShareAttributes.Contradiction) {
                return try said.share()
            } catch {
                throw CanonicalError(.badAttribute, path: path)
            }
        }

        func apply(_ entry: inout TreeEntry) throws(CanonicalError) {
            try apply(&entry.attributes)
            if !extended.isEmpty { entry.extended = extended }
            guard let share else { return }
            guard case .directory = entry.content else {
                throw CanonicalError(.badAttribute, path: path)
            }
            entry.share = share
        }

        func apply(
            _ attributes: inout FileAttributes, isReadOnly: inout Bool
        ) throws(CanonicalError) {
            try apply(&attributes)
            isReadOnly = self.isReadOnly
        }

        private func apply(_ own: inout FileAttributes) throws(CanonicalError) {
            if let mode = numbers["mode"] {
                let mask = FileAttributes.typeMask
                guard mode <= 0o177777, UInt32(mode) & mask == own.mode & mask else {
                    throw CanonicalError(.badAttribute, path: path)
                }
                own.mode = UInt32(mode)
            }
            if let uid = numbers["uid"] { own.uid = UInt32(uid) }
            if let gid = numbers["gid"] { own.gid = UInt32(gid) }
            if let time = numbers["mtimeNs"] { own.modifiedNanoseconds = time }
        }
    }
}
