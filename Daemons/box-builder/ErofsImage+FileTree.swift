package import ServiceModel
import SharedCrypto
package import Syscalls

/// The image of a box, from the tree that its service id is computed from.
extension ErofsImage {
    /// Writes the metadata image of a box's tree from the file's present position on. The contents
    /// are named by their places in the object store.
    ///
    /// - Returns: the SHA-256 of the image.
    /// - Throws: what writing throws; `.exists`, `.nameTooLong`, `.invalid` or `.fileTooLarge` for a
    ///   tree that no importer lets through.
    package static func write(
        _ tree: FileTree, to file: borrowing Descriptor
    ) throws(Errno) -> ContentDigest {
        let image: ErofsImage
        do throws(ErofsTree.Failure) {
            image = try ErofsImage(try ErofsTree(tree))
        } catch {
            throw error.errno
        }
        var hash = SHA256()
        try image.write { (piece: [UInt8]) throws(Errno) in
            // SAFETY: bytes have no padding; they are read during the call.
            unsafe piece.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
            try File.writeAll(file, piece)
        }
        return ContentDigest(hash)
    }
}

extension ErofsTree {
    /// The tree of a box, as it is shown to an instance.
    package init(_ tree: FileTree) throws(Failure) {
        try self.init(root: Attributes(tree.attributes))
        try add(tree.entries, in: .root)
    }

    private mutating func add(_ entries: [TreeEntry], in parent: Node) throws(Failure) {
        for entry in entries {
            let name = Array(entry.name.utf8)
            var attributes = Attributes(entry.attributes)
            attributes.extended = entry.extended.map { (Array($0.name.utf8), $0.value) }
            switch entry.content {
            case .file(let digest, let bytes):
                try addFile(
                    name, in: parent, bytes: bytes, content: Array("/\(digest.objectPath)".utf8),
                    attributes)
            case .link:
                try addSymlink(name, in: parent, to: Array(entry.text.utf8), attributes)
            case .directory(let below):
                try add(below, in: try addDirectory(name, in: parent, attributes))
            }
        }
    }
}

extension ErofsTree.Attributes {
    init(_ attributes: FileAttributes) {
        self.init(
            permissions: attributes.permissionsInside, uid: attributes.uid, gid: attributes.gid,
            modifiedSeconds: attributes.modifiedNanoseconds / 1_000_000_000,
            modifiedNanoseconds: UInt32(attributes.modifiedNanoseconds % 1_000_000_000))
    }
}

extension ContentDigest {
    /// Of what was hashed so far.
    init(_ hash: SHA256) {
        guard let digest = ContentDigest(Array(hash.finalize())) else {
            preconditionFailure("a SHA-256 has 32 bytes")
        }
        self = digest
    }
}

extension ErofsTree.Failure {
    /// A bug of whoever made the tree, as far as a caller can act on it.
    fileprivate var errno: Errno {
        switch self {
        case .badName, .badAttribute: .invalid
        case .duplicateName: .exists
        case .badTarget: .nameTooLong
        case .tooLarge: .fileTooLarge
        }
    }
}
