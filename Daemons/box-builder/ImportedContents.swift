package import Interfaces
package import ServiceModel
import SharedCrypto
package import Syscalls

/// The contents of one import on their way into the store, one after the other.
///
/// Keeps true: a content is pinned before anybody looks whether it is there, so that from `finish`
/// on it stays until `release`. Equal contents are written once; a small one that is there already
/// is not written at all. Used by one thread.
package final class ImportedContents: ContentSink {
    // LIMIT: slabs that are filled or on their way: enough that neither side often waits for the
    // other, at an eighth of the memory an import may use.
    package static let slabsMax: UInt32 = 32
    // LIMIT: the same where forms alone are written: they are a hundredth of what contents are.
    static let formSlabsMax: UInt32 = 4
    // LIMIT: different contents of one import, those counted that an archive or a layer replaces itself.
    // The tables of digests that a tree of the most entries needs have room for so many. Past it
    // TOO_MANY_ENTRIES: an archive may give one name a new content without end.
    package static let contentsMax = 786_432

    private let store: ObjectStore
    private var hash = SHA256()
    private let pool: SlabPool
    private var slab: Slab?
    /// Where in the slab the content begins, or its part that was not put yet.
    private var start = 0
    /// Bytes of the content so far.
    private var length: UInt64 = 0
    /// Some of it was put.
    private var isLarge = false
    private let flush: StoreFlush
    private(set) package var pinned: Set<ContentDigest> = []
    let queue: ContentQueue
    private let isQueued: Bool
    private let contentsMax: Int
    /// Hears of each content; nil where nobody hashes ahead.
    private(set) package var ahead: HashAhead?
    /// It has the parts of the content that is open.
    private var isAhead = false

    /// - Parameters:
    ///   - isQueued: a content is in the store after `drain` only; otherwise when `finish` returns.
    ///   - slabsMax: at least 2.
    package init(
        _ store: ObjectStore, isQueued: Bool = false,
        slabsMax: UInt32 = ImportedContents.slabsMax,
        contentsMax: Int = ImportedContents.contentsMax
    ) {
        self.store = store
        self.contentsMax = contentsMax
        pool = SlabPool(slabsMax: slabsMax)
        self.isQueued = isQueued
        flush = StoreFlush(store)
        queue = ContentQueue(store, flush)
    }

    /// Has the contents hashed while they come. Without a thread all is hashed when it was read.
    ///
    /// - Parameter told: where what will be in the archive is told.
    package func hashAhead(
        _ described: ServiceDescription, told: SharedDescriptor, keepsOwners: Bool
    ) {
        ahead = try? HashAhead(
            described.service, described.terms, told: told, keepsOwners: keepsOwners,
            store, queue)
    }

    /// Of the pinned, those that were not there before; of queued ones as far as they are stored.
    package var made: Set<ContentDigest> { queue.made }

    /// All that was finished is in the store when this returns.
    func drain() throws(Fault) {
        try storing { () throws(Errno) in try queue.drain() }
    }

    /// What was imported so far is brought to the disk from now on, where it is worth a thread.
    func flushMeanwhile() {
        flush.begin()
    }

    /// All that was imported is on the disk when this returns. Nothing more is imported.
    func settle() throws(Errno) {
        try flush.finish()
    }

    /// What is still being brought to the disk is left to the kernel. Nothing more is imported.
    package func end() {
        ahead?.end()
        queue.end()
        flush.end()
    }

    package func begin() throws(Fault) {
        discard()
    }

    package func append(_ bytes: RawSpan) throws(Fault) {
        // SAFETY: the span outlives the call, which only reads.
        unsafe bytes.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
        var taken = 0
        while taken < bytes.byteCount {
            let slab = try slabWithRoom()
            taken += slab.append(bytes.extracting(taken...))
        }
        length += UInt64(bytes.byteCount)
    }

    private func slabWithRoom() throws(Fault) -> Slab {
        guard let slab else { return takeSlab() }
        if slab.room > 0 { return slab }
        let piece = Piece(slab: slab, range: start..<slab.used)
        let fresh = takeSlab()
        if start > 0, !isLarge {
            // It may still be one that fits in.
            piece.withBytes { _ = fresh.append($0) }
        } else {
            if !isLarge { isAhead = ahead?.takesBytes ?? false }
            isLarge = true
            if isAhead { ahead?.put(piece) }
            try storing { () throws(Errno) in try queue.put(piece) }
        }
        return fresh
    }

    private func takeSlab() -> Slab {
        // The one before goes back as soon as nobody has a piece of it.
        slab = nil
        let fresh = pool.take()
        slab = fresh
        start = 0
        return fresh
    }

    package func finish() throws(Fault) -> ContentDigest {
        let digest = ContentDigest(hash)
        // Nothing points at empty contents: neither the image nor the canonical form reads one.
        guard length > 0, let slab else {
            discard()
            return digest
        }
        let isFirst = try pin(digest)
        let rest = Piece(slab: slab, range: start..<slab.used)
        let isLarge = isLarge
        tellAhead(digest, rest)
        self.isLarge = false
        discard()
        try storing { () throws(Errno) in
            if isLarge {
                if rest.count > 0 { try queue.put(rest) }
                try queue.endContent(digest)
            } else if isFirst {
                try queue.put(digest, rest)
            }
        }
        if !isQueued { try drain() }
        return digest
    }

    private func tellAhead(_ digest: ContentDigest, _ rest: Piece) {
        guard let ahead else { return }
        if queue.hasMade { ahead.begin() }
        switch (isLarge, isLarge ? isAhead : ahead.takesBytes) {
        case (false, true): ahead.put(digest, rest)
        case (true, true):
            if rest.count > 0 { ahead.put(rest) }
            ahead.endContent(digest)
        case (_, false): ahead.putStored(digest, bytes: length)
        }
    }

    package func again(_ digest: ContentDigest, bytes: UInt64) {
        if bytes > 0 { ahead?.putStored(digest, bytes: bytes) }
    }

    /// Relies on a content that may be here already, as if it had been imported.
    ///
    /// - Returns: whether it is.
    func rely(on digest: ContentDigest) throws(Fault) -> Bool {
        _ = try pin(digest)
        do throws(Errno) {
            return try store.hasObject(digest)
        } catch {
            throw StoreFault.storing(error, digest.hex)
        }
    }

    /// - Returns: whether it is new to this import.
    private func pin(_ digest: ContentDigest) throws(Fault) -> Bool {
        if pinned.contains(digest) { return false }
        guard pinned.count < contentsMax else {
            throw .invalid(
                .tooManyEntries, subject: "contents", limit: UInt64(contentsMax),
                actual: UInt64(pinned.count) + 1)
        }
        pinned.insert(digest)
        store.pin(digest)
        return true
    }

    package func discard() {
        if isLarge { queue.dropContent() }
        isLarge = false
        hash = SHA256()
        length = 0
        guard let slab else { return }
        // Pages are what direct writes are made of.
        slab.align(to: Slab.pageBytes)
        start = slab.used
        if slab.room == 0 { self.slab = nil }
    }

    private func storing(_ body: () throws(Errno) -> Void) throws(Fault) {
        do throws(Errno) {
            try body()
        } catch {
            throw StoreFault.storing(error, "objects")
        }
    }
}
