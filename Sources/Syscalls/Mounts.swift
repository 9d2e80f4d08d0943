// Mounts by descriptor: a file system is made, configured, given attributes and only then attached
// to a place, so that no other process ever sees it half-made.

import CShim
import Glibc

package enum Mounts {
    package struct Attributes: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        package static let readOnly = Attributes(rawValue: celaut_mount_attr_rdonly)
        package static let noSetuid = Attributes(rawValue: celaut_mount_attr_nosuid)
        package static let noDevices = Attributes(rawValue: celaut_mount_attr_nodev)
        package static let noExecute = Attributes(rawValue: celaut_mount_attr_noexec)
        package static let noAccessTime = Attributes(rawValue: celaut_mount_attr_noatime)
        /// Symbolic links can be made and read, and are not followed.
        package static let noSymbolicLinks = Attributes(rawValue: celaut_mount_attr_nosymfollow)
    }

    /// A clone of the mount at an open file, with that file as its root, attached nowhere.
    package static func clone(_ file: borrowing Descriptor) throws(Errno) -> Descriptor {
        let raw = file.raw
        // SAFETY: the name is a terminated string for the length of the call.
        return try Call.descriptor { unsafe celaut_open_tree(raw, "", celaut_open_tree_clone) }
    }

    /// The same for a directory that may have been opened in another mount namespace, where it
    /// cannot be cloned from: what is at its path here, if that is the same directory.
    ///
    /// - Throws: `staleHandle` when it is another.
    package static func cloneHere(_ directory: borrowing Descriptor) throws(Errno) -> Descriptor {
        do throws(Errno) {
            return try clone(directory)
        } catch .invalid {
            let path = String(decoding: try File.readLink(directory.procPath()), as: UTF8.self)
            let here = try File.open(path, .path, [.directory])
            let (given, found) = (try File.status(directory), try File.status(here))
            guard given.device == found.device, given.inode == found.inode else {
                throw .staleHandle
            }
            return try clone(here)
        }
    }

    /// A clone of the mount at a path below a directory, with that path as its root.
    package static func clone(
        at directory: borrowing Descriptor, _ path: String
    ) throws(Errno) -> Descriptor {
        let raw = directory.raw
        // SAFETY: as above.
        return try Call.descriptor {
            unsafe celaut_open_tree(raw, path, celaut_open_tree_clone_path)
        }
    }

    /// Gives a detached mount attributes.
    package static func set(
        _ attributes: Attributes, on mount: borrowing Descriptor
    ) throws(Errno) {
        let raw = mount.raw
        try Call.check { celaut_mount_setattr(raw, 0, UInt64(attributes.rawValue), 0, -1) }
    }

    /// Files of a detached mount appear with the owners that the user namespace gives their ids.
    package static func mapOwners(
        of mount: borrowing Descriptor, by namespace: borrowing Descriptor
    ) throws(Errno) {
        let raw = mount.raw
        let user = namespace.raw
        try Call.check {
            celaut_mount_setattr(raw, 0, UInt64(celaut_mount_attr_idmap), 0, user)
        }
    }

    /// Attaches a mount over a path relative to a directory.
    package static func attach(
        _ mount: borrowing Descriptor, at directory: borrowing Descriptor, _ path: String
    ) throws(Errno) {
        let raw = mount.raw
        let at = directory.raw
        // SAFETY: the path is a terminated string for the length of the call.
        try Call.check { unsafe celaut_move_mount(raw, at, path) }
    }

    /// Attaches a mount over a path.
    package static func attach(
        _ mount: borrowing Descriptor, over path: String
    ) throws(Errno) {
        let raw = mount.raw
        // SAFETY: as above.
        try Call.check { unsafe celaut_move_mount(raw, celaut_at_fdcwd, path) }
    }

    /// Nothing that is mounted here from now on is seen elsewhere, nor the other way round.
    package static func makeAllPrivate() throws(Errno) {
        try Call.check { celaut_mount_private() }
    }

    /// Makes the current directory the root of all; the old root lies over it until `leaveOldRoot`.
    package static func pivotToWorkingDirectory() throws(Errno) {
        // SAFETY: the paths are terminated strings for the length of the call.
        try Call.check { unsafe celaut_pivot_root(".", ".") }
    }

    /// Lets go of the root that was before the pivot, with all that is attached in it.
    package static func leaveOldRoot() throws(Errno) {
        // SAFETY: as above.
        try Call.check { unsafe celaut_detach(".") }
        try Call.check { unsafe chdir("/") }
    }

    package static func changeDirectory(_ directory: borrowing Descriptor) throws(Errno) {
        let raw = directory.raw
        try Call.check { fchdir(raw) }
    }

    package static func changeDirectory(_ path: String) throws(Errno) {
        // SAFETY: the path is a terminated string for the length of the call.
        try Call.check { unsafe chdir(path) }
    }

    package static func detach(_ path: String) throws(Errno) {
        // SAFETY: as above.
        try Call.check { unsafe celaut_detach(path) }
    }

    /// A character device's file.
    package static func makeDevice(
        at directory: borrowing Descriptor, _ name: String, major: UInt32, minor: UInt32
    ) throws(Errno) {
        let raw = directory.raw
        // SAFETY: as above.
        try Call.check { unsafe celaut_make_node(raw, name, major, minor) }
    }
}

