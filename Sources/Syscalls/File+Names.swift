// Changing the names of files: always relative to an open directory, or by an absolute path.

import CShim
import Glibc

extension File {
    package static func makeDirectory(
        at directory: borrowing Descriptor, _ name: String, mode: UInt32 = 0o700
    ) throws(Errno) {
        try Call.checkName(name)
        let raw = directory.raw
        // SAFETY: the name is a terminated string for the length of the call (as in all below).
        try Call.check { unsafe mkdirat(raw, name, mode) }
    }

    package static func makeDirectory(_ path: String, mode: UInt32 = 0o700) throws(Errno) {
        try Call.checkName(path)
        // SAFETY: as above.
        try Call.check { unsafe mkdir(path, mode) }
    }

    /// Makes a directory and those above it that are missing; one that is there stays as it is.
    package static func makeDirectories(_ path: String, mode: UInt32 = 0o700) throws(Errno) {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") where part != "." {
            made += "/" + part
            do throws(Errno) {
                try makeDirectory(made, mode: mode)
            } catch .exists {
                continue
            }
        }
    }

    package static func remove(
        at directory: borrowing Descriptor, _ name: String
    ) throws(Errno) {
        try Call.checkName(name)
        let raw = directory.raw
        // SAFETY: as above.
        try Call.check { unsafe unlinkat(raw, name, 0) }
    }

    package static func remove(_ path: String) throws(Errno) {
        try Call.checkName(path)
        // SAFETY: as above.
        try Call.check { unsafe unlink(path) }
    }

    package static func removeDirectory(
        at directory: borrowing Descriptor, _ name: String
    ) throws(Errno) {
        try Call.checkName(name)
        let raw = directory.raw
        // SAFETY: as above.
        try Call.check { unsafe unlinkat(raw, name, AT_REMOVEDIR) }
    }

    package static func removeDirectory(_ path: String) throws(Errno) {
        try Call.checkName(path)
        // SAFETY: as above.
        try Call.check { unsafe rmdir(path) }
    }

    package enum Replace: UInt32, Sendable {
        /// The target is replaced if it is there.
        case allowed = 0
        /// `.exists` if the target is there.
        case refused = 1
        /// Both must be there and change places.
        case exchange = 2
    }

    package static func rename(
        at source: borrowing Descriptor, _ from: String, to target: borrowing Descriptor,
        _ to: String, replace: Replace = .allowed
    ) throws(Errno) {
        try Call.checkName(from)
        try Call.checkName(to)
        let sourceRaw = source.raw
        let targetRaw = target.raw
        // SAFETY: as above.
        try Call.check { unsafe celaut_renameat2(sourceRaw, from, targetRaw, to, replace.rawValue) }
    }

    package static func rename(_ from: String, to: String) throws(Errno) {
        try Call.checkName(from)
        try Call.checkName(to)
        // SAFETY: as above.
        try Call.check { unsafe Glibc.rename(from, to) }
    }

    /// Another name for a file.
    package static func link(
        at source: borrowing Descriptor, _ from: String, to target: borrowing Descriptor,
        _ to: String
    ) throws(Errno) {
        try Call.checkName(from)
        try Call.checkName(to)
        let sourceRaw = source.raw
        let targetRaw = target.raw
        // SAFETY: as above.
        try Call.check { unsafe linkat(sourceRaw, from, targetRaw, to, 0) }
    }

    /// Gives a name to an open file that has none (opened with `.unnamed`). Needs `/proc`.
    package static func linkUnnamed(
        _ file: borrowing Descriptor, to target: borrowing Descriptor, _ to: String
    ) throws(Errno) {
        try Call.checkName(to)
        let path = file.procPath()
        let targetRaw = target.raw
        // SAFETY: as above.
        try Call.check {
            unsafe linkat(celaut_at_fdcwd, path, targetRaw, to, AT_SYMLINK_FOLLOW)
        }
    }

    package static func symlink(
        _ content: String, at directory: borrowing Descriptor, _ name: String
    ) throws(Errno) {
        try Call.checkName(content)
        try Call.checkName(name)
        let raw = directory.raw
        // SAFETY: as above.
        try Call.check { unsafe symlinkat(content, raw, name) }
    }

    /// A symbolic link's content, as bytes (at most 4,096: PATH_MAX).
    package static func readLink(
        at directory: borrowing Descriptor, _ name: String
    ) throws(Errno) -> [UInt8] {
        try readLink(rawDirectory: directory.raw, name)
    }

    package static func readLink(_ path: String) throws(Errno) -> [UInt8] {
        try readLink(rawDirectory: celaut_at_fdcwd, path)
    }

    private static func readLink(
        rawDirectory: Int32, _ name: String
    ) throws(Errno) -> [UInt8] {
        try Call.checkName(name)
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        // SAFETY: the kernel writes inside the array, which is ours alone during the call.
        let count = try Call.check {
            unsafe buffer.withUnsafeMutableBytes { bytes in
                guard let start = bytes.baseAddress else { return -1 }
                return unsafe readlinkat(
                    rawDirectory, name, start.assumingMemoryBound(to: CChar.self), bytes.count)
            }
        }
        buffer.removeLast(buffer.count - count)
        return buffer
    }

    /// Makes a named pipe.
    package static func makePipe(_ path: String, mode: UInt32 = 0o600) throws(Errno) {
        try Call.checkName(path)
        // SAFETY: as above.
        try Call.check { unsafe mkfifo(path, mode) }
    }
}
