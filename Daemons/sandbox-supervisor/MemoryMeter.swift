/// Memory charged to one instance, summed over time from samples: each counts until the next.
package struct MemoryMeter: Sendable, Equatable {
    package init() {}

    private var sum: UInt64 = 0
    private var bytes: UInt64?
    private var sinceMs: UInt64?

    /// - Parameter atMs: when memory may first have been charged. A gap without samples, while there was
    ///   no supervisor, counts with the first sample after it.
    package mutating func begin(atMs: UInt64) {
        if sinceMs == nil { sinceMs = atMs }
    }

    package mutating func sample(_ now: UInt64, atMs: UInt64) {
        sum = upTo(atMs, bytes ?? now)
        bytes = now
        sinceMs = atMs
    }

    package func byteSeconds(_ nowMs: UInt64) -> UInt64 {
        upTo(nowMs, bytes ?? 0)
    }

    /// - Parameter peakBytes: what counts for an instance that ended before its first sample.
    package func total(_ nowMs: UInt64, peakBytes: UInt64) -> UInt64 {
        upTo(nowMs, bytes ?? peakBytes)
    }

    private func upTo(_ nowMs: UInt64, _ bytes: UInt64) -> UInt64 {
        guard let sinceMs, nowMs > sinceMs else { return sum }
        let more = bytes.multipliedFullWidth(by: nowMs - sinceMs)
        let seconds =
            more.high >= 1_000 ? UInt64.max : UInt64(1_000).dividingFullWidth(more).quotient
        let (total, overflow) = sum.addingReportingOverflow(seconds)
        return overflow ? .max : total
    }
}
