/// What a tree says to whoever starts the service: which directories are shared, and that nothing in it
/// can be written. As bytes, it is a filesystem with nothing else in it.
///
///     Service{container=2{filesystem=2{branch=1{name=1, filesystem=4, xattrs=5}, xattrs=2}}}
///
/// Put behind an encoded service they are part of it, as protobuf merges messages. Who starts a
/// service needs them, and not the other branches.
package struct TreeTerms: Equatable, Sendable {
    /// In the order of the tree, or of the description.
    package var shares: [SharedDirectory]
    /// See `FileTree.isReadOnly`.
    package var isReadOnly: Bool

    package init(shares: [SharedDirectory] = [], isReadOnly: Bool = false) {
        self.shares = shares
        self.isReadOnly = isReadOnly
    }

    package init(_ tree: FileTree) {
        self.init(shares: tree.shares, isReadOnly: tree.isReadOnly)
    }

    /// Says them of a tree.
    ///
    /// - Returns: the first directory that is to be shared and is not there.
    package func apply(to tree: inout FileTree) -> SharedDirectory? {
        if isReadOnly { tree.isReadOnly = true }
        return shares.first { !tree.share($0.share, at: $0.path) }
    }

    // MARK: Written

    package var bytes: [UInt8] {
        guard self != TreeTerms() else { return [] }
        var root = ProtoWriter()
        root.raw(Self.filesystem(shares.map { ($0.path[...], $0.share) }))
        if isReadOnly {
            root.pair(2, FileTree.readModeKey, Array(FileTree.readOnlyMode.utf8))
        }
        var container = ProtoWriter()
        container.always(Container.filesystemField, blob: root.bytes)
        var service = ProtoWriter()
        service.always(Service.containerField, blob: container.bytes)
        return service.bytes
    }

    private static func filesystem(
        _ below: [(path: ArraySlice<String>, share: DirectoryShare)]
    ) -> [UInt8] {
        var writer = ProtoWriter()
        let names = Set(below.compactMap(\.path.first))
        for name in names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            let own = below.filter { $0.path.first == name }
            var branch = ProtoWriter()
            branch.always(1, text: name)
            branch.always(
                4,
                blob: filesystem(
                    own.filter { $0.path.count > 1 }.map { ($0.path.dropFirst(), $0.share) }))
            if let share = own.first(where: { $0.path.count == 1 })?.share {
                for (key, value) in share.pairs.sorted(by: { $0.key < $1.key }) {
                    branch.pair(5, key, value)
                }
            }
            writer.always(1, blob: branch.bytes)
        }
        return writer.bytes
    }

    // MARK: Read

    // LIMIT: names on the way to a directory, as of any tree.
    private static let depthMax = FileTree.depthMax

    /// What `service` says behind an encoded service, or in one.
    package init(in service: [UInt8]) throws(ProtoError) {
        self.init()
        try Self.forEachField(service[...], "Service") { field throws(ProtoError) in
            guard field.number == Service.containerField else { return }
            try Self.forEachField(field.slice(), "Container") { field throws(ProtoError) in
                guard field.number == Container.filesystemField else { return }
                let filesystem = try field.slice()
                try Self.collect(filesystem, [], into: &shares)
                try Self.forEachField(filesystem, "Filesystem") { field throws(ProtoError) in
                    guard field.number == 2 else { return }
                    let (key, value) = try field.entry()
                    // The last one counts.
                    if key == FileTree.readModeKey {
                        isReadOnly = value.elementsEqual(FileTree.readOnlyMode.utf8)
                    }
                }
            }
        }
    }

    private static func forEachField(
        _ bytes: ArraySlice<UInt8>, _ owner: String,
        _ body: (inout ProtoField) throws(ProtoError) -> Void
    ) throws(ProtoError) {
        var rest = bytes
        while !rest.isEmpty {
            var field = try ProtoField(taking: &rest, of: owner)
            try body(&field)
        }
    }

    private static func collect(
        _ filesystem: ArraySlice<UInt8>, _ path: [String], into found: inout [SharedDirectory]
    ) throws(ProtoError) {
        guard path.count < depthMax, found.count < DirectoryShare.countMax else {
            throw .malformed("Filesystem")
        }
        try forEachField(filesystem, "Filesystem") { field throws(ProtoError) in
            guard field.number == 1 else { return }
            var name = ""
            var below: ArraySlice<UInt8> = []
            var attributes = ShareAttributes()
            try forEachField(field.slice(), "ItemBranch") { field throws(ProtoError) in
                switch field.number {
                case 1: name = try field.text()
                case 4: below = try field.slice()
                case 5:
                    let (key, value) = try field.entry()
                    _ = attributes.take(key, value)
                default: break
                }
            }
            guard TreeEntry.isName(name) else { throw .malformed("ItemBranch") }
            let share: DirectoryShare?
            do throws(ShareAttributes.Contradiction) {
                share = try attributes.share()
            } catch {
                throw .malformed("ItemBranch")
            }
            if let share { found.append(SharedDirectory(path: path + [name], share: share)) }
            try collect(below, path + [name], into: &found)
        }
    }
}
