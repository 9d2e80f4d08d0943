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
    }

    /// Computes the id.
    ///
    /// - Parameter read: gives the bytes of a content, in order, to the closure.
    /// - Returns: nil when a content did not have the length the tree says.
    package static func identify<E: Error>(
        service: Service, tree: FileTree,
        read: (ContentDigest, (RawSpan) -> Void) throws(E) -> Void
    ) throws(E) -> Identity? {
        var hash = SHA3_256()
        var isWhole = true
        let bytes = length(of: service, tree)
        try emit(
            service, tree,
            to: { piece in
                // SAFETY: the piece is hashed during the call that gives it.
                unsafe piece.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
            }, read: read, mismatch: { isWhole = false })
        return isWhole ? Identity(id: Array(hash.finalize()), bytes: bytes) : nil
    }

    /// Bytes of the expanded form, without reading any content.
    package static func length(of service: Service, _ tree: FileTree) -> UInt64 {
        let parts = Parts(service)
        let container = parts.containerLength(fileSystemLength(tree.entries))
        return UInt64(parts.beforeContainer.count)
            + ProtoWriter.fieldLength(Service.containerField, content: container)
            + UInt64(parts.afterContainer.count)
    }

    /// The bytes of a service around its filesystem.
    private struct Parts {
        var beforeContainer: [UInt8]
        var beforeFilesystem: [UInt8]
        var afterFilesystem: [UInt8]
        var afterContainer: [UInt8]

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

        func containerLength(_ fileSystem: UInt64) -> UInt64 {
            UInt64(beforeFilesystem.count)
                + ProtoWriter.fieldLength(Container.filesystemField, content: fileSystem)
                + UInt64(afterFilesystem.count)
        }
    }

    // MARK: Lengths
    // A directory's length is asked for at each level above it: entries times depth, in all.

    private static func fileSystemLength(_ entries: [TreeEntry], below path: UInt64 = 0) -> UInt64 {
        entries.reduce(0) { sum, entry in
            sum + ProtoWriter.fieldLength(1, content: branchLength(entry, below: path))
        }
    }

    /// - Parameter path: bytes of the path of the directory it is in; 0 for the root.
    private static func branchLength(_ entry: TreeEntry, below path: UInt64) -> UInt64 {
        let name = UInt64(entry.name.utf8.count)
        let content =
            switch entry.content {
            case .file(_, let bytes): ProtoWriter.fieldLength(2, content: bytes)
            case .link(let target):
                ProtoWriter.fieldLength(
                    3, content: linkLength(target, pathBytes: path + 1 + name))
            case .directory(let below):
                ProtoWriter.fieldLength(
                    4, content: fileSystemLength(below, below: path + 1 + name))
            }
        return ProtoWriter.fieldLength(1, content: name) + content
            + UInt64(attributeBytes(entry.attributes).count)
    }

    private static func linkLength(_ target: String, pathBytes: UInt64) -> UInt64 {
        (target.isEmpty ? 0 : ProtoWriter.fieldLength(1, content: UInt64(target.utf8.count)))
            + ProtoWriter.fieldLength(2, content: pathBytes)
    }

    /// The attributes as the map they are written as, sorted by key.
    private static func attributeBytes(_ attributes: FileAttributes) -> [UInt8] {
        var writer = ProtoWriter()
        for (key, value) in [
            ("gid", UInt64(attributes.gid)), ("mode", UInt64(attributes.mode)),
            ("mtime_ns", attributes.modifiedNanoseconds), ("uid", UInt64(attributes.uid)),
        ] {
            var entry = ProtoWriter()
            entry.always(1, text: key)
            entry.always(2, text: String(value))
            writer.always(5, blob: entry.bytes)
        }
        return writer.bytes
    }

    // MARK: Bytes

    /// Gives the whole form to `sink` in order; `mismatch` is called for a content of another length.
    package static func emit<E: Error>(
        _ service: Service, _ tree: FileTree, to sink: @escaping (RawSpan) -> Void,
        read: (ContentDigest, (RawSpan) -> Void) throws(E) -> Void,
        mismatch: () -> Void
    ) throws(E) {
        let parts = Parts(service)
        let fileSystem = fileSystemLength(tree.entries)
        var gathered = Gathered()
        gathered.writer.raw(parts.beforeContainer)
        gathered.writer.head(
            Service.containerField, length: parts.containerLength(fileSystem))
        gathered.writer.raw(parts.beforeFilesystem)
        gathered.writer.head(Container.filesystemField, length: fileSystem)
        try emit(
            tree.entries, path: "", into: &gathered, to: sink, read: read, mismatch: mismatch)
        gathered.writer.raw(parts.afterFilesystem)
        gathered.writer.raw(parts.afterContainer)
        gathered.flush(to: sink)
    }

    /// What lies between two contents, given on in pieces.
    private struct Gathered {
        // LIMIT: 64 KiB held before it is given on: few calls, and no growth with the tree.
        private static let bytesMax = 65_536
        var writer = ProtoWriter()

        mutating func flush(to sink: @escaping (RawSpan) -> Void) {
            // SAFETY: bytes have no padding.
            unsafe sink(writer.bytes.span.bytes)
            writer = ProtoWriter()
        }

        mutating func flushWhenFull(to sink: @escaping (RawSpan) -> Void) {
            if writer.bytes.count >= Self.bytesMax { flush(to: sink) }
        }
    }

    private static func emit<E: Error>(
        _ entries: [TreeEntry], path: String, into gathered: inout Gathered,
        to sink: @escaping (RawSpan) -> Void,
        read: (ContentDigest, (RawSpan) -> Void) throws(E) -> Void,
        mismatch: () -> Void
    ) throws(E) {
        for entry in entries {
            let own = "\(path)/\(entry.name)"
            gathered.writer.head(1, length: branchLength(entry, below: UInt64(path.utf8.count)))
            gathered.writer.always(1, text: entry.name)
            switch entry.content {
            case .file(let digest, let bytes):
                gathered.writer.head(2, length: bytes)
                if bytes == 0 { break }
                gathered.flush(to: sink)
                var given: UInt64 = 0
                try read(digest) { chunk in
                    given += UInt64(chunk.byteCount)
                    sink(chunk)
                }
                if given != bytes { mismatch() }
            case .link(let target):
                let length = linkLength(target, pathBytes: UInt64(own.utf8.count))
                gathered.writer.head(3, length: length)
                gathered.writer.text(1, target)
                gathered.writer.always(2, text: own)
            case .directory(let below):
                gathered.writer.head(
                    4, length: fileSystemLength(below, below: UInt64(own.utf8.count)))
                try emit(
                    below, path: own, into: &gathered, to: sink, read: read, mismatch: mismatch)
            }
            gathered.writer.raw(attributeBytes(entry.attributes))
            gathered.flushWhenFull(to: sink)
        }
    }
}
