// How fast output is taken: at most so many bytes per second, after a second's worth at once. What is
// not taken stays in the pipe, and who writes more waits there.

/// Keeps true: over any time, no more is taken than the rate times that time, one second's worth, and
/// what is taken at once.
package struct OutputPace: Equatable {
    /// 0 for no bound.
    private let bytesPerSecond: UInt64
    /// When all that was taken so far will have been due.
    private var dueNanoseconds: UInt64 = 0

    private static let second: UInt64 = 1_000_000_000

    package init(bytesPerSecond: UInt64) {
        self.bytesPerSecond = bytesPerSecond
    }

    /// The most to take at once.
    package func bytes(atMost most: Int) -> Int {
        bytesPerSecond == 0 ? most : Int(min(UInt64(most), bytesPerSecond))
    }

    /// The time to take nothing, in whole milliseconds; 0 where something may be taken.
    package func pauseMilliseconds(_ nowNanoseconds: UInt64) -> Int32 {
        let ahead = dueNanoseconds - min(dueNanoseconds, nowNanoseconds)
        guard bytesPerSecond != 0, ahead > Self.second else { return 0 }
        return Int32(clamping: (ahead - Self.second + 999_999) / 1_000_000)
    }

    package mutating func take(_ bytes: Int, _ nowNanoseconds: UInt64) {
        guard bytesPerSecond != 0 else { return }
        // At most 32 KiB at once: the product is far from 2^64.
        dueNanoseconds =
            max(dueNanoseconds, nowNanoseconds) + UInt64(bytes) * Self.second / bytesPerSecond
    }
}
