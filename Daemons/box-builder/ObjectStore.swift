package import Interfaces
package import ServiceModel
package import Syscalls
import Synchronization

/// Where the contents of files and the images of boxes are: `objects/ab/cdef…` by the SHA-256 of the
/// content, `images/<service id>.erofs`, and `staging/` for what is being written.
///
/// Keeps true: a name here has its whole content or does not exist; what an import relies on is not
/// deleted under it. Contents are world-readable and read-only, because instances of any user read
/// them through their root; modes and owners are in the image. What is here may have no box (then it
/// is swept at the next start); a box in the index never misses what is here.
package final class ObjectStore: Sendable {
    let objects: SharedDescriptor
    let images: SharedDescriptor
    let staging: SharedDescriptor
    private let pins = Mutex(Pins())

    private struct Pins {
        var objects = PinMachine<ContentDigest>()
        var images = PinMachine<ServiceID>()
    }

    /// - Parameter state: the daemon's own directory.
    package init(in state: borrowing Descriptor) throws(Errno) {
        objects = try Self.directory(in: state, "objects", mode: 0o755)
        images = try Self.directory(in: state, "images", mode: 0o700)
        staging = try Self.directory(in: state, "staging", mode: 0o700)
    }

    private static func directory(
        in parent: borrowing Descriptor, _ name: String, mode: UInt32
    ) throws(Errno) -> SharedDescriptor {
        do throws(Errno) {
            try File.makeDirectory(at: parent, name, mode: mode)
        } catch .exists {
            // Its mode is made right below.
        }
        let directory = try Directory.open(at: parent, name)
        try File.setMode(directory, mode)
        return SharedDescriptor(directory)
    }

    // MARK: Contents

    package static func hasObject(
        _ objects: borrowing Descriptor, _ digest: ContentDigest
    ) throws(Errno) -> Bool {
        do throws(Errno) {
            _ = try File.status(at: objects, digest.objectPath)
            return true
        } catch .noEntry {
            return false
        }
    }

    func hasObject(_ digest: ContentDigest) throws(Errno) -> Bool {
        try Self.hasObject(objects.descriptor, digest)
    }

    func openObject(_ digest: ContentDigest) throws(Errno) -> Descriptor {
        try File.open(at: objects.descriptor, digest.objectPath, .readOnly, .noFollow)
    }

    /// - Returns: false where the content was there already.
    func publish(_ file: consuming StagedFile, as digest: ContentDigest) throws(Errno) -> Bool {
        let hex = digest.hex
        let folder = String(hex.prefix(2))
        do throws(Errno) {
            try File.makeDirectory(at: objects.descriptor, folder, mode: 0o755)
            // The umask must not close it.
            try File.setMode(try Directory.open(at: objects.descriptor, folder), 0o755)
        } catch .exists {
            // As for all but 256 objects.
        }
        return try file.publish(at: objects.descriptor, digest.objectPath)
    }

    // MARK: Images

    func openImage(_ id: ServiceID) throws(Errno) -> Descriptor {
        try File.open(at: images.descriptor, id.imageName, .readOnly, .noFollow)
    }

    /// The object directory as others are given it: an open file of its own.
    func openObjects() throws(Errno) -> Descriptor {
        try Directory.open(at: objects.descriptor, ".")
    }

    func publish(_ file: consuming StagedFile, imageOf id: ServiceID) throws(Errno) {
        // One that is there without a box was made from an equal tree: equal bytes.
        _ = try file.publish(at: images.descriptor, id.imageName)
    }

    /// All that was published is on the disk when this returns.
    func sync() throws(Errno) {
        try File.syncFileSystem(objects.descriptor)
    }

    // MARK: Pins

    func pin(_ digest: ContentDigest) {
        pins.withLock { $0.objects.pin(digest) }
    }

    func pin(_ id: ServiceID) {
        pins.withLock { $0.images.pin(id) }
    }

    // LIMIT: names decided under one hold of the lock, so that imports go on meanwhile.
    private static let stepNames = 64

    /// Ends an import's reliance.
    ///
    /// - Parameter made: of `digests`, those the import itself stored.
    package func release(
        _ digests: Set<ContentDigest>, made: Set<ContentDigest>, failed: Bool,
        needed: (ContentDigest) throws(Fault) -> Bool
    ) throws(Fault) {
        var rest = digests[...]
        while !rest.isEmpty {
            let step = rest.prefix(Self.stepNames)
            rest = rest.dropFirst(step.count)
            try pins.withLock { pins throws(Fault) in
                for digest in step
                where pins.objects.release(digest, isDoubtful: failed && made.contains(digest)) {
                    if try !needed(digest) { delete(digest) }
                }
            }
        }
    }

    package func release(
        _ id: ServiceID, failed: Bool, needed: (ServiceID) throws(Fault) -> Bool
    ) throws(Fault) {
        try pins.withLock { pins throws(Fault) in
            guard pins.images.release(id, isDoubtful: failed) else { return }
            if try !needed(id) { delete(id) }
        }
    }

    /// Deletes what a removed box leaves behind.
    ///
    /// - Returns: bytes of the deleted contents.
    package func abandon(
        _ id: ServiceID, _ digests: [(ContentDigest, bytes: UInt64)],
        neededImage: (ServiceID) throws(Fault) -> Bool,
        needed: (ContentDigest) throws(Fault) -> Bool
    ) throws(Fault) -> UInt64 {
        try pins.withLock { pins throws(Fault) in
            if pins.images.abandon(id), try !neededImage(id) { delete(id) }
        }
        var freed: UInt64 = 0
        var rest = digests[...]
        while !rest.isEmpty {
            let step = rest.prefix(Self.stepNames)
            rest = rest.dropFirst(step.count)
            freed += try pins.withLock { pins throws(Fault) in
                var freed: UInt64 = 0
                for (digest, bytes) in step where pins.objects.abandon(digest) {
                    if try !needed(digest) {
                        delete(digest)
                        freed += bytes
                    }
                }
                return freed
            }
        }
        return freed
    }

    /// What cannot be deleted now is swept at the next start.
    private func delete(_ digest: ContentDigest) {
        try? File.remove(at: objects.descriptor, digest.objectPath)
    }

    private func delete(_ id: ServiceID) {
        try? File.remove(at: images.descriptor, id.imageName)
    }
}

/// The id of a service: 32 bytes.
package struct ServiceID: Hashable, Sendable, Comparable, CustomStringConvertible {
    // A content's digest has the same form: 32 bytes in four words.
    private let words: ContentDigest

    package init?(_ bytes: some Collection<UInt8>) {
        guard let words = ContentDigest(bytes) else { return nil }
        self.words = words
    }

    package var bytes: [UInt8] { words.bytes }
    /// 64 lower-case hexadecimal digits.
    package var description: String { words.hex }
    var imageName: String { "\(words.hex).erofs" }

    package static func < (left: Self, right: Self) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }
}
