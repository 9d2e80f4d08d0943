// Extended attributes of names, and which names a pattern means.

import CShim
import Glibc

extension File {
    /// The extended attributes of a name itself that are in a name space ("user."). At most 64 KiB of
    /// names and of each value (the kernel's).
    ///
    /// None is one call: of ten thousand files hardly any has one.
    package static func attributes(
        _ path: String, in space: String
    ) throws(Errno) -> [(name: [UInt8], value: [UInt8])] {
        try Call.checkName(path)
        // SAFETY (of all below): paths and names are terminated strings for the length of the call, and
        // the kernel writes inside the array, which is ours alone during the call.
        do throws(Errno) {
            if try Call.check({ unsafe llistxattr(path, nil, 0) }) == 0 { return [] }
        } catch .notSupported {
            return []
        }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = try Call.check {
            unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe llistxattr(path, bytes.baseAddress, bytes.count)
            }
        }
        let names = buffer[..<count].split(separator: 0).map(Array.init)
        var found: [(name: [UInt8], value: [UInt8])] = []
        for name in names where name.starts(with: space.utf8) {
            let terminated = (name + [0]).map { CChar(bitPattern: $0) }
            let count = try Call.check {
                unsafe buffer.withUnsafeMutableBytes { bytes in
                    unsafe lgetxattr(path, terminated, bytes.baseAddress, bytes.count)
                }
            }
            found.append((name, Array(buffer[..<count])))
        }
        return found
    }

    /// Whether a pattern of wildcards means a path, or a directory above it: "*" and "?" stop at slashes.
    package static func matches(_ pattern: String, _ path: some StringProtocol) -> Bool {
        // FNM_LEADING_DIR, which the C library has for who asks for its extensions.
        let leadingDirectory: Int32 = 1 << 3
        // SAFETY: both are terminated strings for the length of the call.
        return unsafe fnmatch(pattern, String(path), FNM_PATHNAME | leadingDirectory) == 0
    }
}
