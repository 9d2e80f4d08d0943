/// How long a peer is waited for. Pure: whoever waits says for how long, and what came of it.
///
/// Keeps true: a peer that does nothing is given up in the end, and so is one that does next to nothing,
/// however often; one that keeps to `bytesPerSecondMin` on the whole is never given up.
package struct PeerPatience: Sendable {
    // LIMIT: bytes for which a second is waited. A telephone line carries five times as many. At less, a
    // peer is given up when it used up the time that a silent one has: DEADLINE_EXCEEDED.
    package static let bytesPerSecondMin: UInt64 = 1_000

    private let most: UInt64
    private var left: UInt64

    /// - Parameter nanoseconds: the longest silence; what a peer can save up by what it does, too.
    package init(nanoseconds: UInt64) {
        most = nanoseconds
        left = nanoseconds
    }

    /// - Returns: whether the peer is waited for any longer.
    package mutating func waited(nanoseconds: UInt64) -> Bool {
        left -= min(left, nanoseconds)
        return left > 0
    }

    package mutating func moved(bytes: Int) {
        let earned = UInt64(bytes).multipliedReportingOverflow(
            by: 1_000_000_000 / Self.bytesPerSecondMin)
        left =
            earned.overflow || earned.partialValue > most - left
            ? most : left + earned.partialValue
    }
}
