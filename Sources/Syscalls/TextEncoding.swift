// The C library's idea of text, which libraries in C ask it for.

import Glibc

package enum TextEncoding {
    /// Runs `body` with UTF-8 as this thread's encoding, whatever the environment says, so that a C
    /// library takes text of any language for text.
    package static func withUTF8<T, E: Error>(_ body: () throws(E) -> T) throws(E) -> T {
        try with("C.UTF-8", body)
    }

    /// Runs `body` with an encoding of ASCII only, whatever the environment says, so that a C library
    /// hands all else on as the bytes it is: libarchive writes UTF-8 anew in another spelling (NFC)
    /// where it can, and leaves it alone where it cannot.
    package static func withASCII<T, E: Error>(_ body: () throws(E) -> T) throws(E) -> T {
        try with("C", body)
    }

    private static func with<T, E: Error>(
        _ name: String, _ body: () throws(E) -> T
    ) throws(E) -> T {
        // SAFETY: the locale is used by this thread only and freed after it has been taken back.
        guard let locale = unsafe newlocale(LC_CTYPE_MASK, name, nil) else { return try body() }
        let before = unsafe uselocale(locale)
        defer {
            unsafe uselocale(before)
            unsafe freelocale(locale)
        }
        return try body()
    }
}
