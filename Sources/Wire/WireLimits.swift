/// The bounds of `Protocols/WIRE.md` §9: everything a peer can make grow.
package enum WireLimits {
    /// Bytes of a frame's header.
    package static let headerBytes = 40

    // LIMIT: bytes of a body. A packet must fit the kernel's default socket buffer three times
    // (212,992 bytes). What is larger travels as a descriptor; past it a received frame ends the
    // connection, and a sender gets the fault TOO_LARGE.
    package static let bodyBytesMax = 65_536

    /// Bytes of the largest packet.
    package static let packetBytesMax = headerBytes + bodyBytesMax

    // LIMIT: descriptors with one packet; one control message on the stack. More is MSG_CTRUNC,
    // which ends the connection.
    package static let descriptorsMax = 16

    // LIMIT: open transactions of a connection; bounds what one peer makes a daemon hold. One more
    // gets the fault LIMIT_REACHED.
    package static let transactionsMax = 256

    // LIMIT: items a stream may send before the first credit: fills a pipe, small to hold.
    package static let creditInitial: UInt32 = 16

    // LIMIT: outstanding items of a stream, and those of one credit frame. More ends the
    // connection.
    package static let creditMax: UInt32 = 65_535

    // LIMIT: unsent frames of a connection. Past it the slow reader gets goodbye LIMIT_REACHED.
    package static let queuedFramesMax = 1_024

    // LIMIT: how long a peer may stay silent after connecting. Then goodbye IDLE.
    package static let helloTimeout = Duration.seconds(5)

    // LIMIT: how long after goodbye STOPPING a daemon still finishes what it accepted.
    package static let stoppingTimeout = Duration.seconds(5)

    // LIMIT: connections of one uid, so that one user cannot shut others out. The next is closed
    // with goodbye LIMIT_REACHED.
    package static let connectionsPerUser = 64

    // LIMIT: the deadline of one request: a day. A frame with more is refused.
    package static let deadlineMicrosecondsMax: UInt64 = 86_400_000_000

    /// The deadline of a request that names none; a stream then has none.
    package static let deadlineDefault = Duration.seconds(30)

    // LIMIT: nested messages in a body. Ours nest five deep; the rest is room for later revisions.
    // A deeper body is INVALID / MALFORMED.
    package static let bodyDepthMax = 32

    // LIMIT: bytes of the program's name and of its version in a hello. They are cut for the log.
    package static let helloTextBytesMax = 64

    // LIMIT: evidence lines in a fault, and bytes of each; the rest is left out.
    package static let faultLinesMax = 40
    package static let faultLineBytesMax = 400

    // LIMIT: bytes of a fault's or goodbye's subject; longer ones are cut, so that a fault about a
    // 70,000 byte name still fits a frame.
    package static let subjectBytesMax = 1_024
}
