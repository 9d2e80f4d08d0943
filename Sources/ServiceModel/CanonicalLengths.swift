/// The lengths that the canonical form of a service has in it, each computed once: what is written
/// before a content needs the lengths of everything around it.
struct CanonicalLengths {
    let parts: Parts
    /// Of each directory but the root, in the order in which they are written.
    private(set) var directories: [UInt64] = []
    let filesystem: UInt64
    let container: UInt64
    let total: UInt64

    init(_ service: Service, _ tree: FileTree) {
        parts = Parts(service)
        var directories: [UInt64] = []
        filesystem =
            Self.measure(tree.entries, below: 0, into: &directories)
            + UInt64(Self.rootBytes(tree).count)
        self.directories = directories
        container =
            UInt64(parts.beforeFilesystem.count)
            + ProtoWriter.fieldLength(Container.filesystemField, content: filesystem)
            + UInt64(parts.afterFilesystem.count)
        total =
            UInt64(parts.beforeContainer.count)
            + ProtoWriter.fieldLength(Service.containerField, content: container)
            + UInt64(parts.afterContainer.count)
    }

    /// The bytes of a service around its filesystem.
    struct Parts {
        let beforeContainer: [UInt8]
        let beforeFilesystem: [UInt8]
        let afterFilesystem: [UInt8]
        let afterContainer: [UInt8]

        init(_ service: Service) {
            func bytes(_ write: (inout ProtoWriter) -> Void) -> [UInt8] {
                var writer = ProtoWriter()
                write(&writer)
                return writer.bytes
            }
            beforeContainer = bytes { $0.text(1, service.prose) }
            beforeFilesystem = bytes { service.container.writeBeforeFilesystem(to: &$0) }
            afterFilesystem = bytes { service.container.writeAfterFilesystem(to: &$0) }
            afterContainer = bytes { service.writeAfterContainer(to: &$0) }
        }
    }

    /// What the root says of itself, after its branches: nothing where it is as usual.
    static func rootBytes(_ tree: FileTree) -> [UInt8] {
        var writer = ProtoWriter()
        func pair(_ key: String, _ value: String) { writer.pair(2, key, Array(value.utf8)) }
        let own = tree.attributes
        let isUsual = own == .directory
        if !isUsual {
            pair("gid", String(own.gid))
            pair("mode", String(own.mode))
            pair("mtime_ns", String(own.modifiedNanoseconds))
        }
        if tree.isReadOnly { pair(FileTree.readModeKey, FileTree.readOnlyMode) }
        if !isUsual { pair("uid", String(own.uid)) }
        return writer.bytes
    }

    /// - Parameter path: bytes of the path of the directory they are in; 0 for the root.
    private static func measure(
        _ entries: [TreeEntry], below path: UInt64, into directories: inout [UInt64]
    ) -> UInt64 {
        var sum: UInt64 = 0
        for entry in entries {
            let own = path + 1 + UInt64(entry.name.utf8.count)
            var below: UInt64 = 0
            if case .directory(let inside) = entry.content {
                let place = directories.count
                directories.append(0)
                below = measure(inside, below: own, into: &directories)
                directories[place] = below
            }
            sum += ProtoWriter.fieldLength(
                1, content: branch(entry, pathBytes: own, directory: below))
        }
        return sum
    }

    /// - Parameters:
    ///   - pathBytes: bytes of its path from the root.
    ///   - directory: the length of what is in it, for a directory.
    static func branch(_ entry: TreeEntry, pathBytes: UInt64, directory: UInt64) -> UInt64 {
        let content =
            switch entry.content {
            case .file(_, let bytes): ProtoWriter.fieldLength(2, content: bytes)
            case .link(let target):
                ProtoWriter.fieldLength(3, content: link(target, pathBytes: pathBytes))
            case .directory: ProtoWriter.fieldLength(4, content: directory)
            }
        return ProtoWriter.fieldLength(1, content: UInt64(entry.name.utf8.count)) + content
            + attributes(of: entry)
    }

    static func link(_ target: String, pathBytes: UInt64) -> UInt64 {
        (target.isEmpty ? 0 : ProtoWriter.fieldLength(1, content: UInt64(target.utf8.count)))
            + ProtoWriter.fieldLength(2, content: pathBytes)
    }

    /// Bytes of its attributes as they are written.
    private static func attributes(of entry: TreeEntry) -> UInt64 {
        let own = entry.attributes
        var sum =
            number(3, UInt64(own.gid)) + number(4, UInt64(own.mode))
            + number(8, own.modifiedNanoseconds) + number(3, UInt64(own.uid))
        if let text = entry.linkText {
            sum += pair(CanonicalForm.linkTextKey.utf8.count, text.utf8.count)
        }
        for (key, value) in entry.share?.pairs ?? [] { sum += pair(key.utf8.count, value.count) }
        for attribute in entry.extended {
            sum += pair(
                CanonicalForm.extendedPrefix.utf8.count + attribute.name.utf8.count,
                attribute.value.count)
        }
        return sum
    }

    /// A number as decimal text under a key of so many bytes.
    private static func number(_ keyBytes: Int, _ value: UInt64) -> UInt64 {
        var digits = 1
        var rest = value
        while rest >= 10 {
            rest /= 10
            digits += 1
        }
        return pair(keyBytes, digits)
    }

    private static func pair(_ keyBytes: Int, _ valueBytes: Int) -> UInt64 {
        ProtoWriter.fieldLength(
            5,
            content: ProtoWriter.fieldLength(1, content: UInt64(keyBytes))
                + ProtoWriter.fieldLength(2, content: UInt64(valueBytes)))
    }
}
