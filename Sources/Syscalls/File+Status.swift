// What a file is: statx, modes, owners, times, extended attributes.

import CShim
import Glibc

package struct FileStatus: Sendable, Equatable {
    package enum Kind: Sendable {
        case regular, directory, symlink, fifo, socket, characterDevice, blockDevice, other
    }

    package let kind: Kind
    /// The twelve permission bits.
    package let permissions: UInt32
    package let links: UInt32
    package let uid: UInt32
    package let gid: UInt32
    package let sizeBytes: UInt64
    /// What the file takes on the disk.
    package let allocatedBytes: UInt64
    package let inode: UInt64
    package let device: Device
    /// The device that a device file stands for.
    package let represents: Device
    package let mountID: UInt64
    /// Since 1970, in nanoseconds.
    package let modifiedNanoseconds: Int64
    package let changedNanoseconds: Int64

    package struct Device: Sendable, Equatable, Hashable {
        package let major: UInt32
        package let minor: UInt32
    }

    init(_ raw: celaut_status) {
        kind = Kind(mode: raw.mode)
        permissions = raw.mode & 0o7777
        links = raw.links
        uid = raw.uid
        gid = raw.gid
        sizeBytes = raw.size
        allocatedBytes = raw.blocks * 512
        inode = raw.inode
        device = Device(major: raw.device_major, minor: raw.device_minor)
        represents = Device(major: raw.rdevice_major, minor: raw.rdevice_minor)
        mountID = raw.mount_id
        modifiedNanoseconds = raw.modified_ns
        changedNanoseconds = raw.changed_ns
    }
}

extension FileStatus.Kind {
    init(mode: UInt32) {
        switch mode & S_IFMT {
        case S_IFREG: self = .regular
        case S_IFDIR: self = .directory
        case S_IFLNK: self = .symlink
        case S_IFIFO: self = .fifo
        case S_IFSOCK: self = .socket
        case S_IFCHR: self = .characterDevice
        case S_IFBLK: self = .blockDevice
        default: self = .other
        }
    }
}

extension File {
    package static func status(_ descriptor: borrowing Descriptor) throws(Errno) -> FileStatus {
        try status(rawDirectory: descriptor.raw, "", AT_EMPTY_PATH)
    }

    package static func status(
        at directory: borrowing Descriptor, _ name: String, followLinks: Bool = false
    ) throws(Errno) -> FileStatus {
        try status(rawDirectory: directory.raw, name, followLinks ? 0 : AT_SYMLINK_NOFOLLOW)
    }

    package static func status(
        _ path: String, followLinks: Bool = true
    ) throws(Errno) -> FileStatus {
        try status(rawDirectory: celaut_at_fdcwd, path, followLinks ? 0 : AT_SYMLINK_NOFOLLOW)
    }

    private static func status(
        rawDirectory: Int32, _ name: String, _ flags: Int32
    ) throws(Errno) -> FileStatus {
        try Call.checkName(name)
        var raw = celaut_status()
        // SAFETY: the name is a terminated string and the result a local value for the call.
        try Call.check { unsafe celaut_statx(rawDirectory, name, flags, &raw) }
        return FileStatus(raw)
    }

    /// Whether there is something at a path (after links).
    package static func exists(_ path: String) -> Bool {
        // SAFETY: the path is a terminated string for the length of the call.
        unsafe access(path, F_OK) == 0
    }

    /// Whether the path can be executed by this process.
    package static func isExecutable(_ path: String) -> Bool {
        // SAFETY: as above.
        unsafe access(path, X_OK) == 0
    }

    package static func setMode(
        _ descriptor: borrowing Descriptor, _ mode: UInt32
    ) throws(Errno) {
        let raw = descriptor.raw
        try Call.check { fchmod(raw, mode) }
    }

    package static func setMode(_ path: String, _ mode: UInt32) throws(Errno) {
        try Call.checkName(path)
        // SAFETY: as above.
        try Call.check { unsafe chmod(path, mode) }
    }

    package static func setOwner(
        _ descriptor: borrowing Descriptor, uid: UInt32, gid: UInt32
    ) throws(Errno) {
        let raw = descriptor.raw
        try Call.check { fchown(raw, uid, gid) }
    }

    /// The owner of a name itself: a link is not followed.
    package static func setOwner(
        at directory: borrowing Descriptor, _ name: String, uid: UInt32, gid: UInt32
    ) throws(Errno) {
        try Call.checkName(name)
        let raw = directory.raw
        // SAFETY: as above.
        try Call.check { unsafe fchownat(raw, name, uid, gid, AT_SYMLINK_NOFOLLOW) }
    }

    package static func setOwner(_ path: String, uid: UInt32, gid: UInt32) throws(Errno) {
        try Call.checkName(path)
        // SAFETY: as above.
        try Call.check { unsafe lchown(path, uid, gid) }
    }

    /// Sets both times of an open file.
    package static func setTimes(
        _ descriptor: borrowing Descriptor, nanoseconds: UInt64
    ) throws(Errno) {
        let raw = descriptor.raw
        let time = timespec(nanoseconds: nanoseconds)
        // SAFETY: two times are read during the call only.
        try Call.check { unsafe futimens(raw, [time, time]) }
    }

    /// Sets both times of a name itself: a link is not followed.
    package static func setTimes(
        at directory: borrowing Descriptor, _ name: String, nanoseconds: UInt64
    ) throws(Errno) {
        try Call.checkName(name)
        let raw = directory.raw
        let time = timespec(nanoseconds: nanoseconds)
        // SAFETY: two times are read during the call only.
        try Call.check { unsafe utimensat(raw, name, [time, time], AT_SYMLINK_NOFOLLOW) }
    }

    package static func setAttribute(
        _ descriptor: borrowing Descriptor, _ name: String, _ value: [UInt8]
    ) throws(Errno) {
        try Call.checkName(name)
        let raw = descriptor.raw
        // SAFETY: name and value are read during the call only.
        try Call.check { unsafe fsetxattr(raw, name, value, value.count, 0) }
    }

    /// The names of all extended attributes that may be read. At most 64 KiB of them (the kernel's).
    package static func attributeNames(
        _ descriptor: borrowing Descriptor
    ) throws(Errno) -> [String] {
        let raw = descriptor.raw
        var buffer = [UInt8](repeating: 0, count: 65_536)
        do throws(Errno) {
            // SAFETY: the kernel writes inside the array, which is ours alone during the call.
            let count = try Call.check {
                unsafe buffer.withUnsafeMutableBytes { bytes in
                    unsafe flistxattr(raw, bytes.baseAddress, bytes.count)
                }
            }
            return buffer[..<count].split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        } catch .notSupported {
            return []
        }
    }

    /// An extended attribute; nil when there is none of that name. At most 64 KiB (the kernel's).
    package static func attribute(
        _ descriptor: borrowing Descriptor, _ name: String
    ) throws(Errno) -> [UInt8]? {
        try Call.checkName(name)
        let raw = descriptor.raw
        var buffer = [UInt8](repeating: 0, count: 65_536)
        do throws(Errno) {
            // SAFETY: the kernel writes inside the array, which is ours alone during the call.
            let count = try Call.check {
                unsafe buffer.withUnsafeMutableBytes { bytes in
                    unsafe fgetxattr(raw, name, bytes.baseAddress, bytes.count)
                }
            }
            buffer.removeLast(buffer.count - count)
            return buffer
        } catch .noData {
            return nil
        }
    }
}
