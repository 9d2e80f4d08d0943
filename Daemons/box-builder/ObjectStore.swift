package import Interfaces
package import ServiceModel
import Synchronization
package import Syscalls

/// Where the contents of files and the images of boxes are: `objects/ab/cdef…` by the SHA-256 of the
/// content, `images/<service id>.erofs` of boxes that were opened, `checkouts/<service id>/` where a
/// kernel needs them, and `staging/` for what is being written.
///
/// Keeps true: a name here has its whole content or does not exist; what an import relies on is not
/// deleted under it. Contents are world-readable and read-only, because instances of any user read
/// them through their root; modes and owners are in the image. What is here may have no box (then it
/// is swept at the next start); a box in the index never misses a content, and its image and checkout
/// can be made again.
package final class ObjectStore: Sendable {
    let objects: SharedDescriptor
    let images: SharedDescriptor
    let checkouts: SharedDescriptor
    let staging: SharedDescriptor
    /// How a box is given as a root.
    package let roots: RootMode
    private let pins = Mutex(Pins())
    private let turns = RootTurns()

    private struct Pins {
        var objects = PinMachine<ContentDigest>()
        /// Boxes whose image or checkout is being made.
        var roots = PinMachine<ServiceID>()
        /// The folders of objects that are there.
        var folders: Set<UInt8> = []
        /// Which folder gets the next content whose digest is not known yet.
        var turn: UInt8 = 0
        /// Removals that have not deleted all they will.
        var removals = 0
        /// Contents that were seen to be altered: as if they were not there.
        var altered: Set<ContentDigest> = []
        /// The same of images.
        var alteredImages: Set<ServiceID> = []
    }

    // LIMIT: altered contents, and images, remembered; a disk with more of them is to be replaced.
    private static let alteredMax = 10_000

    /// - Parameter state: the daemon's own directory.
    package init(
        in state: borrowing Descriptor, roots: RootMode = .layers
    ) throws(Errno) {
        self.roots = roots
        objects = try Self.directory(in: state, "objects", mode: 0o755)
        images = try Self.directory(in: state, "images", mode: 0o700)
        checkouts = try Self.directory(in: state, "checkouts", mode: 0o700)
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

    /// Whether a content is there to be relied on. One that somebody wrote to is read: if it is
    /// altered it is as if it were not there.
    package func hasObject(_ digest: ContentDigest) throws(Errno) -> Bool {
        guard !pins.withLock({ $0.altered.contains(digest) }) else { return false }
        do throws(Errno) {
            let status = try File.status(at: objects.descriptor, digest.objectPath)
            if status.modifiedNanoseconds == Self.sealedTime { return true }
            let file = try openObject(digest)
            guard try Self.digest(of: file) == digest else {
                distrust(digest)
                return false
            }
            // Whole, and stored by an earlier build.
            try? File.setTimes(file, nanoseconds: UInt64(Self.sealedTime))
            return true
        } catch .noEntry {
            return false
        }
    }

    /// The time of change of what is whole: whoever writes to a file, or cuts it, gives it another. It
    /// tells at no cost what was altered by accident; not who restores the time, nor a failing disk:
    /// for these all is read, by `StoreVerifier`.
    private static let sealedTime: Int64 = 0
    /// The time of what was found altered.
    private static let distrustedTime: UInt64 = 1

    static func digest(of file: borrowing Descriptor) throws(Errno) -> ContentDigest {
        var bytes: UInt64 = 0
        return try BoxCheck.digest(of: file, &bytes)
    }

    /// Whether a box can be read back from what it needs.
    func hasForm(_ record: BoxRecord) -> Bool {
        guard let form = record.form else { return false }
        return (try? hasObject(form.digest)) == true
    }

    func openObject(_ digest: ContentDigest) throws(Errno) -> Descriptor {
        try File.open(at: objects.descriptor, digest.objectPath, .readOnly, .noFollow)
    }

    /// A file for a content. ext4 looks for a free inode from those of the directory on: in one
    /// directory for all that search took a millisecond a file once its group was full (measured).
    /// The folders of the objects are spread over the disk.
    ///
    /// - Parameter digest: of the content, where it is known.
    func stage(_ digest: ContentDigest?) throws(Errno) -> StagedFile {
        let byte =
            digest?.firstByte
            ?? pins.withLock { pins in
                pins.turn &+= 1
                return pins.turn
            }
        let folder = Hexadecimal.text([byte])
        try makeFolder(folder, byte)
        return try StagedFile(in: staging, near: objects.descriptor, folder)
    }

    func stageImage() throws(Errno) -> StagedFile {
        try StagedFile(in: staging, near: images.descriptor)
    }

    private func makeFolder(_ name: String, _ byte: UInt8) throws(Errno) {
        if pins.withLock({ $0.folders.contains(byte) }) { return }
        do throws(Errno) {
            try File.makeDirectory(at: objects.descriptor, name, mode: 0o755)
        } catch .exists {
            // Made in an earlier life, which may have ended here.
        }
        // The umask must not close it.
        try File.setMode(try Directory.open(at: objects.descriptor, name), 0o755)
        pins.withLock { _ = $0.folders.insert(byte) }
    }

    /// - Returns: false where the content was there already.
    func publish(_ file: consuming StagedFile, as digest: ContentDigest) throws(Errno) -> Bool {
        let byte = digest.firstByte
        try makeFolder(Hexadecimal.text([byte]), byte)
        try File.setTimes(file.descriptor, nanoseconds: UInt64(Self.sealedTime))
        guard pins.withLock({ $0.altered.contains(digest) }) else {
            return try file.publish(at: objects.descriptor, digest.objectPath)
        }
        // Boxes in the index rely on it already: it is on the disk before its name is the new one's.
        try File.sync(file.descriptor)
        try file.publish(at: objects.descriptor, digest.objectPath, over: staging.descriptor)
        pins.withLock { _ = $0.altered.remove(digest) }
        // Boxes need it already: it was not made for the import alone.
        return false
    }

    /// Stores a whole content.
    ///
    /// - Returns: false where it was there already.
    func keep(_ piece: Piece, as digest: ContentDigest) throws(Errno) -> Bool {
        if try hasObject(digest) { return false }
        let file = try stage(digest)
        try piece.withBytes { bytes throws(Errno) in try File.writeAll(file.descriptor, bytes) }
        return try publish(file, as: digest)
    }

    /// A content was seen to be altered: the next import that has it puts it right, also in another
    /// life of this daemon.
    func distrust(_ digest: ContentDigest) {
        try? File.setTimes(
            at: objects.descriptor, digest.objectPath, nanoseconds: Self.distrustedTime)
        pins.withLock { pins in
            if pins.altered.count < Self.alteredMax { pins.altered.insert(digest) }
        }
    }

    // MARK: Images

    /// The image of a box, which was not written to since it was made, or is still what it was.
    ///
    /// - Parameter digest: what it was, where that is known.
    /// - Throws: `.noEntry` also for one that is altered.
    func openImage(_ id: ServiceID, _ digest: ContentDigest?) throws(Errno) -> Descriptor {
        guard !pins.withLock({ $0.alteredImages.contains(id) }) else { throw .noEntry }
        let image = try openImageAsItIs(id)
        if try File.status(image).modifiedNanoseconds == Self.sealedTime { return image }
        // An earlier build did not write down what it had made.
        guard let digest else { return image }
        guard try Self.digest(of: image) == digest else {
            distrust(imageOf: id)
            throw .noEntry
        }
        try? File.setTimes(image, nanoseconds: UInt64(Self.sealedTime))
        return image
    }

    func openImageAsItIs(_ id: ServiceID) throws(Errno) -> Descriptor {
        try File.open(at: images.descriptor, id.imageName, .readOnly, .noFollow)
    }

    /// An image was seen to be altered: the next opening of the box puts it right.
    func distrust(imageOf id: ServiceID) {
        try? File.setTimes(
            at: images.descriptor, id.imageName, nanoseconds: Self.distrustedTime)
        pins.withLock { pins in
            if pins.alteredImages.count < Self.alteredMax { pins.alteredImages.insert(id) }
        }
    }

    /// Gives a turn to make the root of a box: to one at a time.
    package func withTurn(
        toMake id: ServiceID, _ body: () throws(Fault) -> Void
    ) throws(Fault) {
        try turns.with(id, body)
    }

    /// The object directory as others are given it: an open file of its own.
    func openObjects() throws(Errno) -> Descriptor {
        try Directory.open(at: objects.descriptor, ".")
    }

    func openCheckout(_ id: ServiceID) throws(Errno) -> Descriptor {
        try Directory.open(at: checkouts.descriptor, id.description)
    }

    func publish(_ file: consuming StagedFile, imageOf id: ServiceID) throws(Errno) {
        try File.setTimes(file.descriptor, nanoseconds: UInt64(Self.sealedTime))
        try file.publish(at: images.descriptor, id.imageName, over: staging.descriptor)
        pins.withLock { _ = $0.alteredImages.remove(id) }
    }

    /// One of its folders, for tests and tools.
    package func folder(_ name: String) -> SharedDescriptor {
        switch name {
        case "objects": objects
        case "images": images
        case "checkouts": checkouts
        default: staging
        }
    }

    // MARK: Pins

    func pin(_ digest: ContentDigest) {
        pins.withLock { $0.objects.pin(digest) }
    }

    func pin(_ id: ServiceID) {
        pins.withLock { $0.roots.pin(id) }
    }

    /// Nothing is being made or removed.
    var isQuiet: Bool {
        pins.withLock { $0.removals == 0 && $0.objects.isEmpty && $0.roots.isEmpty }
    }

    /// Whether a content is there and nobody needs it or is about to.
    func isAbandoned(
        _ digest: ContentDigest, needed: ([ContentDigest]) throws(Fault) -> Set<ContentDigest>
    ) throws(Fault) -> Bool {
        // Before the index is asked: an import lets go of a content after the index has it.
        guard pins.withLock({ $0.removals == 0 && !$0.objects.isPinned(digest) }) else {
            return false
        }
        return try needed([digest]).isEmpty && hasName("objects/\(digest.objectPath)")
    }

    /// Whether nobody needs what a box would have, or is about to.
    func isAbandoned(
        _ id: ServiceID, needed: (ServiceID) throws(Fault) -> Bool
    ) throws(Fault) -> Bool {
        guard pins.withLock({ $0.removals == 0 && !$0.roots.isPinned(id) }) else { return false }
        return try !needed(id)
    }

    /// Whether there is something at a path of the store: "images/…".
    func hasName(_ path: String) -> Bool {
        guard let slash = path.firstIndex(of: "/") else { return false }
        let rest = String(path[path.index(after: slash)...])
        return (try? File.status(at: folder(String(path[..<slash])).descriptor, rest)) != nil
    }

    // LIMIT: names decided under one hold of the lock, so that imports go on meanwhile.
    private static let stepNames = 64

    /// Ends an import's reliance.
    ///
    /// - Parameters:
    ///   - doubtful: of `digests`, those the import stored and may have no use for.
    ///   - needed: which of some contents a box needs. Where that is not known nothing is deleted;
    ///     the next start sweeps.
    package func release(
        _ digests: Set<ContentDigest>, doubtful: Set<ContentDigest>,
        needed: ([ContentDigest]) throws -> Set<ContentDigest>
    ) {
        forSteps(of: Array(digests)) { step, pins in
            let doubted = step.filter {
                pins.objects.release($0, isDoubtful: doubtful.contains($0))
            }
            guard !doubted.isEmpty, let needed = try? needed(doubted) else { return }
            for digest in doubted where !needed.contains(digest) { _ = delete(digest) }
        }
    }

    package func release(
        _ id: ServiceID, failed: Bool, needed: (ServiceID) throws -> Bool
    ) {
        let doomed = pins.withLock { pins -> String? in
            guard pins.roots.release(id, isDoubtful: failed), (try? needed(id)) == false else {
                return nil
            }
            return delete(id)
        }
        finish(doomed)
    }

    /// Deletes what a removed box leaves behind.
    ///
    /// - Returns: bytes of the deleted contents.
    package func abandon(
        _ id: ServiceID, _ digests: [ContentDigest: UInt64],
        neededImage: (ServiceID) throws -> Bool,
        needed: ([ContentDigest]) throws -> Set<ContentDigest>
    ) -> UInt64 {
        let doomed = pins.withLock { pins -> String? in
            pins.removals += 1
            guard pins.roots.abandon(id), (try? neededImage(id)) == false else { return nil }
            return delete(id)
        }
        finish(doomed)
        defer { pins.withLock { $0.removals -= 1 } }
        var freed: UInt64 = 0
        forSteps(of: Array(digests.keys)) { step, pins in
            let free = step.filter { pins.objects.abandon($0) }
            guard !free.isEmpty, let needed = try? needed(free) else { return }
            for digest in free where !needed.contains(digest) && delete(digest) {
                freed += digests[digest] ?? 0
            }
        }
        return freed
    }

    private func forSteps(
        of digests: [ContentDigest], _ body: ([ContentDigest], inout Pins) -> Void
    ) {
        for start in stride(from: 0, to: digests.count, by: Self.stepNames) {
            let step = Array(digests[start..<min(start + Self.stepNames, digests.count)])
            pins.withLock { body(step, &$0) }
        }
    }

    /// What cannot be deleted now is swept at the next start.
    private func delete(_ digest: ContentDigest) -> Bool {
        (try? File.remove(at: objects.descriptor, digest.objectPath)) != nil
    }

    /// - Returns: where its checkout is now, to be removed when the lock is free: one that is half
    ///   removed must not be taken for a whole one.
    private func delete(_ id: ServiceID) -> String? {
        try? File.remove(at: images.descriptor, id.imageName)
        let doomed = Hexadecimal.text(Random.bytes(16))
        do throws(Errno) {
            try File.rename(
                at: checkouts.descriptor, id.description, to: staging.descriptor, doomed)
            Checkout(store: self).trust(id)
            return doomed
        } catch {
            // There is none; or it is swept at the next start.
            return nil
        }
    }

    private func finish(_ doomed: String?) {
        guard let doomed else { return }
        // What stays is swept at the next start.
        try? Checkout.remove(at: staging.descriptor, doomed)
    }
}

extension ContentDigest {
    /// What its folder is named by.
    var firstByte: UInt8 { bytes[0] }
}
