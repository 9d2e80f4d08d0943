import Syscalls

/// A file being written that nobody can see yet: without a name where the file system can, else
/// under a name in the staging directory. It is gone when it is let go before it was published.
struct StagedFile: ~Copyable {
    let descriptor: Descriptor
    private let staging: SharedDescriptor
    /// nil for a file without a name.
    private let name: String?

    /// - Parameters:
    ///   - directory: of the same file system, where a file without a name is made.
    ///   - folder: in it, for the same.
    init(
        in staging: SharedDescriptor, near directory: borrowing Descriptor, _ folder: String = "."
    ) throws(Errno) {
        self.staging = staging
        do throws(Errno) {
            descriptor = try File.open(at: directory, folder, .readWrite, .unnamed)
            name = nil
            return
        } catch {
            // Some file systems (overlayfs before 6.6, NFS) have no files without names.
            guard error == .notSupported || error == .isDirectory || error == .noEntry else {
                throw error
            }
        }
        let name = StagedFile.freshName()
        descriptor = try File.open(
            at: staging.descriptor, name, .readWrite, [.create, .exclusive, .noFollow])
        self.name = name
    }

    init(in staging: SharedDescriptor) throws(Errno) {
        try self.init(in: staging, near: staging.descriptor)
    }

    deinit {
        // Published by a link, so the name in the staging directory goes either way. One that
        // stays is swept at the next start.
        if let name { try? File.remove(at: staging.descriptor, name) }
    }

    /// Gives the file its place, read-only. The content is not on the disk by that.
    ///
    /// - Returns: false where the place is taken, which is left as it is.
    consuming func publish(
        at directory: borrowing Descriptor, _ place: String
    ) throws(Errno) -> Bool {
        try File.setMode(descriptor, 0o444)
        do throws(Errno) {
            if let name {
                try File.link(at: staging.descriptor, name, to: directory, place)
            } else {
                try File.linkUnnamed(descriptor, to: directory, place)
            }
            return true
        } catch .exists {
            return false
        }
    }

    /// Gives the file its place, read-only, instead of what is there.
    consuming func publish(
        at directory: borrowing Descriptor, _ place: String, over staging: borrowing Descriptor
    ) throws(Errno) {
        // A link cannot replace a name; a rename can, and nobody finds the place empty meanwhile.
        let fresh = StagedFile.freshName()
        guard try publish(at: staging, fresh) else { throw .exists }
        try File.rename(at: staging, fresh, to: directory, place)
    }

    private static func freshName() -> String {
        Hexadecimal.text(Random.bytes(16))
    }
}
