import SharedCrypto

/// The canonical form of a service: its expanded proto3 bytes, made as a stream and never held.
///
/// The id of a service is the SHA3-256 of these bytes. They are the same whatever the store or the
/// codec a box came in, because they depend on the specification, the tree and the contents alone.
/// Field numbers: celaut-wire-facts, "Messages"; attributes: "Filesystem tree".
package enum CanonicalForm {
    package struct Identity: Equatable, Sendable {
        /// 32 bytes.
        package let id: [UInt8]
        /// Bytes of the expanded form.
        package let bytes: UInt64

        package init(id: [UInt8], bytes: UInt64) {
            self.id = id
            self.bytes = bytes
        }
    }

    /// Computes the id.
    ///
    /// - Parameter read: gives the bytes of a content, in order, to the closure.
    /// - Returns: nil when a content did not have the length the tree says.
    package static func identify<E: Error>(
        service: Service, tree: FileTree,
        read: (ContentDigest, (RawSpan) -> Void) throws(E) -> Void
    ) throws(E) -> Identity? {
        let measured = CanonicalLengths(service, tree)
        let hash = Hash()
        var isWhole = true
        try emit(
            service, tree, measured,
            literal: { piece throws(E) in hash.update(piece) },
            content: { digest, bytes throws(E) in
                var given: UInt64 = 0
                try read(digest) { chunk in
                    given += UInt64(chunk.byteCount)
                    hash.update(chunk)
                }
                if given != bytes { isWhole = false }
            })
        return isWhole ? Identity(id: hash.id, bytes: measured.total) : nil
    }

    private final class Hash {
        private var state = ServiceHash()

        func update(_ piece: RawSpan) {
            // SAFETY: the piece is hashed during the call that gives it.
            unsafe piece.withUnsafeBytes { unsafe state.update(bufferPointer: $0) }
        }

        var id: [UInt8] { Array(state.finalize()) }
    }

    /// Bytes of the expanded form, without reading any content.
    package static func length(of service: Service, _ tree: FileTree) -> UInt64 {
        CanonicalLengths(service, tree).total
    }

    /// Gives the whole form in order: runs of bytes, and for each content that is not empty its
    /// digest and length where its bytes stand.
    package static func emit<E: Error>(
        _ service: Service, _ tree: FileTree,
        literal: (RawSpan) throws(E) -> Void,
        content: (ContentDigest, UInt64) throws(E) -> Void
    ) throws(E) {
        try emit(
            service, tree, CanonicalLengths(service, tree), literal: literal, content: content)
    }

    /// The same for the serialized Filesystem alone: what the field of the container holds.
    package static func emitFilesystem<E: Error>(
        _ tree: FileTree,
        literal: (RawSpan) throws(E) -> Void,
        content: (ContentDigest, UInt64) throws(E) -> Void
    ) throws(E) {
        var gathered = Gathered(CanonicalLengths(Service(), tree))
        try emit(tree.entries, path: "", into: &gathered, literal, content)
        gathered.writer.raw(CanonicalLengths.rootBytes(tree))
        try gathered.flush(to: literal)
    }

    private static func emit<E: Error>(
        _ service: Service, _ tree: FileTree, _ lengths: CanonicalLengths,
        literal: (RawSpan) throws(E) -> Void,
        content: (ContentDigest, UInt64) throws(E) -> Void
    ) throws(E) {
        var gathered = Gathered(lengths)
        gathered.writer.raw(lengths.parts.beforeContainer)
        gathered.writer.head(Service.containerField, length: lengths.container)
        gathered.writer.raw(lengths.parts.beforeFilesystem)
        gathered.writer.head(Container.filesystemField, length: lengths.filesystem)
        try emit(tree.entries, path: "", into: &gathered, literal, content)
        gathered.writer.raw(CanonicalLengths.rootBytes(tree))
        gathered.writer.raw(lengths.parts.afterFilesystem)
        gathered.writer.raw(lengths.parts.afterContainer)
        try gathered.flush(to: literal)
    }

    /// What lies between two contents, given on in pieces.
    private struct Gathered {
        // LIMIT: 64 KiB held before it is given on: few calls, and no growth with the tree.
        private static let bytesMax = 65_536
        var writer = ProtoWriter()
        private var directories: ArraySlice<UInt64>

        init(_ lengths: CanonicalLengths) {
            directories = lengths.directories[...]
        }

        /// Of the next directory, in the order in which they are written.
        mutating func nextDirectory() -> UInt64 { directories.popFirst() ?? 0 }

        mutating func flush<E: Error>(to sink: (RawSpan) throws(E) -> Void) throws(E) {
            if writer.bytes.isEmpty { return }
            // SAFETY: bytes have no padding.
            unsafe try sink(writer.bytes.span.bytes)
            writer.removeAll()
        }

        mutating func flushWhenFull<E: Error>(
            to sink: (RawSpan) throws(E) -> Void
        ) throws(E) {
            if writer.bytes.count >= Self.bytesMax { try flush(to: sink) }
        }
    }

    private static func emit<E: Error>(
        _ entries: [TreeEntry], path: String, into gathered: inout Gathered,
        _ literal: (RawSpan) throws(E) -> Void,
        _ content: (ContentDigest, UInt64) throws(E) -> Void
    ) throws(E) {
        for entry in entries {
            let own = "\(path)/\(entry.name)"
            var below: UInt64 = 0
            if case .directory = entry.content { below = gathered.nextDirectory() }
            gathered.writer.head(
                1,
                length: CanonicalLengths.branch(
                    entry, pathBytes: UInt64(own.utf8.count), directory: below))
            gathered.writer.always(1, text: entry.name)
            switch entry.content {
            case .file(let digest, let bytes):
                gathered.writer.head(2, length: bytes)
                if bytes == 0 { break }
                try gathered.flush(to: literal)
                try content(digest, bytes)
            case .link(let target):
                gathered.writer.head(
                    3,
                    length: CanonicalLengths.link(target, pathBytes: UInt64(own.utf8.count)))
                gathered.writer.text(1, target)
                gathered.writer.always(2, text: own)
            case .directory(let entries):
                gathered.writer.head(4, length: below)
                try emit(entries, path: own, into: &gathered, literal, content)
            }
            gathered.writer.raw(attributeBytes(of: entry))
            try gathered.flushWhenFull(to: literal)
        }
    }

    // MARK: Attributes

    /// The key under which the branch of a symbolic link has the link's own text, where that is not
    /// its target.
    package static let linkTextKey = "link"

    /// What stands before the name of an extended attribute, so that none is taken for another key.
    package static let extendedPrefix = "xattr."

    /// The attributes as the map they are written as, sorted by key.
    package static func attributeBytes(_ attributes: FileAttributes) -> [UInt8] {
        var writer = ProtoWriter()
        for (key, value) in numbers(attributes) {
            writer.pair(5, key, Array(String(value).utf8))
        }
        return writer.bytes
    }

    /// The same with what few entries have beside them.
    static func attributeBytes(of entry: TreeEntry) -> [UInt8] {
        if let share = entry.share { return attributeBytes(of: entry, share) }
        var writer = ProtoWriter()
        // "link" comes after "gid" and before "mode"; the prefix of the others comes last.
        for (key, value) in numbers(entry.attributes) {
            if key == "mode", let text = entry.linkText {
                writer.pair(5, linkTextKey, Array(text.utf8))
            }
            writer.pair(5, key, Array(String(value).utf8))
        }
        for attribute in entry.extended {
            writer.pair(5, extendedPrefix + attribute.name, attribute.value)
        }
        return writer.bytes
    }

    /// Of a directory that is shared.
    private static func attributeBytes(
        of entry: TreeEntry, _ share: DirectoryShare
    ) -> [UInt8] {
        var pairs = share.pairs
        pairs += numbers(entry.attributes).map { ($0, Array(String($1).utf8)) }
        pairs += entry.extended.map { (extendedPrefix + $0.name, $0.value) }
        pairs.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        var writer = ProtoWriter()
        for (key, value) in pairs { writer.pair(5, key, value) }
        return writer.bytes
    }

    private static func numbers(_ attributes: FileAttributes) -> [(String, UInt64)] {
        [
            ("gid", UInt64(attributes.gid)), ("mode", UInt64(attributes.mode)),
            ("mtime_ns", attributes.modifiedNanoseconds), ("uid", UInt64(attributes.uid)),
        ]
    }
}
