// An open file descriptor with exactly one owner. It is closed when its owner lets it go, once, and
// is close-on-exec from the moment it exists.

import CShim
import Glibc

package struct Descriptor: ~Copyable, Sendable {
    /// The number, for use inside Syscalls and as a name in logs. Using it after the owner is gone
    /// is the error this type exists to prevent.
    package let raw: Int32

    /// Takes ownership of an open descriptor.
    package init(adopting raw: Int32) {
        precondition(raw >= 0, "no descriptor has a negative number")
        self.raw = raw
    }

    deinit {
        // Never made again after EINTR: Linux has released the number before it reports.
        if close(raw) == -1 {
            precondition(errno != EBADF, "a descriptor was closed twice")
        }
    }

    /// Another descriptor of the same open file, above the standard streams.
    package borrowing func duplicate() throws(Errno) -> Descriptor {
        let raw = raw
        return try Call.descriptor { celaut_fcntl(raw, F_DUPFD_CLOEXEC, 3) }
    }

    /// Gives ownership up: the caller closes.
    package consuming func release() -> Int32 {
        let raw = raw
        discard self
        return raw
    }
}

extension Descriptor {
    /// Whether calls on the open file return EAGAIN instead of waiting.
    package borrowing func setNonBlocking(_ on: Bool) throws(Errno) {
        let raw = raw
        let flags = try Call.check { celaut_fcntl(raw, F_GETFL, 0) }
        let wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK
        if wanted != flags { try Call.check { celaut_fcntl(raw, F_SETFL, Int(wanted)) } }
    }

    /// Whether reads and writes of the open file go past the page cache (O_DIRECT): from memory and at
    /// places that are multiples of what the disk asks for, 4,096 bytes nearly everywhere, else `.invalid`.
    ///
    /// - Throws: `.invalid` where the file system cannot.
    package borrowing func setDirect(_ on: Bool) throws(Errno) {
        let raw = raw
        let flags = try Call.check { celaut_fcntl(raw, F_GETFL, 0) }
        let wanted = on ? flags | celaut_o_direct : flags & ~celaut_o_direct
        if wanted != flags { try Call.check { celaut_fcntl(raw, F_SETFL, Int(wanted)) } }
    }

    /// How the open file may be used.
    package borrowing func access() throws(Errno) -> File.Access {
        let raw = raw
        let flags = try Call.check { celaut_fcntl(raw, F_GETFL, 0) }
        if flags & celaut_o_path != 0 { return .path }
        switch flags & O_ACCMODE {
        case O_WRONLY: return .writeOnly
        case O_RDWR: return .readWrite
        default: return .readOnly
        }
    }

    /// A path by which this process (and a child that inherits the number) can open the same file.
    package borrowing func procPath() -> String { "/proc/self/fd/\(raw)" }
}

/// A descriptor with several owners: closed when the last lets go.
package final class SharedDescriptor: Sendable {
    package let descriptor: Descriptor

    package init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
    }

    package var raw: Int32 { descriptor.raw }
}
