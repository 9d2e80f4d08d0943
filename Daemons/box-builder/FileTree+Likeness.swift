// Trees that are one but for what is in their files.

package import ServiceModel

extension FileTree {
    /// Whether the other one has the same names with all they have beside the digests of files: what the
    /// lengths in the canonical form depend on, and every byte of it outside of contents.
    package func isAlike(_ other: FileTree) -> Bool {
        attributes == other.attributes && isReadOnly == other.isReadOnly
            && Self.areAlike(entries, other.entries)
    }

    private static func areAlike(_ one: [TreeEntry], _ other: [TreeEntry]) -> Bool {
        one.count == other.count && zip(one, other).allSatisfy(areAlike)
    }

    private static func areAlike(_ one: TreeEntry, _ other: TreeEntry) -> Bool {
        guard one.name.utf8.elementsEqual(other.name.utf8), one.attributes == other.attributes,
            one.hasExtras(of: other)
        else { return false }
        switch (one.content, other.content) {
        case (.file(_, let bytes), .file(_, let otherBytes)): return bytes == otherBytes
        case (.directory(let below), .directory(let otherBelow)):
            return areAlike(below, otherBelow)
        case (.link, .link): return one.content == other.content
        default: return false
        }
    }
}
