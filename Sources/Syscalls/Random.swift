// The kernel's random bytes: for tokens and keys. Machines are given a generator instead.

import CShim
import Glibc

package enum Random {
    package static func bytes(_ count: Int) -> [UInt8] {
        var all = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            // SAFETY: the kernel writes inside the array, from where the last call ended.
            let got = unsafe all.withUnsafeMutableBytes { bytes in
                let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[filled...])
                return unsafe getrandom(rest.baseAddress, rest.count, 0)
            }
            precondition(got > 0 || errno == EINTR, "the kernel has random bytes")
            filled += max(got, 0)
        }
        return all
    }

    package static func integer() -> UInt64 {
        bytes(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}
