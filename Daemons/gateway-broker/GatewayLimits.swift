/// The bounds of this daemon. Those marked "configurable" can be set under `[limits]`.
package struct GatewayLimits: Sendable, Equatable {
    // LIMIT: 1,000 instances live at once (configurable). Each holds a record, a watch at the
    // supervisor and a listening socket per slot. Past it: LIMIT_REACHED "instances".
    package var instances = 1_000
    // LIMIT: 256 live instances of one user (configurable), so that one cannot shut others out.
    // The maintainer is only bound by the line above. Past it: LIMIT_REACHED "instances-per-user".
    package var instancesPerUser = 256
    // LIMIT: 16 starts on their way at once (configurable): each opens a box, which is five
    // descriptors. Those that come on top wait for their turn in the order they were accepted.
    package var startsInProgress = 16
    // LIMIT: 1,000 ended instances are remembered, for a day (both configurable), so that a key
    // repeated late still gets its first answer. The oldest is forgotten.
    package var endedInstances = 1_000
    package var endedSeconds: UInt64 = 86_400
    // LIMIT: 64 callers waiting on one instance. Past it: LIMIT_REACHED "watchers".
    package var watchers = 64
    // LIMIT: 16 unseen changes per watcher; past it the oldest is dropped, the last one never is.
    package var unseenChanges = 16
    // LIMIT: 256 slots per service: one listening socket each. Past it: UNSUPPORTED "slots".
    package var slots = 256
    // LIMIT: 64 live children of one instance, and families 8 deep (both configurable), so that what
    // starts itself again and again comes to an end. Past them: LIMIT_REACHED "children", "depth".
    package var children = 64
    package var familyDepth = 8
    // LIMIT: 1 service is handed over at once, of 1 GiB, in 10 minutes, and 4 GiB a day of one user or
    // client (all configurable): box-builder has room for two imports, and one is left for others; the
    // disk is everybody's. Past them: LIMIT_REACHED "uploads", TOO_LARGE "package", DEADLINE_EXCEEDED,
    // LIMIT_REACHED "upload_bytes_per_user".
    package var uploads = 1
    package var uploadBytes: UInt64 = 1 << 30
    package var uploadBytesPerUser: UInt64 = 4 << 30
    package var uploadSeconds = 600
    // LIMIT: a start whose peers do not answer is given up after this, beside its own deadline.
    package var peerPatienceSeconds: UInt64 = 60

    package init() {}

    // LIMIT: 63 bytes for a name: it is used as a label and a column.
    package static let nameBytesMax = 63
    // LIMIT: 16 to 64 bytes for a key: 16 random bytes do not collide.
    package static let keyBytes = 16...64
    // LIMIT: 256 variables of 32 KiB in all in a request: they travel in one message on to the
    // supervisor, with those of the specification, and become one argument area.
    package static let environmentCountMax = 256
    package static let environmentBytesMax = 32_768
    // LIMIT: 128 bytes to name a service: an id is 64, a tag at most 128.
    package static let referenceBytesMax = 128
    // LIMIT: 1 ms to 1 h for the slots to accept.
    package static let readyDeadline: ClosedRange<UInt32> = 1...3_600_000
    package static let readyDeadlineDefault: UInt32 = 30_000
    // LIMIT: 10 min between TERM and KILL.
    package static let graceMax: UInt32 = 600_000
    // LIMIT: 2 s between TERM and KILL for whom a parent left behind.
    package static let familyGrace: UInt32 = 2_000
    // LIMIT: 100 years, as the supervisor bounds it.
    package static let lifetimeMsMax: UInt64 = 3_155_760_000_000
    /// Below this nothing runs.
    package static let memoryBytesMin: UInt64 = 1 << 20
}
