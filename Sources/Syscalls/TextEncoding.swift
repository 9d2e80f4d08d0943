// The C library's idea of text, which libraries in C ask it for.

import Glibc

package enum TextEncoding {
    /// Runs `body` with UTF-8 as this thread's encoding, whatever the environment says, so that a C
    /// library hands names on as the bytes they are.
    package static func withUTF8<T, E: Error>(_ body: () throws(E) -> T) throws(E) -> T {
        // SAFETY: the locale is used by this thread only and freed after it has been taken back.
        guard let utf8 = unsafe newlocale(LC_CTYPE_MASK, "C.UTF-8", nil) else { return try body() }
        let before = unsafe uselocale(utf8)
        defer {
            unsafe uselocale(before)
            unsafe freelocale(utf8)
        }
        return try body()
    }
}
