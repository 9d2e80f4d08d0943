/// A point on the monotonic clock, in nanoseconds since some start.
///
/// Machines never read a clock: every event brings the instant it happened at, so a simulator can
/// bring its own. Additions saturate instead of trapping; a deadline past the end of the clock is
/// simply never reached.
package struct Instant: Comparable, Hashable, Sendable {
    package let nanoseconds: UInt64

    package init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// The instant `duration` later; `self` for a negative duration.
    package func advanced(by duration: Duration) -> Instant {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
        return Instant(nanoseconds: overflow ? .max : sum)
    }

    /// The nanoseconds from here until `later`; 0 when it is past.
    package func nanoseconds(until later: Instant) -> UInt64 {
        later.nanoseconds > nanoseconds ? later.nanoseconds - nanoseconds : 0
    }

    /// The time from here until `later`; zero when it is past.
    package func duration(until later: Instant) -> Duration {
        .nanoseconds(Int64(clamping: nanoseconds(until: later)))
    }

    package static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
}

extension Duration {
    /// The duration in nanoseconds: 0 when negative, `UInt64.max` when it does not fit.
    package var wholeNanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (whole, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return .max }
        let (sum, carried) = whole.addingReportingOverflow(UInt64(attoseconds) / 1_000_000_000)
        return carried ? .max : sum
    }
}
