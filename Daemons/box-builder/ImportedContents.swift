package import Interfaces
package import ServiceModel
import SharedCrypto
import Syscalls

/// The contents of one import on their way into the store, one after the other.
///
/// Keeps true: a content is pinned before anybody looks whether it is there, so that from `finish`
/// on it stays until `release`. Equal contents are written once; a small one that is there already
/// is not written at all. Used by one thread.
package final class ImportedContents: ContentSink {
    // LIMIT: a content up to this size is held in memory until its digest is known: most files of
    // a root file system are smaller, and equal ones then cost no write.
    private static let heldBytesMax = 262_144

    // LIMIT: less than this is flushed at the end, in no time that anybody notices.
    private static let flushBytesMin = 1 << 20

    private let store: ObjectStore
    private var hash = SHA256()
    private var held: [UInt8] = []
    private var file: StagedFile?
    /// Bytes of `file` so far, and how many zeros of them at its end were not written.
    private var length: UInt64 = 0
    private var hole: UInt64 = 0
    private let flush: StoreFlush
    private var unflushed = 0
    private(set) package var pinned: Set<ContentDigest> = []
    private var written: Set<ContentDigest> = []
    /// nil where every content is in the store when `finish` returns.
    private let queue: ContentQueue?

    /// - Parameter isQueued: a content is in the store after `drain` only.
    package init(_ store: ObjectStore, isQueued: Bool = false) {
        self.store = store
        flush = StoreFlush(store)
        queue = isQueued ? ContentQueue(store) : nil
    }

    /// Of the pinned, those that were not there before; of queued ones as far as they are stored.
    package var made: Set<ContentDigest> { queue.map { written.union($0.made) } ?? written }

    /// All that was finished is in the store when this returns.
    func drain() throws(Fault) {
        do throws(Errno) {
            try queue?.drain()
        } catch {
            throw StoreFault.storing(error, "objects")
        }
    }

    /// What was imported so far is brought to the disk from now on, where it is worth a thread.
    func flushMeanwhile() {
        guard unflushed >= Self.flushBytesMin else { return }
        unflushed = 0
        flush.begin()
    }

    /// All that was imported is on the disk when this returns. Nothing more is imported.
    func settle() throws(Errno) {
        try flush.finish()
    }

    /// What is still being brought to the disk is left to the kernel. Nothing more is imported.
    func end() {
        discard()
        queue?.end()
        flush.end()
    }

    package func begin() throws(Fault) {
        discard()
    }

    package func append(_ bytes: RawSpan) throws(Fault) {
        // SAFETY: the span outlives both calls, which only read.
        unsafe bytes.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
        do throws(Errno) {
            if file == nil, held.count + bytes.byteCount > Self.heldBytesMax { try spill() }
            if file == nil {
                // SAFETY: as above.
                unsafe bytes.withUnsafeBytes { unsafe held.append(contentsOf: $0) }
            } else {
                try write(bytes)
            }
        } catch {
            throw StoreFault.storing(error, "objects")
        }
    }

    package func finish() throws(Fault) -> ContentDigest {
        let digest = ContentDigest(hash)
        defer { discard() }
        // Nothing points at empty contents: neither the image nor the canonical form reads one.
        guard file != nil || !held.isEmpty else { return digest }
        let isFirst = pinned.insert(digest).inserted
        if isFirst { store.pin(digest) }
        do throws(Errno) {
            if file == nil, let queue {
                guard isFirst else { return digest }
                wrote(held.count)
                // A copy of its size; what is held keeps its room. Handing that over took a third of
                // the import (measured): the kernel makes a quarter of a MiB anew for each content.
                // SAFETY: bytes have no padding; they are read during the call.
                try queue.put(digest, unsafe held.withUnsafeBytes { unsafe Array($0) })
                return digest
            }
            if try store.hasObject(digest) { return digest }
            if file == nil { try spill(digest) }
            if let file = file.take() {
                if hole > 0 { try File.setSize(file.descriptor, bytes: length) }
                if try store.publish(file, as: digest) { written.insert(digest) }
            }
        } catch {
            throw StoreFault.storing(error, "objects")
        }
        return digest
    }

    /// Relies on a content that may be here already, as if it had been imported.
    ///
    /// - Returns: whether it is.
    func rely(on digest: ContentDigest) throws(Fault) -> Bool {
        if pinned.insert(digest).inserted { store.pin(digest) }
        do throws(Errno) {
            return try store.hasObject(digest)
        } catch {
            throw StoreFault.storing(error, digest.hex)
        }
    }

    package func discard() {
        hash = SHA256()
        held.removeAll(keepingCapacity: true)
        file = nil
        length = 0
        hole = 0
    }

    /// Moves what is held to a file.
    ///
    /// - Parameter digest: nil where it is not known yet.
    private func spill(_ digest: ContentDigest? = nil) throws(Errno) {
        let fresh = try store.stage(digest)
        try File.writeAll(fresh.descriptor, held)
        length = UInt64(held.count)
        wrote(held.count)
        held.removeAll(keepingCapacity: true)
        file = consume fresh
    }

    private func wrote(_ bytes: Int) {
        unflushed += bytes
        guard unflushed >= StoreFlush.stepBytes else { return }
        unflushed = 0
        flush.begin()
    }

    /// Zeros are not written: the disk of a sparse file stays as small as it was.
    private func write(_ bytes: RawSpan) throws(Errno) {
        length += UInt64(bytes.byteCount)
        if bytes.isZero {
            hole += UInt64(bytes.byteCount)
            return
        }
        wrote(bytes.byteCount)
        // Taken out for the call: a class's field cannot be borrowed across it.
        guard let open = file.take() else { return }
        let result: Result<Void, Errno>
        do throws(Errno) {
            if hole > 0 {
                try File.seek(open.descriptor, to: length - UInt64(bytes.byteCount))
                hole = 0
            }
            result = .success(try File.writeAll(open.descriptor, bytes))
        } catch {
            result = .failure(error)
        }
        file = consume open
        try result.get()
    }
}
