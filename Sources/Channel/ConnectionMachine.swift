package import Interfaces
package import Wire

/// What a connection does with every frame and every instant, without the connection: no socket,
/// no clock, no tasks, so that a simulator can drive it.
///
/// One side's half of `Protocols/WIRE.md`. Events are its methods; what must be done about them is
/// what they return. Headers it returns are to be sent in that order; bodies are the driver's.
///
/// Keeps true: the peer's frames are in the order the contract allows (hello first, transactions
/// opened before they are answered, answered once, items only with credit); what this side sends is
/// too; every transaction that was opened ends once, by an answer, its deadline or `closed`. The
/// first violation gives a goodbye with the field's name, and after it nothing is said or heard.
/// Refuses, without holding anything: more than `transactionsMax` open transactions.
package struct ConnectionMachine: ~Copyable {
    /// Which half of the contract this side plays.
    package enum Side: Equatable, Sendable {
        /// Answers; the caller's role is known from the socket.
        case listener(callerRole: Role)
        /// Asks.
        case caller
    }

    /// Why a connection closes, as a goodbye says it.
    package struct Farewell: Equatable, Sendable {
        package let reason: WireGoodbyeReason
        /// The field or limit it is about; may be empty.
        package let subject: String

        package init(_ reason: WireGoodbyeReason, subject: String = "") {
            self.reason = reason
            self.subject = subject
        }
    }

    /// What a received frame asks of the driver.
    package enum Received {
        /// Nothing to do: a cancel or credit of a transaction that is over.
        case nothing
        /// The peer's hello: requests may go.
        case ready
        /// Listener: run this request, whose descriptors are as many as declared.
        case request(Place, MethodDescriptor)
        /// Listener: answer with this fault; no transaction was opened.
        case refused(FrameHeader, Fault)
        /// Listener: the caller asks to stop.
        case cancelled(Place)
        /// Listener: items may go again.
        case credited(Place)
        /// Caller: the reply; the place is free. `isWaited` is false when the caller gave up.
        case reply(Place, MethodDescriptor, isWaited: Bool)
        /// Caller: the fault in the body; the place is free.
        case fault(Place, isWaited: Bool)
        /// Caller: an item.
        case item(Place, isWaited: Bool)
        /// Caller: no more items; the place is free.
        case end(Place, isWaited: Bool)
        /// Caller: the daemon is stopping; open requests may still be answered.
        case stopping
        /// Say this goodbye and close.
        case violation(Farewell)
        /// The peer said goodbye: close.
        case farewell(Farewell)
    }

    /// What a passed instant asks of the driver. Ask again until `nothing`.
    package enum Passed {
        case nothing
        /// Listener: stop the work and answer `DEADLINE_EXCEEDED` with this header; the place is
        /// free.
        case expired(Place, FrameHeader)
        /// Caller: give up waiting; send the cancel if there is one. The answer is still owed.
        case gaveUp(Place, cancel: FrameHeader?, wasCancelled: Bool)
        /// Say this goodbye and close.
        case close(Farewell)
    }

    /// Whether an item may go.
    package enum ItemPermit {
        case send(FrameHeader)
        /// Ask again after `credited`.
        case wait
        /// The transaction is over.
        case over
    }

    enum Phase: Equatable {
        case awaitingHello
        case open
        /// A listener said STOPPING: what is open is answered, nothing new begins.
        case stopping
        case closed
    }

    // LIMIT: how long after the deadline it sent a caller still waits for the listener's own word
    // of it, which is better than a guess. Then it gives up.
    package static let answerGrace = Duration.milliseconds(250)

    // LIMIT: how long a caller that cancelled waits for the last answer. Then it gives up.
    package static let cancelGrace = Duration.seconds(1)

    let side: Side
    let interfaces: [InterfaceDescriptor]
    var phase = Phase.awaitingHello
    /// Interfaces both sides speak, with the revision chosen.
    var common: [Common] = []
    var table = TransactionTable()
    /// Listener: the highest transaction seen. Caller: the highest used.
    var transactionHighest: UInt64 = 0
    var stopBy: Instant?
    /// No deadline lies before it. May be earlier than the earliest: a tick then finds nothing.
    package internal(set) var nextDeadline: Instant?
    /// What the peer said of itself in its hello, for logs.
    package internal(set) var peerProgram = ""
    package internal(set) var peerVersion = ""

    struct Common {
        let interface: InterfaceDescriptor
        let revision: UInt16
    }

    package init(_ side: Side, interfaces: [InterfaceDescriptor], now: Instant) {
        self.side = side
        self.interfaces = interfaces
        nextDeadline = now.advanced(by: WireLimits.helloTimeout)
        helloBy = nextDeadline
    }

    private(set) var helloBy: Instant?

    /// Transactions that are not answered.
    package var openCount: Int { table.count }
    /// Whether the peer's hello came and nobody said goodbye.
    package var isOpen: Bool { phase == .open }
    package var isClosed: Bool { phase == .closed }
    /// Whether the listener said STOPPING and nothing is left to answer.
    package var isDrained: Bool { phase == .stopping && table.count == 0 }
    /// Whether the listener said STOPPING.
    package var isStopping: Bool { phase == .stopping }

    /// The revision chosen for an interface; nil when there is none.
    package func revision(of interface: UInt16) -> UInt16? {
        common.first { $0.interface.number == interface }?.revision
    }

    // MARK: Events

    /// A whole frame came.
    package mutating func received(
        _ header: FrameHeader, body: borrowing [UInt8], now: Instant
    ) -> Received {
        switch (phase, header.kind) {
        case (.closed, _): return .nothing
        case (_, .goodbye): return receivedGoodbye(body, now: now)
        case (.awaitingHello, .hello): return receivedHello(body)
        case (.awaitingHello, _), (_, .hello): return violation(.kind)
        default: break
        }
        switch side {
        case .listener(let role):
            switch header.kind {
            case .request: return receivedRequest(header, role: role, now: now)
            case .cancel: return receivedCancel(header)
            case .credit: return receivedCredit(header, body)
            default: return violation(.kind)
            }
        case .caller:
            return receivedAnswer(header)
        }
    }

    /// The packet was no frame, or the kernel cut it. Says the goodbye to send.
    package mutating func refused(_ violation: FrameViolation) -> Farewell {
        close(Farewell(.protocolError, subject: violation.field.rawValue))
    }

    /// This side closes for a reason of its own. Says the goodbye to send.
    @discardableResult
    package mutating func close(_ farewell: Farewell) -> Farewell {
        phase = .closed
        nextDeadline = nil
        return farewell
    }

    /// Time has passed. Ask again until it says `nothing`.
    package mutating func tick(now: Instant) -> Passed {
        guard phase != .closed, let due = nextDeadline, due <= now else { return .nothing }
        if phase == .awaitingHello, let helloBy, helloBy <= now {
            return .close(close(Farewell(.idle, subject: "helloTimeout")))
        }
        if phase == .stopping, let stopBy, stopBy <= now {
            return .close(close(Farewell(side == .caller ? .done : .stopping)))
        }
        var earliest = phase == .awaitingHello ? helloBy : phase == .stopping ? stopBy : nil
        for place in table.places where table.number(place) != 0 {
            guard let deadline = table[place].deadline else { continue }
            if deadline <= now { return expire(place) }
            earliest = min(earliest ?? deadline, deadline)
        }
        nextDeadline = earliest
        return .nothing
    }

    private mutating func expire(_ place: Place) -> Passed {
        let open = table[place]
        let header = header(.fault, place)
        switch side {
        case .listener:
            table.remove(place)
            return .expired(place, header)
        case .caller:
            table[place].deadline = nil
            table[place].isAbandoned = true
            table[place].isCancelled = true
            return .gaveUp(
                place, cancel: open.isCancelled ? nil : self.header(.cancel, place),
                wasCancelled: open.isCancelled)
        }
    }

    // MARK: Shared

    func header(_ kind: FrameKind, _ place: Place) -> FrameHeader {
        let method = table[place].method
        return FrameHeader(
            kind, interface: method.interface, method: method.ordinal,
            transaction: table.number(place))
    }

    mutating func violation(_ field: FrameField) -> Received {
        .violation(close(Farewell(.protocolError, subject: field.rawValue)))
    }

    mutating func violation(body subject: String) -> Received {
        .violation(close(Farewell(.protocolError, subject: subject)))
    }

    mutating func wake(by deadline: Instant?) {
        guard let deadline else { return }
        nextDeadline = min(nextDeadline ?? deadline, deadline)
    }

    private mutating func receivedGoodbye(_ body: borrowing [UInt8], now: Instant) -> Received {
        let message: WireGoodbye
        do throws(Fault) {
            message = try Body.decode(request: copy body)
        } catch {
            return violation(body: "Goodbye")
        }
        let farewell = Farewell(
            message.reason, subject: message.subject.cut(toBytes: WireLimits.subjectBytesMax))
        if message.reason == .stopping, side == .caller, phase == .open {
            phase = .stopping
            stopBy = now.advanced(by: WireLimits.stoppingTimeout + Self.answerGrace)
            wake(by: stopBy)
            return .stopping
        }
        close(farewell)
        return .farewell(farewell)
    }
}
