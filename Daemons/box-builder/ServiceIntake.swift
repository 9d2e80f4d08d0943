import Interfaces
import ServiceModel
import SharedCrypto

/// Takes the expanded bytes of a service as they come: hashes them, keeps its contents in the store,
/// and the rest as its form.
///
/// Keeps true: what is hashed is what came; what is held does not grow with the box. Used by one
/// thread.
final class ServiceIntake {
    /// A service that has come whole.
    struct Result {
        let id: ServiceID
        /// Of the expanded form.
        let bytes: UInt64
        let service: Service
        let tree: FileTree
        let form: StoredForm
    }

    // LIMIT: bytes of all contents of a box, as for a tree that is packed here. Past it TOO_LARGE.
    private static let contentBytesMax: UInt64 = 256 << 30

    private let contents: ImportedContents
    private let store: ObjectStore
    private var writing: StoredForm.Writing
    private var reader = CanonicalReader()
    private var hash = SHA3_256()
    private var claims = ClaimedDigests([])
    /// Expanded bytes so far.
    private(set) var bytes: UInt64 = 0
    private var contentBytes: UInt64 = 0
    /// The content that is open, and how much of it has come.
    private var open: (length: UInt64, taken: UInt64)?
    /// The content that ended with the last byte.
    private(set) var ended: ContentDigest?

    /// - Parameters:
    ///   - contents: where contents go.
    ///   - forms: where the form goes, meanwhile.
    init(_ store: ObjectStore, contents: ImportedContents, forms: ImportedContents) throws(Fault) {
        self.store = store
        self.contents = contents
        writing = try StoredForm.Writing(forms)
    }

    /// The length of the content whose first byte is next; nil anywhere else.
    var contentNext: UInt64? {
        guard let open, open.taken == 0 else { return nil }
        return open.length
    }

    /// What the sender says of the whole: compared at its end. Before its first byte.
    func expect(_ hashes: [Hash]) {
        claims = ClaimedDigests(hashes)
    }

    /// What came could be all of a service.
    var isWhole: Bool { open == nil && reader.isBetweenFields }

    func feed(_ run: ArraySlice<UInt8>) throws(Fault) {
        hash(run)
        bytes += UInt64(run.count)
        var rest = run
        while let event = try next(&rest) {
            switch event {
            case .literal(let literal):
                ended = nil
                writing.form.literal(literal)
                try writing.store()
            case .contentBegins(let length, _):
                try begin(length)
            case .content(let part):
                open?.taken += UInt64(part.count)
                // SAFETY: bytes have no padding.
                try unsafe contents.append(part.span.bytes)
            case .contentEnds:
                try end(try contents.finish())
            }
        }
    }

    /// Takes a content that the store has for the one that is next, as if its bytes had come.
    ///
    /// - Parameter also: gets them too.
    func adopt(
        _ digest: ContentDigest, _ also: (ArraySlice<UInt8>) -> Void
    ) throws(Fault) {
        // It may have gone with its last box since it was looked up.
        guard try contents.rely(on: digest) else {
            throw Fault(.notFound, subject: digest.hex)
        }
        guard let length = contentNext else {
            return try store.forEachRun(of: digest) { run throws(Fault) in
                also(run)
                try feed(run)
            }
        }
        var count: UInt64 = 0
        try store.forEachRun(of: digest) { run throws(Fault) in
            hash(run)
            also(run)
            count += UInt64(run.count)
        }
        guard count == length else {
            throw .invalid(.outOfRange, subject: digest.hex, limit: length, actual: count)
        }
        bytes += count
        contents.discard()
        do throws(CanonicalError) {
            try reader.skipContent(digest)
        } catch {
            throw StoreFault.canonical(error)
        }
        try note(digest, length)
    }

    /// There is no more.
    func finish() throws(Fault) -> Result {
        let service: Service
        let tree: FileTree
        do throws(CanonicalError) {
            (service, tree, _) = try reader.finish()
        } catch {
            throw StoreFault.canonical(error)
        }
        guard let id = ServiceID(Array(hash.finalize())) else {
            throw Fault(.internal, subject: "id")
        }
        try claims.check(sha3: id.bytes)
        return Result(
            id: id, bytes: bytes, service: service, tree: tree, form: try writing.finish())
    }

    private func next(
        _ rest: inout ArraySlice<UInt8>
    ) throws(Fault) -> CanonicalReader.Event? {
        do throws(CanonicalError) {
            return try reader.next(&rest)
        } catch {
            throw StoreFault.canonical(error)
        }
    }

    private func begin(_ length: UInt64) throws(Fault) {
        contentBytes = contentBytes.addingReportingOverflow(length).partialValue
        try Self.check(contentBytes: contentBytes, length)
        open = (length, 0)
        try contents.begin()
    }

    /// - Parameter total: bytes of all contents so far, the one with a length too.
    static func check(contentBytes total: UInt64, _ length: UInt64) throws(Fault) {
        guard length <= contentBytesMax, total <= contentBytesMax else {
            throw .tooLarge(
                subject: "contents", limit: contentBytesMax, actual: max(length, total))
        }
    }

    private func end(_ digest: ContentDigest) throws(Fault) {
        do throws(CanonicalError) {
            try reader.setContent(digest)
        } catch {
            throw StoreFault.canonical(error)
        }
        try note(digest, open?.length ?? 0)
    }

    private func note(_ digest: ContentDigest, _ length: UInt64) throws(Fault) {
        open = nil
        ended = digest
        writing.form.content(digest, bytes: length)
        try writing.store()
    }

    private func hash(_ run: ArraySlice<UInt8>) {
        // SAFETY: the run is only read, during the call.
        unsafe run.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
        claims.take(run)
    }
}
