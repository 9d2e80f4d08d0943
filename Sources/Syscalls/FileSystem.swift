// How much room a file system has, and what it is.

import CShim
import Glibc

package struct FileSystemSpace: Sendable {
    package let totalBytes: UInt64
    /// What an unprivileged process may still use.
    package let availableBytes: UInt64
    package let totalInodes: UInt64
    package let availableInodes: UInt64
    /// The magic of statfs(2): 0xEF53 ext4, 0x01021994 tmpfs, 0x63677270 cgroup2.
    package let type: UInt64
}

package enum FileSystem {
    package static func space(_ descriptor: borrowing Descriptor) throws(Errno) -> FileSystemSpace {
        let raw = descriptor.raw
        var value = statfs()
        // SAFETY: the kernel fills the local value.
        try Call.check { unsafe fstatfs(raw, &value) }
        return FileSystemSpace(value)
    }

    package static func space(_ path: String) throws(Errno) -> FileSystemSpace {
        try Call.checkName(path)
        var value = statfs()
        // SAFETY: the path is terminated; the kernel fills the local value.
        try Call.check { unsafe statfs(path, &value) }
        return FileSystemSpace(value)
    }
}

extension FileSystemSpace {
    fileprivate init(_ raw: statfs) {
        let unit = UInt64(raw.f_frsize)
        totalBytes = UInt64(raw.f_blocks) * unit
        availableBytes = UInt64(raw.f_bavail) * unit
        totalInodes = UInt64(raw.f_files)
        availableInodes = UInt64(raw.f_ffree)
        type = UInt64(bitPattern: Int64(raw.f_type))
    }
}
