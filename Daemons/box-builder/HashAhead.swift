package import Interfaces
package import ServiceModel
import Synchronization
import Syscalls

/// Computes the id of a service while its archive is still read, on a thread of its own, where it was
/// told ahead what the archive will have: what stands before a content has the lengths of all behind it.
///
/// Keeps true: gives an id only of the tree that was read, name by name and content by content,
/// whatever was told; otherwise none, and the contents are read once more. Waits for nobody but the
/// store. Fed by one thread.
package final class HashAhead: Sendable {
    /// One content after the other, in the order of the archive.
    private enum Item: Sendable {
        case whole(ContentDigest, Piece)
        /// Some of a content; others follow, and then its end.
        case part(Piece)
        case end(ContentDigest)
        /// In the store, or on its way there.
        case stored(ContentDigest, bytes: UInt64)
    }

    private struct State {
        var thread: Thread?
        var told: FileTree?
        var isBegun = false
        var result: (CanonicalForm.Identity, StoredForm)?
        /// Of the contents that are not empty, in the order of the tree.
        var digests: [ContentDigest] = []
        var pinned: Set<ContentDigest> = []
        var made: Set<ContentDigest> = []
    }

    // LIMIT: contents that wait, and parts, which are slabs: a tree that is told has no more entries. What
    // is past it is dropped, and the tree is then not the one that was told.
    package static let waitingMax = ToldTree.entriesMax + Int(ImportedContents.slabsMax)

    private let store: ObjectStore
    private let contents: ContentQueue
    private let service: Service
    private let terms: TreeTerms
    private let items = WorkQueue<Item>(limit: HashAhead.waitingMax)
    private let wanted = Semaphore()
    private let done = Semaphore()
    private let isOver = Atomic(false)
    private let isTaking = Atomic(false)
    private let bytesHashed = Atomic<UInt64>(0)
    private let state = Mutex(State())

    /// - Parameter contents: on their way into the store.
    init(
        _ service: Service, _ terms: TreeTerms, told: SharedDescriptor, keepsOwners: Bool,
        _ store: ObjectStore, _ contents: ContentQueue
    ) throws(Errno) {
        self.service = service
        self.terms = terms
        self.store = store
        self.contents = contents
        let thread = try Thread(name: "hash") { self.run(told, keepsOwners) }
        state.withLock { $0.thread = thread }
    }

    /// Contents, and parts of them, that were put and not hashed yet.
    package var waiting: Int { items.count }

    // MARK: The thread that reads the archive

    /// Whether bytes may be given; otherwise what the store has of them serves. Until then no memory of
    /// contents is held here: who tells may be slow.
    var takesBytes: Bool { isTaking.load(ordering: .relaxed) }

    /// There is a content that is new here: the id will be needed. Again and again is allowed.
    func begin() {
        let isFirst = state.withLock { state in
            if state.isBegun { return false }
            state.isBegun = true
            return true
        }
        if isFirst { wanted.signal() }
    }

    func put(_ digest: ContentDigest, _ piece: Piece) {
        _ = items.push(.whole(digest, piece))
    }

    func put(_ part: Piece) {
        _ = items.push(.part(part))
    }

    func endContent(_ digest: ContentDigest) {
        _ = items.push(.end(digest))
    }

    func putStored(_ digest: ContentDigest, bytes: UInt64) {
        _ = items.push(.stored(digest, bytes: bytes))
    }

    // LIMIT: milliseconds between two reports of what is left to hash.
    private static let patience: Int32 = 100

    /// Waits for the id. Nothing more is put.
    ///
    /// - Parameter step: hears now and then how many bytes of contents were hashed.
    /// - Returns: nil where the tree is not the one that was told.
    package func finish(
        _ tree: FileTree, step: (UInt64) throws(Fault) -> Void
    ) throws(Fault) -> (CanonicalForm.Identity, StoredForm)? {
        guard takesBytes else { return nil }
        items.close()
        while !done.wait(milliseconds: Self.patience) {
            try step(bytesHashed.load(ordering: .relaxed))
        }
        let (result, told, digests) = state.withLock { ($0.result, $0.told, $0.digests) }
        guard let result, let told, told.isAlike(tree) else { return nil }
        var next = digests.startIndex
        var isSame = true
        tree.forEachFile { digest, bytes in
            guard bytes > 0 else { return }
            isSame = isSame && next < digests.endIndex && digests[next] == digest
            next += 1
        }
        return isSame && next == digests.endIndex ? result : nil
    }

    /// Nothing more is hashed. Again and again is allowed.
    func end() {
        isOver.store(true, ordering: .relaxed)
        items.close()
        wanted.signal()
        state.withLock { $0.thread.take() }?.join()
    }

    /// The contents it relies on, for as long as they are not released, and those of them that it
    /// stored. After `end`.
    var relied: (pinned: Set<ContentDigest>, made: Set<ContentDigest>) {
        state.withLock { ($0.pinned, $0.made) }
    }

    // MARK: The thread that hashes

    private func run(_ descriptor: SharedDescriptor, _ keepsOwners: Bool) {
        defer {
            done.signal()
            // What is still given is let go: who gives waits for its memory.
            while items.pop() != nil {}
        }
        let cancelled = { self.isOver.load(ordering: .relaxed) }
        let bytes = ToldTree.receive(descriptor.descriptor, isCancelled: cancelled)
        // Most often a tree that is here already needs no id.
        wanted.wait()
        guard !cancelled(), let bytes,
            var told = ToldTree.tree(of: bytes, keepsOwners: keepsOwners)
        else { return }
        guard terms.apply(to: &told) == nil else { return }
        state.withLock { state in
            state.told = told
            isTaking.store(true, ordering: .relaxed)
        }
        let forms = ImportedContents(store, slabsMax: ImportedContents.formSlabsMax)
        // What cannot be hashed here is hashed when all is read; a full disk is told then.
        let result = try? identify(told, into: forms)
        forms.end()
        state.withLock { state in
            state.result = result
            state.pinned = forms.pinned
            state.made = forms.made
        }
    }

    private func identify(
        _ told: FileTree, into forms: ImportedContents
    ) throws(Fault) -> (CanonicalForm.Identity, StoredForm) {
        var digests: [ContentDigest] = []
        var buffer: [UInt8] = []
        let result = try StoredForm.identify(service, told, into: forms) {
            _, bytes, take throws(Fault) in
            let digest = try content(bytes, &buffer) { run throws(Fault) in
                bytesHashed.add(UInt64(run.byteCount), ordering: .relaxed)
                try take(run)
            }
            digests.append(digest)
            return digest
        }
        state.withLock { $0.digests = digests }
        return result
    }

    /// Gives the next content that comes, which must have so many bytes.
    private func content(
        _ bytes: UInt64, _ buffer: inout [UInt8], _ take: (RawSpan) throws(Fault) -> Void
    ) throws(Fault) -> ContentDigest {
        var left = bytes
        func give(_ run: RawSpan) throws(Fault) {
            guard UInt64(run.byteCount) <= left, !isOver.load(ordering: .relaxed) else {
                throw .cancelled
            }
            left -= UInt64(run.byteCount)
            try take(run)
        }
        var digest: ContentDigest?
        while digest == nil {
            switch items.pop() {
            case .whole(let name, let piece):
                try piece.withBytes(give)
                digest = name
            case .part(let piece): try piece.withBytes(give)
            case .end(let name): digest = name
            case .stored(let name, let stored):
                guard stored == bytes else { throw .cancelled }
                try read(name, &buffer, give)
                digest = name
            case nil: throw .cancelled
            }
        }
        guard let digest, left == 0 else { throw .cancelled }
        return digest
    }

    private func read(
        _ digest: ContentDigest, _ buffer: inout [UInt8],
        _ give: (RawSpan) throws(Fault) -> Void
    ) throws(Fault) {
        do throws(Errno) {
            if try !store.hasObject(digest) { try contents.drain() }
        } catch {
            throw StoreFault.storing(error, digest.hex)
        }
        try store.forEachRun(of: digest, through: &buffer) { run throws(Fault) in
            // SAFETY: bytes have no padding.
            try unsafe give(run.span.bytes)
        }
    }
}
