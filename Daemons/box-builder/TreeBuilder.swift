package import Interfaces
package import ServiceModel

/// Puts the entries of an archive together as a tree, in whatever order they come; those of several
/// archives as the layers of an image.
///
/// Keeps true: a name is one thing; within a layer a later entry of the same kind replaces an
/// earlier one, as extracting would, and one of another kind is refused; a later layer replaces
/// whatever is there, and its whiteouts take away only what is below it, wherever they stand in it.
/// Directories that are only named on the way to something are made.
package final class TreeBuilder {
    // LIMIT: links followed on the way to an entry of a layer, as the kernel's MAXSYMLINKS. All are
    // counted: each may lead through the next one twice, and forty in a row through a million million.
    private static let linksMax = 40

    final class Directory {
        var attributes = FileAttributes.directory
        var extended: [ExtendedAttribute] = []
        var children: [ExactText: Child] = [:]
        /// The last layer that named it, or something in it.
        var layer: Int
        /// An entry named it, and not only what is in it.
        var isNamed = false

        init(layer: Int) {
            self.layer = layer
        }
    }

    struct Child {
        enum Content {
            case directory(Directory)
            case file(ContentDigest, bytes: UInt64, FileAttributes, [ExtendedAttribute])
            /// What it leads to from the root, and its own text.
            case link(target: String, text: String, FileAttributes)
        }

        var content: Content
        let layer: Int
    }

    let root = Directory(layer: 0)
    private let log: NormalisationLog?
    private var layer = 0
    private var isLayered = false
    private var entries = 0
    private var nameBytes = 0
    /// Places that entries named, each once; without layers.
    private(set) var named = 0

    package init(log: NormalisationLog? = nil) {
        self.log = log
    }

    /// What comes now lies above all that is there.
    func beginLayer() {
        isLayered = true
        layer += 1
    }

    package func addDirectory(
        _ path: EntryPath, _ attributes: FileAttributes, extended: [ExtendedAttribute] = []
    ) throws(Fault) {
        try count(extended, path)
        if let name = path.name {
            let parent = try directory(path.names.dropLast(), path)
            if let child = parent.children[name], case .directory = child.content {
                // Itself again, or that of a layer below.
            } else {
                try clear(name, of: parent, path)
            }
            let directory = try directory(at: name, of: parent, path)
            directory.attributes = attributes
            directory.extended = extended
            if !directory.isNamed { named += 1 }
            directory.isNamed = true
        } else {
            root.attributes = attributes
        }
    }

    /// Refuses a file before its content is read.
    package func checkFile(_ path: EntryPath) throws(Fault) {
        guard let name = path.name else { throw Self.twice(path.text) }
        let parent = try directory(path.names.dropLast(), path)
        guard let child = parent.children[name], child.layer == layer || isTouched(child) else {
            return
        }
        if case .file = child.content { return }
        throw Self.twice(path.text)
    }

    package func addFile(
        _ path: EntryPath, _ attributes: FileAttributes, extended: [ExtendedAttribute] = [],
        digest: ContentDigest, bytes: UInt64
    ) throws(Fault) {
        try checkFile(path)
        try count(extended, path)
        try add(.file(digest, bytes: bytes, attributes, extended), at: path)
    }

    package func addLink(
        _ path: EntryPath, target: [UInt8], _ attributes: FileAttributes
    ) throws(Fault) {
        let resolved = try path.resolving(target)
        guard let name = path.name else { throw Self.twice(path.text) }
        let parent = try directory(path.names.dropLast(), path)
        if let child = parent.children[name], child.layer == layer || isTouched(child) {
            guard case .link = child.content else { throw Self.twice(path.text) }
        }
        let text = String(decoding: target, as: UTF8.self)
        try count(bytes: resolved.utf8.count + text.utf8.count, path)
        try add(.link(target: resolved, text: text, attributes), at: path)
    }

    /// A second name for what an earlier entry has: the tree holds it twice, with one content.
    ///
    /// - Returns: the content; nil where the entry is a link.
    @discardableResult
    package func addHardLink(
        _ path: EntryPath, to target: [UInt8]
    ) throws(Fault) -> (digest: ContentDigest, bytes: UInt64)? {
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
        guard let child = child(at: original.names) else {
            throw Fault(
                .invalid, reason: .fileMissing, subject: original.text, lines: [path.text])
        }
        switch child.content {
        case .directory: throw Self.twice(path.text)
        case .file(let digest, let bytes, let attributes, let extended):
            try addFile(path, attributes, extended: extended, digest: digest, bytes: bytes)
            return (digest, bytes)
        case .link(_, let text, let attributes):
            try addLink(path, target: Array(text.utf8), attributes)
            return nil
        }
    }

    private func count(
        _ attributes: [ExtendedAttribute], _ path: EntryPath
    ) throws(Fault) {
        guard !attributes.isEmpty else { return }
        let bytes = attributes.reduce(0) { $0 + $1.name.utf8.count + $1.value.count }
        guard bytes <= ExtendedAttribute.bytesMax else {
            throw .tooLarge(
                subject: path.text, limit: UInt64(ExtendedAttribute.bytesMax),
                actual: UInt64(bytes))
        }
        try count(bytes: bytes, path)
    }

    /// Charges what an entry has beside its name.
    private func count(bytes: Int, _ path: EntryPath) throws(Fault) {
        nameBytes += bytes
        guard nameBytes <= FileTree.textBytesMax else {
            throw .invalid(
                .tooManyEntries, subject: path.text, limit: UInt64(FileTree.textBytesMax),
                actual: UInt64(nameBytes))
        }
    }

    // MARK: Whiteouts

    /// Takes away what layers below have at a path.
    func removeBelow(_ path: EntryPath) {
        guard let name = path.name,
            let parent = found(path.names.dropLast()), let child = parent.children[name]
        else { return }
        log?.record(.whiteout, path, had: "")
        prune(child, name, of: parent)
    }

    /// Takes away what layers below have in a directory.
    func removeAllBelow(in path: EntryPath) {
        guard let directory = found(path.names[...]) else { return }
        log?.record(.whiteout, path, had: "all in it")
        for (name, child) in directory.children { prune(child, name, of: directory) }
    }

    private func prune(_ child: Child, _ name: ExactText, of parent: Directory) {
        if isTouched(child), case .directory(let below) = child.content {
            for (name, child) in below.children { prune(child, name, of: below) }
        } else if child.layer < layer {
            parent.children[name] = nil
            forget(child, name)
        }
    }

    private func forget(_ child: Child, _ name: ExactText) {
        entries -= 1
        nameBytes -= name.text.utf8.count
        guard case .directory(let below) = child.content else { return }
        for (name, child) in below.children { forget(child, name) }
    }

    /// Whether this layer named it or something in it.
    private func isTouched(_ child: Child) -> Bool {
        if case .directory(let directory) = child.content { return directory.layer == layer }
        return child.layer == layer
    }

    // MARK: Places

    private func add(_ content: Child.Content, at path: EntryPath) throws(Fault) {
        guard let name = path.name else { throw Self.twice(path.text) }
        let parent = try directory(path.names.dropLast(), path)
        if let earlier = parent.children[name] {
            if earlier.layer == layer { log?.record(.replaced, path, had: "") }
            forget(earlier, name)
        } else {
            named += 1
        }
        try countEntry(name, path)
        parent.children[name] = Child(content: content, layer: layer)
    }

    /// Makes room for a directory: what stands there goes if it is of a layer below.
    private func clear(
        _ name: ExactText, of parent: Directory, _ path: EntryPath
    ) throws(Fault) {
        guard let child = parent.children[name] else { return }
        guard child.layer < layer else { throw Self.twice(path.text) }
        parent.children[name] = nil
        forget(child, name)
    }

    /// The directory there; made, with those above it, where there is none.
    private func directory(
        _ names: ArraySlice<String>, _ path: EntryPath
    ) throws(Fault) -> Directory {
        var links = Self.linksMax
        return try directory(names, path, &links)
    }

    /// - Parameter links: how many may still be followed.
    private func directory(
        _ names: ArraySlice<String>, _ path: EntryPath, _ links: inout Int
    ) throws(Fault) -> Directory {
        var current = root
        for (depth, name) in names.enumerated() {
            switch current.children[ExactText(name)]?.content {
            case .directory(let below):
                current = below
                current.layer = layer
            case .link(let target, _, _) where isLayered:
                // A layer may name a file by way of a link of one below, as when it was made.
                guard links > 0 else { throw Self.twice(path.text) }
                links -= 1
                let way = EntryPath.names(target)
                current = try directory(way[...], path, &links)
            case .file, .link:
                throw Self.twice(names.prefix(depth + 1).joined(separator: "/"))
            case nil:
                current = try directory(at: ExactText(name), of: current, path)
            }
        }
        return current
    }

    /// The directory of that name, made where there is none.
    private func directory(
        at name: ExactText, of parent: Directory, _ path: EntryPath
    ) throws(Fault) -> Directory {
        if case .directory(let there) = parent.children[name]?.content {
            there.layer = layer
            return there
        }
        try countEntry(name, path)
        let made = Directory(layer: layer)
        parent.children[name] = Child(content: .directory(made), layer: layer)
        return made
    }

    /// The directory there, links followed where layers may; nil where there is none.
    private func found(_ names: ArraySlice<String>) -> Directory? {
        if names.isEmpty { return root }
        var links = Self.linksMax
        if case .directory(let directory) = child(at: names, following: true, &links)?.content {
            return directory
        }
        return nil
    }

    /// What is there itself, links on the way to it followed where layers may.
    private func child(at names: [String]) -> Child? {
        var links = Self.linksMax
        return child(at: names[...], following: false, &links)
    }

    /// - Parameters:
    ///   - following: the last name is followed, too.
    ///   - links: how many may still be followed.
    private func child(
        at names: ArraySlice<String>, following: Bool, _ links: inout Int
    ) -> Child? {
        var current = Child(content: .directory(root), layer: 0)
        for (index, name) in names.enumerated() {
            guard case .directory(let directory) = current.content,
                let next = directory.children[ExactText(name)]
            else { return nil }
            current = next
            let isOnTheWay = index + 1 < names.count || following
            if case .link(let target, _, _) = next.content, isLayered, isOnTheWay {
                guard links > 0 else { return nil }
                links -= 1
                let way = EntryPath.names(target)
                guard let end = child(at: way[...], following: true, &links) else { return nil }
                current = end
            }
        }
        return current
    }

    private func countEntry(_ name: ExactText, _ path: EntryPath) throws(Fault) {
        entries += 1
        guard entries <= FileTree.entriesMax else {
            throw .invalid(
                .tooManyEntries, subject: path.text, limit: UInt64(FileTree.entriesMax),
                actual: UInt64(entries))
        }
        try count(bytes: name.text.utf8.count, path)
    }

    private static func twice(_ name: String) -> Fault {
        .invalid(.duplicate, subject: name)
    }
}

extension TreeBuilder {
    package func tree() -> FileTree {
        FileTree(attributes: root.attributes, entries: Self.sorted(root))
    }

    private static func sorted(_ directory: Directory) -> [TreeEntry] {
        directory.children.map { key, child in
            switch child.content {
            case .directory(let below):
                return TreeEntry(
                    name: key.text, attributes: below.attributes,
                    content: .directory(sorted(below)), extended: below.extended)
            case .file(let digest, let bytes, let attributes, let extended):
                return TreeEntry(
                    name: key.text, attributes: attributes,
                    content: .file(digest, bytes: bytes), extended: extended)
            case .link(let target, let text, let attributes):
                let isSame = text.utf8.elementsEqual(target.utf8)
                return TreeEntry(
                    name: key.text, attributes: attributes, content: .link(target: target),
                    linkText: isSame ? nil : text)
            }
        }.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }
}
