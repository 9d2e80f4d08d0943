// Waiting for one descriptor on a worker thread, where there is no loop.

import CShim
import Glibc

extension File {
    /// Waits until a read would not block: there is something, the end, or an error.
    ///
    /// - Returns: false when the time passed first.
    package static func waitReadable(
        _ descriptor: borrowing Descriptor, milliseconds: Int32
    ) throws(Errno) -> Bool {
        try wait(descriptor, Int16(POLLIN), milliseconds)
    }

    /// Waits until a write would not block for want of any room, or fails.
    ///
    /// - Returns: false when the time passed first.
    package static func waitWritable(
        _ descriptor: borrowing Descriptor, milliseconds: Int32
    ) throws(Errno) -> Bool {
        try wait(descriptor, Int16(POLLOUT), milliseconds)
    }

    private static func wait(
        _ descriptor: borrowing Descriptor, _ events: Int16, _ milliseconds: Int32
    ) throws(Errno) -> Bool {
        var entry = pollfd(fd: descriptor.raw, events: events, revents: 0)
        // SAFETY: one entry, ours alone during the call.
        return try Call.check { unsafe poll(&entry, 1, milliseconds) } > 0
    }
}
