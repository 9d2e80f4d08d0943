/// What a frame is for (`Protocols/WIRE.md` §3). A number that is not here is refused by the
/// reader; it never becomes a value.
package enum FrameKind: UInt8, Sendable, CaseIterable {
    /// Both sides, first: who speaks, and which interfaces in which revisions.
    case hello = 1
    /// Caller: opens a transaction.
    case request = 2
    /// Listener: the answer; ends the transaction.
    case reply = 3
    /// Listener: the request did not succeed; ends the transaction.
    case fault = 4
    /// Listener: one item of a stream.
    case item = 5
    /// Listener: no more items; ends the transaction.
    case end = 6
    /// Caller: asks the listener to stop; the answer still comes.
    case cancel = 7
    /// Caller: allows more items.
    case credit = 8
    /// Both sides, last: why the connection closes.
    case goodbye = 9

    /// Whether it belongs to the connection and not to a transaction.
    package var concernsConnection: Bool { self == .hello || self == .goodbye }

    /// Whether its body must be empty.
    package var isBare: Bool { self == .end || self == .cancel }

    /// Whether descriptors may travel with it.
    package var mayCarryDescriptors: Bool { self == .request || self == .reply }
}
