import Interfaces
package import ServiceModel
package import Syscalls

/// The tree that a sender says is in an archive, before the archive is there.
///
/// Keeps true: it is made as that of the archive is, so that the same headers give the same tree; what
/// is told is all or nothing. Refuses nothing by name: who tells too much, too little or nonsense has
/// told nothing, and the archive speaks for itself.
package enum ToldTree {
    // LIMIT: entries that are told, and their attributes. An import has the told tree beside the one that
    // is read, and stays within the same 64 MiB; a larger tree is hashed when it was read.
    package static let entriesMax = 65_536

    // LIMIT: bytes of all that is told, for as many entries of the length that paths have. As above.
    package static let bytesMax = 8 << 20

    // LIMIT: bytes of one entry: the longest path, target and attributes there may be.
    static let entryBytesMax = 16_384

    /// What is told, as it came.
    ///
    /// - Parameter isCancelled: asked between steps, and at least ten times a second while the sender
    ///   is silent.
    /// - Returns: nil where that is too much, or its end is not waited for any more.
    static func receive(
        _ descriptor: borrowing Descriptor, wait: PeerWait = PeerWait(), isCancelled: () -> Bool
    ) -> [UInt8]? {
        var told: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        do {
            while true {
                try wait.reading(descriptor, "told", isCancelled)
                let count = try File.read(descriptor, into: &buffer)
                wait.moved(count)
                if count == 0 { return told }
                guard told.count + count <= bytesMax else { return nil }
                told += buffer[..<count]
            }
        } catch {
            return nil
        }
    }

    /// The tree that is told.
    ///
    /// - Parameter keepsOwners: as the archive is read.
    /// - Returns: the tree, its files with their lengths and the digest of nothing; nil where nothing was
    ///   told, whatever is the cause.
    static func tree(of told: [UInt8], keepsOwners: Bool) -> FileTree? {
        let builder = TreeBuilder()
        let placement = TarPlacement(builder: builder, keepsOwners: keepsOwners, log: nil)
        var entries = 0
        var contentBytes: UInt64 = 0
        var reader = ToldReader(told)
        do {
            while let entry = try reader.next() {
                entries += 1 + entry.header.userAttributes.count
                let left = TarTree.contentBytesMax - contentBytes
                guard entries <= entriesMax, entry.contentBytes <= left else { return nil }
                contentBytes += entry.contentBytes
                let path = try EntryPath(entry.header.path)
                try placement.add(
                    entry.header, at: path, content: { (.ofNothing, entry.contentBytes) })
            }
            return builder.tree()
        } catch {
            return nil
        }
    }

    /// Both, one after the other.
    package static func read(
        _ descriptor: borrowing Descriptor, keepsOwners: Bool, wait: PeerWait = PeerWait(),
        isCancelled: () -> Bool
    ) -> FileTree? {
        receive(descriptor, wait: wait, isCancelled: isCancelled)
            .flatMap { tree(of: $0, keepsOwners: keepsOwners) }
    }
}

/// The entries of a stream of `ToldEntry`, up to the length of 0 that ends it.
///
/// Read by hand and not with the generated message, whose fields are each an object: ten thousand
/// entries take a few milliseconds of a core that has an archive to read meanwhile.
struct ToldReader {
    enum Trouble: Error {
        case malformed, tooLarge
    }

    struct Entry {
        let header: TarHeader
        let contentBytes: UInt64
    }

    private var cursor: Cursor

    init(_ told: [UInt8]) {
        cursor = Cursor(bytes: told, position: 0, end: told.count)
    }

    /// The next entry; nil at the end.
    mutating func next() throws(Trouble) -> Entry? {
        cursor.end = cursor.bytes.count
        let length = try cursor.count()
        guard length <= ToldTree.entryBytesMax else { throw .tooLarge }
        if length == 0 { return nil }
        cursor.end = cursor.position + length
        return try Self.entry(&cursor)
    }

    private static func entry(_ cursor: inout Cursor) throws(Trouble) -> Entry {
        var path: [UInt8] = []
        var target: [UInt8] = []
        var numbers = (kind: UInt64(0), mode: UInt64(0), uid: UInt64(0), gid: UInt64(0))
        var contentBytes: UInt64 = 0
        var attributes: [(name: [UInt8], value: [UInt8])] = []
        while cursor.position < cursor.end {
            // Each field's number, and how it is encoded.
            switch try cursor.varint() {
            case 1 << 3 | 2: path = try cursor.blob()
            case 2 << 3: numbers.kind = try cursor.varint()
            case 3 << 3: numbers.mode = try cursor.varint()
            case 4 << 3: numbers.uid = try cursor.varint()
            case 5 << 3: numbers.gid = try cursor.varint()
            case 6 << 3: contentBytes = try cursor.varint()
            case 7 << 3 | 2: target = try cursor.blob()
            case 8 << 3 | 2: attributes.append(try attribute(&cursor))
            // A sender that says more than this one knows: the archive will tell.
            default: throw .malformed
            }
        }
        guard let kind = kind(numbers.kind, target), numbers.mode <= 0o7777,
            let uid = Int64(exactly: numbers.uid), let gid = Int64(exactly: numbers.gid)
        else { throw .malformed }
        return Entry(
            header: TarHeader(
                path: path, kind: kind, permissions: UInt32(numbers.mode), uid: uid, gid: gid,
                hasTime: false, userAttributes: attributes, otherAttributes: []),
            contentBytes: contentBytes)
    }

    private static func attribute(
        _ cursor: inout Cursor
    ) throws(Trouble) -> (name: [UInt8], value: [UInt8]) {
        let length = try cursor.count()
        let end = cursor.end
        cursor.end = cursor.position + length
        var (name, value): ([UInt8], [UInt8]) = ([], [])
        while cursor.position < cursor.end {
            switch try cursor.varint() {
            case 1 << 3 | 2: name = try cursor.blob()
            case 2 << 3 | 2: value = try cursor.blob()
            default: throw .malformed
            }
        }
        cursor.end = end
        return (name, value)
    }

    private static func kind(_ number: UInt64, _ target: [UInt8]) -> TarHeader.Kind? {
        switch ToldKind(rawValue: Int(truncatingIfNeeded: number)) {
        case .file: .file
        case .directory: .directory
        case .link: .link(target: target)
        case .hardLink: .hardLink(target: target)
        default: nil
        }
    }
}

extension ToldReader {
    /// A place in the bytes that are held, and where what is read there ends.
    private struct Cursor {
        let bytes: [UInt8]
        var position: Int
        var end: Int

        mutating func varint() throws(Trouble) -> UInt64 {
            var value: UInt64 = 0
            for shift in stride(from: UInt64(0), to: 70, by: 7) {
                guard position < end else { throw .malformed }
                let byte = bytes[position]
                position += 1
                if shift == 63 && byte > 1 { throw .malformed }
                value |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return value }
            }
            throw .malformed
        }

        /// The length of a field that follows.
        mutating func count() throws(Trouble) -> Int {
            let length = try varint()
            guard length <= UInt64(end - position) else { throw .malformed }
            return Int(length)
        }

        mutating func blob() throws(Trouble) -> [UInt8] {
            let length = try count()
            defer { position += length }
            return Array(bytes[position..<(position + length)])
        }
    }
}
