/// How long to wait before the next try: doubles with each failure, within bounds, and each delay
/// is drawn between half of it and all of it, so that many callers of a daemon that restarts do
/// not come back in the same instant. Pure: randomness comes in.
package struct Backoff: Sendable {
    // LIMIT: the first delay and the longest. A daemon starts in tens of milliseconds; one that is
    // down for long must not cost more than a try every two seconds.
    package static let first = Duration.milliseconds(20)
    package static let longest = Duration.seconds(2)

    private var failures = 0

    package init() {}

    /// The delay after one more failure.
    package mutating func failed(random: UInt64) -> Duration {
        let whole = min(Self.first * (1 << min(failures, 16)), Self.longest)
        failures += 1
        return whole / 2 + whole / 2 * Double(random % 1_024) / 1_024
    }

    /// It worked: the next failure starts from the first delay.
    package mutating func succeeded() {
        failures = 0
    }
}
