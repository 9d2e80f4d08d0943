// What this runs on.

import Glibc

package enum Kernel {
    /// The release of the kernel: "6.1.0-35-amd64".
    package static func release() -> String {
        var name = utsname()
        // SAFETY: the kernel fills the local value; each of its texts is terminated.
        guard unsafe uname(&name) == 0 else { return "" }
        return unsafe withUnsafeBytes(of: &name.release) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}
