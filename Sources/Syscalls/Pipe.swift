// A pipe: bytes one way inside the kernel.

import CShim
import Glibc

package struct Pipe: ~Copyable, Sendable {
    package var reading: Descriptor
    package var writing: Descriptor

    package init(nonBlocking: Bool = false) throws(Errno) {
        var ends: [Int32] = [-1, -1]
        // SAFETY: the kernel writes two numbers into an array of two.
        try Call.check { unsafe pipe2(&ends, O_CLOEXEC | (nonBlocking ? O_NONBLOCK : 0)) }
        reading = Descriptor(adopting: ends[0])
        writing = Descriptor(adopting: ends[1])
    }

    /// Keeps the reading end and closes the other.
    package consuming func keepReading() -> Descriptor { reading }

    /// Keeps the writing end and closes the other.
    package consuming func keepWriting() -> Descriptor { writing }

    /// Sets how much the kernel holds for a pipe.
    ///
    /// - Returns: what the kernel made of it.
    @discardableResult
    package static func setCapacity(
        _ end: borrowing Descriptor, bytes: Int
    ) throws(Errno) -> Int {
        let raw = end.raw
        return Int(try Call.check { celaut_fcntl(raw, F_SETPIPE_SZ, bytes) })
    }
}

private let F_SETPIPE_SZ: Int32 = 1031
