package import Interfaces
package import ServiceModel

/// Puts the entries of an archive together as a tree, in whatever order they come.
///
/// Keeps true: a name is one thing; a later entry of the same kind replaces an earlier one, as
/// extracting would, and one of another kind is refused. Directories that are only named on the way
/// to something are made. Owners, times and the bits that raise privileges are not kept.
package final class TreeBuilder {
    // LIMIT: entries of a tree, those made on the way counted. Ten times a large distribution's
    // root; 150 bytes each stay within the 64 MiB an import may use. Past it TOO_MANY_ENTRIES.
    package static let entriesMax = 400_000
    // LIMIT: bytes of all names and link targets, which 400,000 names of 255 bytes would take past
    // those 64 MiB.
    package static let nameBytesTotalMax = 24 << 20

    private final class Directory {
        var permissions: UInt32 = 0o755
        var children: [String: Child] = [:]
    }

    private enum Child {
        case directory(Directory)
        case file(ContentDigest, bytes: UInt64, permissions: UInt32)
        case link(target: String)
    }

    private let root = Directory()
    private var entries = 0
    private var nameBytes = 0

    package init() {}

    package func addDirectory(_ path: EntryPath, permissions: UInt32) throws(Fault) {
        try directory(path.names[...], path).permissions = permissions & 0o1777
    }

    /// Refuses a file before its content is read.
    package func checkFile(_ path: EntryPath) throws(Fault) {
        guard let name = path.names.last else { throw Self.twice(path.text) }
        switch try directory(path.names.dropLast(), path).children[name] {
        case .directory, .link: throw Self.twice(path.text)
        case .file, nil: return
        }
    }

    package func addFile(
        _ path: EntryPath, permissions: UInt32, digest: ContentDigest, bytes: UInt64
    ) throws(Fault) {
        try checkFile(path)
        try add(.file(digest, bytes: bytes, permissions: permissions & 0o1777), at: path)
    }

    package func addLink(_ path: EntryPath, target: [UInt8]) throws(Fault) {
        let resolved = try path.resolving(target)
        guard let name = path.names.last else { throw Self.twice(path.text) }
        switch try directory(path.names.dropLast(), path).children[name] {
        case .directory, .file: throw Self.twice(path.text)
        case .link, nil: break
        }
        try count(bytes: resolved.utf8.count, path)
        try add(.link(target: resolved), at: path)
    }

    /// A second name for what an earlier entry has: the tree holds it twice, with one content.
    package func addHardLink(_ path: EntryPath, to target: [UInt8]) throws(Fault) {
        let original: EntryPath
        do throws(Fault) {
            original = try EntryPath(target)
        } catch {
            // The fault is the link's, whatever it names.
            var fault = error
            fault.subject = path.text
            fault.lines = [EntryPath.shown(target)]
            throw fault
        }
        guard let child = child(at: original) else {
            throw Fault(
                .invalid, reason: .fileMissing, subject: original.text, lines: [path.text])
        }
        switch child {
        case .directory: throw Self.twice(path.text)
        case .file(let digest, let bytes, let permissions):
            try addFile(path, permissions: permissions, digest: digest, bytes: bytes)
        case .link(let target): try addLink(path, target: Array(target.utf8))
        }
    }

    package func tree() -> FileTree {
        FileTree(
            attributes: FileAttributes(mode: FileAttributes.typeDirectory | root.permissions),
            entries: Self.sorted(root))
    }

    private func add(_ child: Child, at path: EntryPath) throws(Fault) {
        guard let name = path.names.last else { throw Self.twice(path.text) }
        let parent = try directory(path.names.dropLast(), path)
        if parent.children[name] == nil { try countEntry(name, path) }
        parent.children[name] = child
    }

    /// The directory there; made, with those above it, where there is none.
    private func directory(
        _ names: ArraySlice<String>, _ path: EntryPath
    ) throws(Fault) -> Directory {
        var current = root
        for (depth, name) in names.enumerated() {
            switch current.children[name] {
            case .directory(let below):
                current = below
            case .file, .link:
                throw Self.twice(names.prefix(depth + 1).joined(separator: "/"))
            case nil:
                try countEntry(name, path)
                let made = Directory()
                current.children[name] = .directory(made)
                current = made
            }
        }
        return current
    }

    private func child(at path: EntryPath) -> Child? {
        var current: Child = .directory(root)
        for name in path.names {
            guard case .directory(let directory) = current,
                let next = directory.children[name]
            else { return nil }
            current = next
        }
        return current
    }

    private func countEntry(_ name: String, _ path: EntryPath) throws(Fault) {
        entries += 1
        guard entries <= Self.entriesMax else {
            throw .invalid(
                .tooManyEntries, subject: path.text, limit: UInt64(Self.entriesMax),
                actual: UInt64(entries))
        }
        try count(bytes: name.utf8.count, path)
    }

    private func count(bytes: Int, _ path: EntryPath) throws(Fault) {
        nameBytes += bytes
        guard nameBytes <= Self.nameBytesTotalMax else {
            throw .invalid(
                .tooManyEntries, subject: path.text, limit: UInt64(Self.nameBytesTotalMax),
                actual: UInt64(nameBytes))
        }
    }

    private static func twice(_ name: String) -> Fault {
        .invalid(.duplicate, subject: name)
    }

    private static func sorted(_ directory: Directory) -> [TreeEntry] {
        directory.children.map { name, child in
            switch child {
            case .directory(let below):
                TreeEntry(
                    name: name,
                    attributes: FileAttributes(
                        mode: FileAttributes.typeDirectory | below.permissions),
                    content: .directory(sorted(below)))
            case .file(let digest, let bytes, let permissions):
                TreeEntry(
                    name: name,
                    attributes: FileAttributes(mode: FileAttributes.typeRegular | permissions),
                    content: .file(digest, bytes: bytes))
            case .link(let target):
                TreeEntry(
                    name: name, attributes: FileAttributes(mode: FileAttributes.typeLink | 0o777),
                    content: .link(target: target))
            }
        }.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }
}
