import Interfaces

/// What a layer of an image says is no longer there (OCI image specification, layer.md "Whiteouts").
///
/// Keeps true: a whiteout takes away only what layers below put beside it. Refuses one whose name
/// leads elsewhere.
enum Whiteout {
    private static let prefix = ".wh."
    /// All that layers below have in the directory.
    private static let opaque = ".wh..wh..opq"
    /// Names that a union file system of old kept for itself.
    private static let reserved = ".wh..wh."

    /// - Returns: whether the entry is one; then it is done and is no entry of the tree.
    static func apply(_ path: EntryPath, to builder: TreeBuilder) throws(Fault) -> Bool {
        // What is in a directory of the old kind's own goes with it.
        if path.names.dropLast().contains(where: { $0.hasPrefix(reserved) }) { return true }
        guard let name = path.names.last, name.hasPrefix(prefix) else { return false }
        if name == opaque {
            builder.removeAllBelow(in: path.parent)
            return true
        }
        if name.hasPrefix(reserved) { return true }
        let target = String(name.dropFirst(prefix.count))
        guard target != ".." else { throw .invalid(.pathEscapes, subject: path.text) }
        guard !target.isEmpty, target != "." else {
            throw .invalid(.badName, subject: path.text)
        }
        builder.removeBelow(path.parent.appending(target))
        return true
    }
}
