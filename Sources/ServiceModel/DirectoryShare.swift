/// What a directory of a box is between an instance and its parent: offered to the children that the
/// instance starts, or inherited from the parent that started it (celaut-wire-facts, roles "shared"
/// and "guest"; attributes of the directory's branch).
package struct DirectoryShare: Equatable, Sendable {
    package enum Role: String, Sendable {
        /// Children that ask for it get it.
        case offered = "shared"
        /// Its parent's stands in its place.
        case inherited = "guest"
    }

    package enum Access: String, Sendable {
        case readOnly = "ro"
        case readWrite = "rw"
    }

    package var role: Role
    /// nil where nothing is said, which is reading and writing.
    package var access: Access?
    /// What both sides call it; empty for its path.
    package var tag: String
    /// A variable whose value must be the same on both sides; empty for none.
    package var variable: String

    package init(role: Role, access: Access? = nil, tag: String = "", variable: String = "") {
        self.role = role
        self.access = access
        self.tag = tag
        self.variable = variable
    }

    package var isReadOnly: Bool { access == .readOnly }

    // LIMIT: shared directories of a service: each is a mount of its own.
    package static let countMax = 64

    // LIMIT: bytes of a tag, as of a tag of a box.
    package static let tagBytesMax = 128

    static let accessKey = "access"
    static let tagKey = "share_tag"
    static let variableKey = "share_env"

    /// Letters, digits and what stands between words: no two that look alike.
    package static func isTag(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= tagBytesMax else { return false }
        func isWord(_ byte: UInt8) -> Bool {
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
                || (0x61...0x7A).contains(byte)
        }
        return isWord(first)
            && text.utf8.allSatisfy { isWord($0) || "._@:+-".utf8.contains($0) }
    }

    /// As attributes of the branch, in no order.
    var pairs: [(key: String, value: [UInt8])] {
        var pairs = [(key: role.rawValue, value: Array("true".utf8))]
        if let access { pairs.append((Self.accessKey, Array(access.rawValue.utf8))) }
        if !tag.isEmpty { pairs.append((Self.tagKey, Array(tag.utf8))) }
        if !variable.isEmpty { pairs.append((Self.variableKey, Array(variable.utf8))) }
        return pairs
    }
}

/// The attributes of a branch that say how it is shared, while they are read.
struct ShareAttributes {
    private var said: TextMap<String> = [:]

    /// Whether the key is one of them.
    mutating func take(_ key: String, _ value: ArraySlice<UInt8>) -> Bool {
        let keys = [
            DirectoryShare.Role.offered.rawValue, DirectoryShare.Role.inherited.rawValue,
            DirectoryShare.accessKey, DirectoryShare.tagKey, DirectoryShare.variableKey,
        ]
        guard keys.contains(where: { $0.utf8.elementsEqual(key.utf8) }) else { return false }
        said[key] = String(decoding: value, as: UTF8.self)
        return true
    }

    /// What they say together; nil for a directory that is not shared.
    ///
    /// - Throws: for what contradicts itself.
    func share() throws(Contradiction) -> DirectoryShare? {
        let isOffered = try isTrue(.offered)
        let isInherited = try isTrue(.inherited)
        guard isOffered || isInherited else { return nil }
        guard isOffered != isInherited else { throw Contradiction() }
        var share = DirectoryShare(role: isOffered ? .offered : .inherited)
        if let text = said[DirectoryShare.accessKey] {
            guard let access = DirectoryShare.Access(rawValue: text) else { throw Contradiction() }
            share.access = access
        }
        share.tag = said[DirectoryShare.tagKey] ?? ""
        guard share.tag.isEmpty || DirectoryShare.isTag(share.tag) else { throw Contradiction() }
        share.variable = said[DirectoryShare.variableKey] ?? ""
        guard share.variable.utf8.count <= DirectoryShare.tagBytesMax else {
            throw Contradiction()
        }
        return share
    }

    struct Contradiction: Error {}

    private func isTrue(_ role: DirectoryShare.Role) throws(Contradiction) -> Bool {
        switch said[role.rawValue]?.lowercased() {
        case nil, "", "0", "false", "no", "off": false
        case "1", "true", "yes", "on": true
        default: throw Contradiction()
        }
    }
}

/// A shared directory with its place.
package struct SharedDirectory: Equatable, Sendable {
    /// Names from the root.
    package var path: [String]
    package var share: DirectoryShare

    package init(path: [String], share: DirectoryShare) {
        self.path = path
        self.share = share
    }

    package var text: String { "/" + path.joined(separator: "/") }

    /// What both sides call it.
    package var name: String { share.tag.isEmpty ? text : share.tag }

    /// The first of several that cannot be beside the others: it lies in another, or another of its
    /// role has its name.
    package static func conflict(_ all: [SharedDirectory]) -> SharedDirectory? {
        for (place, one) in all.enumerated() {
            for other in all[..<place] {
                let isSame = one.share.role == other.share.role && one.name == other.name
                if isSame || one.path.starts(with: other.path) || other.path.starts(with: one.path)
                {
                    return one
                }
            }
        }
        return nil
    }
}

extension FileTree {
    /// The shared directories, in the order of the tree.
    package var shares: [SharedDirectory] {
        var found: [SharedDirectory] = []
        Self.collect(entries, [], into: &found)
        return found
    }

    private static func collect(
        _ entries: [TreeEntry], _ path: [String], into found: inout [SharedDirectory]
    ) {
        for entry in entries {
            guard case .directory(let below) = entry.content else { continue }
            if let share = entry.share {
                found.append(SharedDirectory(path: path + [entry.name], share: share))
            }
            collect(below, path + [entry.name], into: &found)
        }
    }

    /// Says of a directory that it is shared.
    ///
    /// - Returns: false where there is no such directory.
    package mutating func share(_ share: DirectoryShare, at path: [String]) -> Bool {
        Self.share(share, at: path[...], in: &entries)
    }

    private static func share(
        _ share: DirectoryShare, at path: ArraySlice<String>, in entries: inout [TreeEntry]
    ) -> Bool {
        guard let name = path.first,
            let index = entries.firstIndex(where: { $0.name.utf8.elementsEqual(name.utf8) }),
            case .directory(var below) = entries[index].content
        else { return false }
        if path.count == 1 {
            entries[index].share = share
            return true
        }
        guard Self.share(share, at: path.dropFirst(), in: &below) else { return false }
        entries[index].content = .directory(below)
        return true
    }
}

extension FileTree {
    /// - Throws: BAD_ATTRIBUTE with the path of a shared directory that lies in another or has the
    ///   name of another; TOO_LARGE for too many.
    func checkShares() throws(CanonicalError) {
        let shares = shares
        guard shares.count <= DirectoryShare.countMax else {
            throw CanonicalError(
                .tooLarge, path: shares[DirectoryShare.countMax].text,
                limit: UInt64(DirectoryShare.countMax), actual: UInt64(shares.count))
        }
        if let conflict = SharedDirectory.conflict(shares) {
            throw CanonicalError(.badAttribute, path: conflict.path.joined(separator: "/"))
        }
    }
}
