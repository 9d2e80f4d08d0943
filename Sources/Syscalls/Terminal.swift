// The standard streams of a command.

import CShim
import Glibc

package enum Terminal {
    package enum Stream: Int32, Sendable { case input = 0, output = 1, error = 2 }

    package static func isTerminal(_ stream: Stream) -> Bool { isatty(stream.rawValue) == 1 }

    /// The width of a terminal in characters; nil when the stream is none.
    package static func columns(_ stream: Stream = .output) -> Int? {
        var size = winsize()
        // SAFETY: the kernel fills the local value.
        guard unsafe celaut_ioctl_pointer(stream.rawValue, UInt(TIOCGWINSZ), &size) == 0 else {
            return nil
        }
        return size.ws_col == 0 ? nil : Int(size.ws_col)
    }

    /// The height of a terminal in lines; nil when the stream is none.
    package static func rows(_ stream: Stream = .output) -> Int? {
        var size = winsize()
        // SAFETY: the kernel fills the local value.
        guard unsafe celaut_ioctl_pointer(stream.rawValue, UInt(TIOCGWINSZ), &size) == 0 else {
            return nil
        }
        return size.ws_row == 0 ? nil : Int(size.ws_row)
    }

    /// Writes text, all of it. Errors of a standard stream that nobody reads are not ours to mend:
    /// the caller decides.
    ///
    /// - Returns: nil where all is written.
    @discardableResult
    package static func write(_ text: String, to stream: Stream) -> Errno? {
        write(Array(text.utf8), to: stream)
    }

    @discardableResult
    package static func write(_ bytes: [UInt8], to stream: Stream) -> Errno? {
        var written = 0
        while written < bytes.count {
            // SAFETY: the kernel reads inside the array, from where the last call ended.
            let count = unsafe bytes.withUnsafeBytes { bytes in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[written...])
                return unsafe Glibc.write(stream.rawValue, rest.baseAddress, rest.count)
            }
            if count == -1 {
                if errno == EINTR { continue }
                return Errno(code: errno)
            }
            written += count
        }
        return nil
    }

    /// Another descriptor of a standard stream; nil when it is closed.
    package static func duplicate(_ stream: Stream) -> Descriptor? {
        let raw = celaut_fcntl(stream.rawValue, F_DUPFD_CLOEXEC, 3)
        return raw < 0 ? nil : Descriptor(adopting: raw)
    }
}