/// A file system being configured.
package struct FileSystemContext: ~Copyable {
    private let descriptor: Descriptor

    package init(_ type: String) throws(Errno) {
        // SAFETY: the name is a terminated string for the length of the call.
        descriptor = try Call.descriptor { unsafe celaut_fsopen(type) }
    }

    package borrowing func set(_ key: String, _ value: String) throws(Errno) {
        let raw = descriptor.raw
        // SAFETY: both are terminated strings for the length of the call.
        try Call.check {
            unsafe value.withCString {
                unsafe celaut_fsconfig(raw, celaut_fsconfig_string, key, $0, 0)
            }
        }
    }

    package borrowing func set(_ key: String, _ value: borrowing Descriptor) throws(Errno) {
        let raw = descriptor.raw
        let file = value.raw
        // SAFETY: as above.
        try Call.check { unsafe celaut_fsconfig(raw, celaut_fsconfig_fd, key, nil, file) }
    }

    package borrowing func set(_ key: String) throws(Errno) {
        let raw = descriptor.raw
        // SAFETY: as above.
        try Call.check { unsafe celaut_fsconfig(raw, celaut_fsconfig_flag, key, nil, 0) }
    }

    /// Makes the file system, and its mount, attached nowhere.
    package consuming func mount(
        _ attributes: Mounts.Attributes
    ) throws(Errno) -> Descriptor {
        let raw = descriptor.raw
        try Call.check { celaut_fsconfig(raw, celaut_fsconfig_create, nil, nil, 0) }
        return try Call.descriptor { celaut_fsmount(raw, attributes.rawValue) }
    }
}

/// A block device over a file, which goes away by itself with its last user.
package struct LoopDevice: ~Copyable {
    package let path: String
    private let device: Descriptor

    /// LIMIT: 16 tries. Each loses only to another process that took the free device first, or holds
    /// one that has no file any more for a moment: then it is still the free one that is told.
    private static let triesMax = 16
    /// Between tries: for that moment to pass.
    private static let pauseMilliseconds: Int32 = 2

    /// - Parameter isDirect: past the page cache of the file, where its file system can; the device then
    ///   begins by writing the file out (10 ms and more for one that was just written).
    package init(
        over file: borrowing Descriptor, control: borrowing Descriptor, isDirect: Bool
    ) throws(Errno) {
        var left = Self.triesMax
        while true {
            let controlRaw = control.raw
            let number = try Call.check { celaut_loop_free(controlRaw) }
            let path = "/dev/loop\(number)"
            let device = try File.open(path, .readWrite)
            do throws(Errno) {
                let deviceRaw = device.raw
                let fileRaw = file.raw
                let direct: Int32 = isDirect ? 1 : 0
                try Call.check { celaut_loop_configure(deviceRaw, fileRaw, direct) }
                self.path = path
                self.device = device
                return
            } catch .busy where left > 0 {
                left -= 1
                var nothing = [Poll.Wait()]
                try Poll.wait(&nothing, milliseconds: Self.pauseMilliseconds)
            }
        }
    }

    // LIMIT: bytes held while reading.
    private static let stepBytes = 65_536

    /// Reads the device where its file has data, so that a file system on it finds that in memory and
    /// waits for no other thread of the kernel's.
    package borrowing func load(dataOf file: borrowing Descriptor) throws(Errno) {
        var buffer = [UInt8](repeating: 0, count: Self.stepBytes)
        var offset: UInt64 = 0
        while let start = try File.seek(file, toNext: .data, from: offset) {
            let end = try File.seek(file, toNext: .hole, from: start) ?? start
            offset = start
            while offset < end {
                let count = try File.read(device, into: &buffer, at: offset)
                if count == 0 { return }
                offset += UInt64(count)
            }
        }
    }
}
