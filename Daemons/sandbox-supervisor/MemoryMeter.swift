/// Memory charged to one instance, summed over time from samples: each counts until the next.
///
/// Keeps true: read again from what it wrote, it goes on as if it had never been away; the time between
/// is one long sample.
package struct MemoryMeter: Sendable, Equatable {
    package init() {}

    /// In byte-milliseconds, so that no sample is cut.
    private var sum: UInt128 = 0
    private var bytes: UInt64?
    private var sinceMs: UInt64?

    /// - Parameter atMs: when memory may first have been charged.
    package mutating func begin(atMs: UInt64) {
        if sinceMs == nil { sinceMs = atMs }
    }

    package mutating func sample(_ now: UInt64, atMs: UInt64) {
        sum = upTo(atMs, bytes ?? now)
        bytes = now
        sinceMs = max(sinceMs ?? atMs, atMs)
    }

    package func byteSeconds(_ nowMs: UInt64) -> UInt64 {
        Self.seconds(upTo(nowMs, bytes ?? 0))
    }

    /// - Parameter peakBytes: what counts for an instance that ended before its first sample.
    package func total(_ endMs: UInt64, peakBytes: UInt64) -> UInt64 {
        Self.seconds(upTo(endMs, bytes ?? peakBytes))
    }

    private static func seconds(_ sum: UInt128) -> UInt64 {
        UInt64(clamping: sum / 1_000)
    }

    /// At most 2^128: memory of 2^64 bytes for 2^64 milliseconds.
    private func upTo(_ nowMs: UInt64, _ bytes: UInt64) -> UInt128 {
        guard let sinceMs, nowMs > sinceMs else { return sum }
        let more = UInt128(bytes) * UInt128(nowMs - sinceMs)
        let (total, overflow) = sum.addingReportingOverflow(more)
        return overflow ? .max : total
    }
}

extension MemoryMeter {
    /// The four words it can be read again from: the sum's halves, the bytes, since when. nil before
    /// the first sample.
    package var words: [UInt64]? {
        guard let bytes, let sinceMs else { return nil }
        return [UInt64(truncatingIfNeeded: sum), UInt64(sum >> 64), bytes, sinceMs]
    }

    package init(words: (UInt64, UInt64, UInt64, UInt64)) {
        sum = UInt128(words.1) << 64 | UInt128(words.0)
        bytes = words.2
        sinceMs = words.3
    }
}
