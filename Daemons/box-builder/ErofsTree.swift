/// The tree of a metadata image: names, attributes and what each regular file's content is called in
/// the store. No content is held, and no path: a node knows its parent.
///
/// Keeps true: every node but the root has a parent that is a directory; names are 1 to 255 bytes
/// without NUL and "/". Refuses (when it is finished) the same name twice in a directory.
package struct ErofsTree: Sendable {
    package struct Attributes: Sendable, Equatable {
        /// The twelve permission bits.
        package var permissions: UInt32
        package var uid: UInt32
        package var gid: UInt32
        /// Since 1970.
        package var modifiedSeconds: UInt64
        package var modifiedNanoseconds: UInt32
        /// With their full names: "user.x".
        package var extended: [(name: [UInt8], value: [UInt8])]

        package init(
            permissions: UInt32, uid: UInt32 = 0, gid: UInt32 = 0, modifiedSeconds: UInt64 = 0,
            modifiedNanoseconds: UInt32 = 0, extended: [(name: [UInt8], value: [UInt8])] = []
        ) {
            self.permissions = permissions
            self.uid = uid
            self.gid = gid
            self.modifiedSeconds = modifiedSeconds
            self.modifiedNanoseconds = modifiedNanoseconds
            self.extended = extended
        }

        package static func == (left: Self, right: Self) -> Bool {
            left.permissions == right.permissions && left.uid == right.uid
                && left.gid == right.gid && left.modifiedSeconds == right.modifiedSeconds
                && left.modifiedNanoseconds == right.modifiedNanoseconds
                && left.extended.elementsEqual(right.extended) { $0 == $1 }
        }
    }

    package enum Failure: Error, Equatable, Sendable {
        /// Empty, too long, or with a byte no name has.
        case badName([UInt8])
        case duplicateName([UInt8])
        /// An extended attribute whose name space EROFS does not have, or that is too long.
        case badAttribute([UInt8])
        /// A symlink's target is empty or too long.
        case badTarget([UInt8])
        /// More nodes, or more bytes of names, than the image can number.
        case tooLarge
    }

    /// Names a node of this tree.
    package struct Node: Sendable, Hashable {
        let index: Int32
        package static let root = Node(index: 0)
    }

    enum Kind: UInt8, Sendable {
        /// As in a directory entry of the image.
        case regular = 1
        case directory = 2
        case symlink = 7
    }

    /// A part of `text`.
    struct Piece: Sendable {
        var start: Int32 = 0
        var count: Int32 = 0
    }

    struct Entry: Sendable {
        var kind: Kind
        var permissions: UInt16
        var uid: UInt32
        var gid: UInt32
        var modifiedSeconds: UInt64
        var modifiedNanoseconds: UInt32
        /// Of a regular file: bytes of its content.
        var contentBytes: UInt64 = 0
        var parent: Int32
        var name: Piece
        /// Of a symlink.
        var target = Piece()
        /// The inline attributes as the image has them, without a header; empty for none.
        var attributes = Piece()
        var hasContent = false
    }

    private(set) var entries: [Entry] = []
    private(set) var text: [UInt8] = []

    // LIMIT: the longest name the kernel takes, and the longest target.
    package static let nameBytesMax = 255
    package static let targetBytesMax = 4_095
    // LIMIT: the format numbers the bytes of an attribute's value with 16 bits, and all attributes of
    // an inode with 16 bits of words; a page holds what the kernel lists.
    private static let attributeBytesMax = 65_535

    /// A tree of nothing but its root.
    package init(root: Attributes) throws(Failure) {
        try append(.directory, parent: .root, name: [], root)
    }

    package mutating func addDirectory(
        _ name: [UInt8], in parent: Node, _ attributes: Attributes
    ) throws(Failure) -> Node {
        try Self.check(name)
        return try append(.directory, parent: parent, name: name, attributes)
    }

    package mutating func addSymlink(
        _ name: [UInt8], in parent: Node, to target: [UInt8], _ attributes: Attributes
    ) throws(Failure) {
        try Self.check(name)
        guard (1...Self.targetBytesMax).contains(target.count), !target.contains(0) else {
            throw .badTarget(target)
        }
        let node = try append(.symlink, parent: parent, name: name, attributes)
        entries[Int(node.index)].target = try keep(target)
    }

    /// - Parameter content: the path of the content below the store's object directory, from its
    ///   root: "/ab/cdef…". Not looked at for an empty file.
    package mutating func addFile(
        _ name: [UInt8], in parent: Node, bytes: UInt64, content: [UInt8], _ attributes: Attributes
    ) throws(Failure) {
        try Self.check(name)
        var attributes = attributes
        if bytes > 0 {
            // What overlayfs reads (Documentation/filesystems/overlayfs.rst, "Metadata only copy
            // up" and "Data-only lower layers").
            // The mark itself is the same for all: `ErofsLayout.sharedAttribute`.
            attributes.extended.append((Array(Self.redirect.utf8), content))
        }
        let node = try append(.regular, parent: parent, name: name, attributes)
        entries[Int(node.index)].contentBytes = bytes
        entries[Int(node.index)].hasContent = bytes > 0
    }

    func bytes(_ piece: Piece) -> ArraySlice<UInt8> {
        text[Int(piece.start)..<Int(piece.start + piece.count)]
    }

    // MARK: Inside

    private static func check(_ name: [UInt8]) throws(Failure) {
        guard (1...nameBytesMax).contains(name.count), !name.contains(0),
            !name.contains(UInt8(ascii: "/")), name != [0x2E], name != [0x2E, 0x2E]
        else { throw .badName(name) }
    }

    @discardableResult
    private mutating func append(
        _ kind: Kind, parent: Node, name: [UInt8], _ attributes: Attributes
    ) throws(Failure) -> Node {
        precondition(
            entries.isEmpty || entries[Int(parent.index)].kind == .directory,
            "a parent is a directory")
        guard let index = Int32(exactly: entries.count) else { throw .tooLarge }
        var entry = Entry(
            kind: kind, permissions: UInt16(attributes.permissions & 0o7777), uid: attributes.uid,
            gid: attributes.gid, modifiedSeconds: attributes.modifiedSeconds,
            modifiedNanoseconds: attributes.modifiedNanoseconds, parent: parent.index,
            name: try keep(name))
        entry.attributes = try keep(try Self.encode(attributes.extended))
        entries.append(entry)
        return Node(index: index)
    }

    private mutating func keep(_ bytes: [UInt8]) throws(Failure) -> Piece {
        guard let start = Int32(exactly: text.count), text.count + bytes.count <= Int(Int32.max)
        else { throw .tooLarge }
        text += bytes
        return Piece(start: start, count: Int32(bytes.count))
    }

    /// The name that most attributes of an image have; the image says it once.
    static let redirect = "trusted.overlay.redirect"
    /// What stands for it: the first of the image's long prefixes, which is the whole name.
    private static let redirectPrefix: UInt8 = 0x80

    /// Entries of attributes (Documentation/filesystems/erofs.rst).
    private static func encode(
        _ attributes: [(name: [UInt8], value: [UInt8])]
    ) throws(Failure) -> [UInt8] {
        var encoded: [UInt8] = []
        for (name, value) in attributes {
            guard value.count <= attributeBytesMax else { throw .badAttribute(name) }
            if name.elementsEqual(redirect.utf8) {
                encoded += [0, redirectPrefix]
                encoded += [UInt8(value.count & 0xFF), UInt8(value.count >> 8)]
            } else {
                encoded += try head(name, valueBytes: value.count)
            }
            encoded += value
            while encoded.count % 4 != 0 { encoded.append(0) }
        }
        guard encoded.count <= attributeBytesMax else { throw .badAttribute(attributes[0].name) }
        return encoded
    }

    /// `erofs_xattr_entry` and the name behind it.
    static func head(_ name: [UInt8], valueBytes: Int) throws(Failure) -> [UInt8] {
        guard let (space, prefix) = spaces.first(where: { name.starts(with: $0.prefix.utf8) })
        else { throw .badAttribute(name) }
        let rest = name[prefix.utf8.count...]
        guard (1...nameBytesMax).contains(rest.count), !rest.contains(0) else {
            throw .badAttribute(name)
        }
        return [UInt8(rest.count), space, UInt8(valueBytes & 0xFF), UInt8(valueBytes >> 8)] + rest
    }

    /// The numbers of the format for the name spaces a box may have, and overlayfs' own.
    private static let spaces: [(number: UInt8, prefix: String)] = [
        (1, "user."), (4, "trusted."), (6, "security."),
    ]
}
