/// One name in a directory.
///
/// Two names are the same when their bytes are: a kernel knows of no spellings of one letter.
package struct TreeEntry: Sendable {
    package var name: String
    package var attributes: FileAttributes
    package var content: Content
    /// nil for almost all entries, so that those pay one word for it.
    private var extras: Extras?

    package enum Content: Equatable, Sendable {
        case file(ContentDigest, bytes: UInt64)
        /// The absolute path it resolves to, from the root of the box: what the canonical form
        /// holds as `src` (celaut-wire-facts, "Filesystem tree").
        case link(target: String)
        /// Sorted by the bytes of the names.
        indirect case directory([TreeEntry])

        package static func == (left: Content, right: Content) -> Bool {
            switch (left, right) {
            case (.file(let one, let bytes), .file(let other, let otherBytes)):
                one == other && bytes == otherBytes
            case (.link(let one), .link(let other)): one.utf8.elementsEqual(other.utf8)
            case (.directory(let one), .directory(let other)): one == other
            default: false
            }
        }
    }

    package init(
        name: String, attributes: FileAttributes, content: Content, linkText: String? = nil,
        extended: [ExtendedAttribute] = []
    ) {
        self.name = name
        self.attributes = attributes
        self.content = content
        extras = Extras(linkText: linkText, extended: extended, share: nil)
    }

    /// Whether a directory can have an entry of this name: not empty, ".", or "..", at most 255
    /// bytes, no slash, no NUL.
    package static func isName(_ text: String) -> Bool {
        let bytes = text.utf8
        return !bytes.isEmpty && bytes.count <= 255 && !bytes.elementsEqual(".".utf8)
            && !bytes.elementsEqual("..".utf8)
            && !bytes.contains { $0 == 0 || $0 == UInt8(ascii: "/") }
    }

    /// What the symbolic link itself says where that is not `target`: "../lib". nil where it is.
    package var linkText: String? {
        get { extras?.linkText }
        set { extras = Extras(linkText: newValue, extended: extended, share: share) }
    }

    /// The extended attributes that are kept, sorted by the bytes of their names, each once.
    package var extended: [ExtendedAttribute] {
        get { extras?.extended ?? [] }
        set { extras = Extras(linkText: linkText, extended: newValue, share: share) }
    }

    /// What a directory is between an instance and its parent; nil for all others.
    package var share: DirectoryShare? {
        get { extras?.share }
        set { extras = Extras(linkText: linkText, extended: extended, share: newValue) }
    }

    private final class Extras: Sendable {
        let linkText: String?
        let extended: [ExtendedAttribute]
        let share: DirectoryShare?

        init?(linkText: String?, extended: [ExtendedAttribute], share: DirectoryShare?) {
            if linkText == nil && extended.isEmpty && share == nil { return nil }
            self.linkText = linkText
            self.share = share
            self.extended = extended.sorted {
                $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
            }
        }
    }
}

extension TreeEntry: Equatable {
    package static func == (left: TreeEntry, right: TreeEntry) -> Bool {
        left.name.utf8.elementsEqual(right.name.utf8) && left.attributes == right.attributes
            && left.content == right.content && left.hasExtras(of: right)
    }

    /// Whether it has what the other one has beside its name, attributes and content.
    package func hasExtras(of other: TreeEntry) -> Bool {
        if extras == nil && other.extras == nil { return true }
        return linkText.map { Array($0.utf8) } == other.linkText.map { Array($0.utf8) }
            && extended == other.extended && share == other.share
    }
}

/// An extended attribute of a file, a directory or a link: only those of the "user." name space are
/// part of a box. Capabilities and labels of a host are not.
package struct ExtendedAttribute: Sendable {
    /// With its name space: "user.comment".
    package var name: String
    package var value: [UInt8]

    package init(name: String, value: [UInt8]) {
        self.name = name
        self.value = value
    }

    package static let space = "user."

    // LIMIT: XATTR_NAME_MAX of Linux.
    package static let nameBytesMax = 255

    // LIMIT: names and values of one entry: what ext4 keeps in the block it has for them.
    package static let bytesMax = 4_096

    /// Whether the name is one that a box may keep.
    package static func isKept(_ name: String) -> Bool {
        name.utf8.starts(with: space.utf8) && name.utf8.count > space.utf8.count
            && name.utf8.count <= nameBytesMax && !name.utf8.contains(0)
    }
}

extension ExtendedAttribute: Equatable {
    package static func == (left: ExtendedAttribute, right: ExtendedAttribute) -> Bool {
        left.name.utf8.elementsEqual(right.name.utf8) && left.value == right.value
    }
}

/// What a name has beside its content.
package struct FileAttributes: Equatable, Sendable {
    /// The full `st_mode`, with the bits of the type.
    package var mode: UInt32
    /// Of its owner and group: 0 unless whoever made the box asked for its owners to be kept.
    package var uid: UInt32
    package var gid: UInt32
    /// Nanoseconds since 1970.
    package var modifiedNanoseconds: UInt64

    package init(mode: UInt32, uid: UInt32 = 0, gid: UInt32 = 0, modifiedNanoseconds: UInt64 = 0) {
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.modifiedNanoseconds = modifiedNanoseconds
    }

    package static let typeMask: UInt32 = 0o170000
    package static let typeRegular: UInt32 = 0o100000
    package static let typeDirectory: UInt32 = 0o040000
    package static let typeLink: UInt32 = 0o120000

    /// A directory that no archive named.
    package static let directory = FileAttributes(mode: typeDirectory | 0o755)

    package var permissions: UInt32 { mode & 0o7777 }

    /// What an instance sees of them: no bits that change who a program runs as. A box that comes
    /// from elsewhere may have them, and its id covers them.
    package var permissionsInside: UInt32 { mode & 0o1777 }
}
