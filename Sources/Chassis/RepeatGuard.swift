// Bounds how often one place in the code may log, so that a peer that makes us complain cannot fill
// the disk. Pure: time comes in.

package struct RepeatGuard: Sendable {
    // LIMIT: 20 lines in 10 seconds from one place; what is past it is counted and the count is
    // told with the next line that passes.
    static let linesMax = 20
    static let windowNanoseconds: UInt64 = 10_000_000_000
    // LIMIT: places remembered; there are fewer in a daemon, and past it the table begins anew.
    static let placesMax = 1_024

    private struct Place {
        var windowStart: UInt64
        var lines = 0
        var suppressed = 0
    }

    private var places: [String: Place] = [:]

    package init() {}

    /// - Returns: nil when the line must not be written; otherwise how many were not written before
    ///   it.
    package mutating func admit(file: String, line: UInt, now: UInt64) -> Int? {
        let key = "\(file):\(line)"
        if places.count >= Self.placesMax, places[key] == nil { places.removeAll() }
        var place = places[key] ?? Place(windowStart: now)
        defer { places[key] = place }
        var suppressed = 0
        if now &- place.windowStart >= Self.windowNanoseconds {
            suppressed = place.suppressed
            place = Place(windowStart: now)
        }
        guard place.lines < Self.linesMax else {
            place.suppressed += 1
            return nil
        }
        place.lines += 1
        return suppressed
    }
}
