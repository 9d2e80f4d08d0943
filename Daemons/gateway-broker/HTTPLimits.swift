package import NIOCore

/// The bounds of the HTTP doors.
package struct HTTPLimits: Sendable, Equatable {
    // LIMIT: 1,024 connections from this host and beyond (configurable `http_connections`): each is
    // a descriptor and some 20 KiB. Past it: 429 LIMIT_REACHED "http_connections", and closed.
    package var connections = 1_024
    // LIMIT: 64 connections of one instance to its door (configurable), so that one that floods
    // shuts out nobody else. Past it: 429 LIMIT_REACHED "http_connections_per_instance", and closed.
    package var connectionsPerInstance = 64
    // LIMIT: 256 KiB of a body: the environment of a start is at most 32 KiB. Past it: 413 TOO_LARGE.
    package static let bodyBytesMax = 262_144
    // LIMIT: 32 KiB and 64 fields of headers, 8 KiB in one; 16 KiB on HTTP/2. Past it: 400 or 431.
    package static let headerBytesMax = 32_768
    package static let headerFieldBytesMax = 8_192
    package static let headerFieldsMax = 64
    // LIMIT: 16 requests at once on one connection of HTTP/2; more wait at the peer.
    package static let streamsMax = 16
    // LIMIT: 30 s (configurable `http_request_seconds`) from the end of one answer to the end of the
    // next request, for slow and idle callers alike. Past it: 408 DEADLINE_EXCEEDED "request" where one was begun; closed.
    package var requestPatience = TimeAmount.seconds(30)
    // LIMIT: 30 s for the caller to take what was written. Past it: closed, and its request cancelled.
    package var writePatience = TimeAmount.seconds(30)
    // LIMIT: 1 h for a request that is no stream, and whatever `Celaut-Deadline-Ms` says below that.
    package static let deadlineMax = TimeAmount.hours(1)
    package static let deadlineMsMax = 3_600_000
    /// A stream that says nothing sends a comment this often, so that a caller that is gone is noticed.
    package static let heartbeat = TimeAmount.seconds(15)

    package init() {}
}
