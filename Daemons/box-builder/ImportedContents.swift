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

    private let store: ObjectStore
    private var hash = SHA256()
    private var held: [UInt8] = []
    private var file: StagedFile?
    private(set) package var pinned: Set<ContentDigest> = []
    /// Of those, the ones that were not there before.
    private(set) package var made: Set<ContentDigest> = []

    package init(_ store: ObjectStore) {
        self.store = store
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
        if pinned.insert(digest).inserted { store.pin(digest) }
        do throws(Errno) {
            if try store.hasObject(digest) { return digest }
            if file == nil { try spill() }
            if let file = file.take(), try store.publish(file, as: digest) { made.insert(digest) }
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
    }

    /// Moves what is held to a file.
    private func spill() throws(Errno) {
        let fresh = try StagedFile(in: store.staging)
        try File.writeAll(fresh.descriptor, held)
        held.removeAll(keepingCapacity: true)
        file = consume fresh
    }

    private func write(_ bytes: RawSpan) throws(Errno) {
        // Taken out for the call: a class's field cannot be borrowed across it.
        guard let open = file.take() else { return }
        let result: Result<Void, Errno>
        do throws(Errno) {
            result = .success(try File.writeAll(open.descriptor, bytes))
        } catch {
            result = .failure(error)
        }
        file = consume open
        try result.get()
    }
}
