// The kernel's clocks, in nanoseconds. Machines never call these: a driver reads them and tells.

import Glibc

package enum Clock {
    /// Since boot, without time asleep; never goes back.
    package static func monotonicNanoseconds() -> UInt64 { read(CLOCK_MONOTONIC) }

    /// Since boot, with time asleep.
    package static func boottimeNanoseconds() -> UInt64 { read(CLOCK_BOOTTIME) }

    /// Since 1970-01-01 UTC; may jump.
    package static func realtimeNanoseconds() -> UInt64 { read(CLOCK_REALTIME) }

    /// Of processor, used by this process.
    package static func processNanoseconds() -> UInt64 { read(CLOCK_PROCESS_CPUTIME_ID) }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        // SAFETY: the kernel fills the local value and keeps no pointer.
        let done = unsafe clock_gettime(clock, &time)
        precondition(done == 0, "the kernel has this clock")
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

extension timespec {
    init(nanoseconds: UInt64) {
        self.init(
            tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    }
}
