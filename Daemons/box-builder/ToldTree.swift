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

    // LIMIT: how long a silent sender is waited for before `isCancelled` is asked again.
    private static let patience: Int32 = 100

    /// Reads what is told, to its end.
    ///
    /// - Parameters:
    ///   - keepsOwners: as the archive is read.
    ///   - isCancelled: asked between steps, and at least ten times a second while the sender is silent.
    /// - Returns: the tree, its files with their lengths and the digest of nothing; nil where nothing was
    ///   told, whatever is the cause.
    package static func read(
        _ descriptor: borrowing Descriptor, keepsOwners: Bool, isCancelled: () -> Bool
    ) -> FileTree? {
        let builder = TreeBuilder()
        let placement = TarPlacement(builder: builder, keepsOwners: keepsOwners, log: nil)
        var entries = 0
        var contentBytes: UInt64 = 0
        var reader = ToldReader()
        do {
            while let bytes = try more(descriptor, isCancelled) {
                try reader.feed(bytes)
                while let entry = try reader.next() {
                    entries += 1 + entry.header.userAttributes.count
                    let left = TarTree.contentBytesMax - contentBytes
                    guard entries <= entriesMax, entry.contentBytes <= left else { return nil }
                    contentBytes += entry.contentBytes
                    let path = try EntryPath(entry.header.path)
                    try placement.add(entry.header, at: path) {
                        (.ofNothing, entry.contentBytes)
                    }
                }
                if reader.isAtEnd { return builder.tree() }
            }
            return nil
        } catch {
            return nil
        }
    }

    /// What came; nil at the end, and when it is not waited for any more.
    private static func more(
        _ descriptor: borrowing Descriptor, _ isCancelled: () -> Bool
    ) throws(Errno) -> [UInt8]? {
        while !isCancelled() {
            guard try File.waitReadable(descriptor, milliseconds: patience) else { continue }
            var buffer = [UInt8](repeating: 0, count: 65_536)
            let count = try File.read(descriptor, into: &buffer)
            guard count > 0 else { return nil }
            buffer.removeLast(buffer.count - count)
            return buffer
        }
        return nil
    }
}

/// The entries of a stream of `ToldEntry`, in whatever pieces it comes.
///
/// Keeps true: holds no more than a piece and an entry, and never more than the bounds in all. Read by
/// hand and not with the generated message, whose fields are each an object: ten thousand entries take
/// a few milliseconds of a core that has an archive to read meanwhile.
struct ToldReader {
    enum Trouble: Error {
        case malformed, tooLarge
    }

    struct Entry {
        let header: TarHeader
        let contentBytes: UInt64
    }

    private var held: [UInt8] = []
    private var offset = 0
    private var total = 0
    /// The length of 0 came.
    private(set) var isAtEnd = false

    mutating func feed(_ bytes: [UInt8]) throws(Trouble) {
        total += bytes.count
        guard total <= ToldTree.bytesMax else { throw .tooLarge }
        held.removeFirst(offset)
        offset = 0
        held += bytes
    }

    /// The next entry; nil where its bytes are not there yet, and at the end.
    mutating func next() throws(Trouble) -> Entry? {
        guard !isAtEnd else { return nil }
        var cursor = Cursor(bytes: held, position: offset, end: held.count)
        guard let length = try cursor.length() else { return nil }
        guard length <= ToldTree.entryBytesMax else { throw .tooLarge }
        if length == 0 {
            isAtEnd = true
            return nil
        }
        guard cursor.position + length <= held.count else { return nil }
        cursor.end = cursor.position + length
        offset = cursor.end
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

        /// A length in front of an entry; nil where it is not whole yet.
        mutating func length() throws(Trouble) -> Int? {
            let start = position
            // Four times seven bits are more than any length that is allowed.
            for index in start..<min(end, start + 4) where bytes[index] < 0x80 {
                return Int(exactly: try varint())
            }
            guard end < start + 4 else { throw .tooLarge }
            return nil
        }

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
