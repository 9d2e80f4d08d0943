package import Interfaces
package import ServiceModel
import SharedCrypto
import Syscalls

/// The form of a box as an object of the store (see `BoxForm`): how it comes there and how it is
/// read.
package struct StoredForm: Equatable, Sendable {
    /// The object's name.
    package let digest: ContentDigest
    /// The object's bytes.
    package let bytes: UInt64

    package init(digest: ContentDigest, bytes: UInt64) {
        self.digest = digest
        self.bytes = bytes
    }

    // LIMIT: bytes of an object that are read in one step.
    static let stepBytes = 262_144

    /// Computes the id of a service that was made here, and stores its form.
    ///
    /// - Parameter give: gives the bytes of the content that stands next in the tree; returns its
    ///   digest.
    package static func identify(
        _ service: Service, _ tree: FileTree, into contents: ImportedContents,
        give: (
            ContentDigest, UInt64, (RawSpan) throws(Fault) -> Void
        ) throws(Fault) -> ContentDigest
    ) throws(Fault) -> (CanonicalForm.Identity, StoredForm) {
        var hash = ServiceHash()
        var total: UInt64 = 0
        var writing = try Writing(contents)
        try CanonicalForm.emit(
            service, tree,
            literal: { run throws(Fault) in
                // SAFETY: the run is only read, during this call.
                unsafe run.withUnsafeBytes { run in
                    unsafe hash.update(bufferPointer: run)
                    unsafe writing.form.literal(run)
                }
                total += UInt64(run.byteCount)
            },
            content: { digest, bytes throws(Fault) in
                let digest = try give(digest, bytes) { run throws(Fault) in
                    // SAFETY: as above.
                    unsafe run.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
                }
                total += bytes
                writing.form.content(digest, bytes: bytes)
                try writing.store()
            })
        let identity = CanonicalForm.Identity(id: Array(hash.finalize()), bytes: total)
        return (identity, try writing.finish())
    }

    /// The same of contents that are in the store.
    ///
    /// - Parameter step: hears after each run how many bytes of contents it had.
    package static func identify(
        _ service: Service, _ tree: FileTree, in store: ObjectStore,
        into contents: ImportedContents, step: (Int) throws(Fault) -> Void
    ) throws(Fault) -> (CanonicalForm.Identity, StoredForm) {
        let reader = try ContentReader(tree, in: store)
        defer { reader.end() }
        return try identify(service, tree, into: contents) { digest, bytes, take throws(Fault) in
            try reader.give(bytes) { run throws(Fault) in
                try take(run)
                try step(run.byteCount)
            }
            return digest
        }
    }

    /// A form on its way into the store, which has no other content open meanwhile.
    struct Writing {
        var form = BoxFormWriter()
        private let contents: ImportedContents
        private var stored: UInt64 = 0

        init(_ contents: ImportedContents) throws(Fault) {
            self.contents = contents
            try contents.begin()
        }

        /// What is ready, where it is enough for a step.
        mutating func store(all: Bool = false) throws(Fault) {
            guard all || form.readyBytes >= BoxForm.literalBytesMax else { return }
            let piece = form.take()
            stored += UInt64(piece.count)
            // SAFETY: bytes have no padding.
            try unsafe contents.append(piece.span.bytes)
        }

        mutating func finish() throws(Fault) -> StoredForm {
            form.finish()
            try store(all: true)
            return StoredForm(digest: try contents.finish(), bytes: stored)
        }
    }

    // MARK: Reading

    /// Gives the pieces of a form, in order.
    ///
    /// - Throws: CORRUPT where it is not what was stored; what `give` throws.
    func forEachPiece(
        in store: ObjectStore, _ give: (BoxForm.Piece) throws(Fault) -> Void
    ) throws(Fault) {
        var reader = BoxFormReader()
        try store.forEachRun(of: digest) { run throws(Fault) in
            guard try reader.feed(run, give) else {
                throw Fault(.corrupt, subject: digest.hex)
            }
        }
        guard reader.isWhole else { throw Fault(.corrupt, subject: digest.hex) }
    }
}

extension ObjectStore {
    /// Gives the bytes of a content in runs.
    func forEachRun(
        of digest: ContentDigest, _ give: (ArraySlice<UInt8>) throws(Fault) -> Void
    ) throws(Fault) {
        var buffer: [UInt8] = []
        try forEachRun(of: digest, through: &buffer, give)
    }

    /// The same of one content after the other.
    ///
    /// - Parameter buffer: empty at first, and used again: the kernel makes the memory of each anew.
    func forEachRun(
        of digest: ContentDigest, through buffer: inout [UInt8],
        _ give: (ArraySlice<UInt8>) throws(Fault) -> Void
    ) throws(Fault) {
        if buffer.isEmpty { buffer = [UInt8](repeating: 0, count: StoredForm.stepBytes) }
        let file: Descriptor
        do throws(Errno) {
            file = try openObject(digest)
        } catch {
            throw error == .noEntry
                ? Fault(.corrupt, subject: digest.hex) : StoreFault.storing(error, digest.hex)
        }
        while true {
            let count: Int
            do throws(Errno) {
                count = try File.read(file, into: &buffer)
            } catch {
                throw StoreFault.storing(error, digest.hex)
            }
            if count == 0 { return }
            try give(buffer[..<count])
        }
    }
}
