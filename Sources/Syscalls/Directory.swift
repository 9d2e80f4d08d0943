// The entries of an open directory, in the order of the file system.

import CShim
import Glibc

package struct DirectoryEntry: Sendable {
    /// As stored: any bytes but NUL and slash.
    package let nameBytes: [UInt8]
    /// nil where the file system does not say; ask `File.status`.
    package let kind: FileStatus.Kind?
    package let inode: UInt64

    /// The name as text; bytes that are not UTF-8 are replaced, so do not open by it unless
    /// `isText`.
    package var name: String { String(decoding: nameBytes, as: UTF8.self) }
    package var isText: Bool { Array(name.utf8) == nameBytes }
}

package enum Directory {
    package static func open(_ path: String) throws(Errno) -> Descriptor {
        try File.open(path, .readOnly, .directory)
    }

    package static func open(
        at directory: borrowing Descriptor, _ name: String
    ) throws(Errno) -> Descriptor {
        try File.open(at: directory, name, .readOnly, [.directory, .noFollow])
    }

    /// All entries but `.` and `..`, from the start, given one by one until `body` says false.
    package static func forEach(
        _ directory: borrowing Descriptor, _ body: (DirectoryEntry) throws(Errno) -> Bool
    ) throws(Errno) {
        try File.seek(directory, to: 0)
        let raw = directory.raw
        // LIMIT: 32 KiB of entries a step, what the C library's readdir takes.
        var buffer = [UInt8](repeating: 0, count: 32_768)
        while true {
            // SAFETY: the kernel writes inside the array, which is ours alone during the call.
            let count = try Call.check {
                unsafe buffer.withUnsafeMutableBytes { bytes in
                    unsafe celaut_getdents(raw, bytes.baseAddress, bytes.count)
                }
            }
            if count == 0 { return }
            var offset = 0
            while offset < Int(count) {
                // struct linux_dirent64: inode 8, offset 8, length 2, type 1, name.
                let length = Int(buffer[offset + 16]) | Int(buffer[offset + 17]) << 8
                let rest = buffer[(offset + 19)..<(offset + length)]
                let name = Array(rest.prefix { $0 != 0 })
                let inode = (0..<8).reduce(UInt64(0)) {
                    $0 | UInt64(buffer[offset + $1]) << ($1 * 8)
                }
                let entry = DirectoryEntry(
                    nameBytes: name, kind: kind(of: buffer[offset + 18]), inode: inode)
                offset += length
                if name == [0x2E] || name == [0x2E, 0x2E] { continue }
                if try !body(entry) { return }
            }
        }
    }

    /// The entries, sorted by name.
    ///
    /// - Throws: `.tooBig` when there are more than `max`.
    package static func list(
        _ directory: borrowing Descriptor, max: Int = 1_000_000
    ) throws(Errno) -> [DirectoryEntry] {
        var entries: [DirectoryEntry] = []
        try forEach(directory) { entry throws(Errno) in
            if entries.count == max { throw .tooBig }
            entries.append(entry)
            return true
        }
        return entries.sorted { $0.nameBytes.lexicographicallyPrecedes($1.nameBytes) }
    }

    private static func kind(of type: UInt8) -> FileStatus.Kind? {
        // The type is the mode's four highest bits (DT_*); 0 is unknown.
        type == 0 ? nil : FileStatus.Kind(mode: UInt32(type) << 12)
    }
}
