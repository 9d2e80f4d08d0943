package import Interfaces
package import Wire

/// The caller's half: requests, cancels and credits out; answers in.
extension ConnectionMachine {
    /// Opens a transaction.
    ///
    /// - Throws: `.unavailable` before hello and after goodbye, `.unsupported` without a common
    ///   revision, `.limitReached` at `transactionsMax`, `.invalid` for a wrong number of
    ///   descriptors or a deadline past its bound.
    package mutating func begin(
        _ method: MethodDescriptor, descriptors: Int, deadline: Duration?, now: Instant
    ) throws(Fault) -> (place: Place, header: FrameHeader) {
        guard phase == .open else { throw Fault(.unavailable) }
        guard revision(of: method.interface) != nil else {
            throw Fault(.unsupported, subject: "interface \(method.interface)")
        }
        guard table.count < WireLimits.transactionsMax else {
            let limit = UInt64(WireLimits.transactionsMax)
            throw .limitReached(subject: "transactionsMax", limit: limit, actual: limit + 1)
        }
        guard descriptors == method.requestDescriptors.count else {
            throw .invalid(
                .badDescriptor, subject: "descriptors",
                limit: UInt64(method.requestDescriptors.count), actual: UInt64(descriptors))
        }
        var microseconds: UInt64 = 0
        var giveUpAt: Instant?
        if let deadline {
            microseconds = deadline.wholeNanoseconds / 1_000
            guard microseconds > 0 else { throw .deadlineExceeded }
            guard microseconds <= WireLimits.deadlineMicrosecondsMax else {
                throw .invalid(
                    .outOfRange, subject: "deadline", limit: WireLimits.deadlineMicrosecondsMax,
                    actual: microseconds)
            }
            giveUpAt = now.advanced(by: deadline + Self.answerGrace)
        } else if !method.isStream {
            giveUpAt = now.advanced(by: WireLimits.deadlineDefault + Self.answerGrace)
        }
        transactionHighest += 1
        let place = table.add(
            transactionHighest,
            .init(
                method: method, deadline: giveUpAt,
                credit: method.isStream ? WireLimits.creditInitial : 0))
        wake(by: giveUpAt)
        var header = header(.request, place)
        header.deadlineMicroseconds = microseconds
        header.descriptors = UInt16(descriptors)
        return (place, header)
    }

    /// Asks the listener to stop; nil when that was done before or the transaction is over. The
    /// answer is waited for a little longer.
    package mutating func cancel(
        _ place: Place, transaction: UInt64, now: Instant
    ) -> FrameHeader? {
        guard phase == .open || phase == .stopping, table.holds(transaction, at: place),
            !table[place].isCancelled
        else { return nil }
        let limit = now.advanced(by: Self.cancelGrace)
        let deadline = min(table[place].deadline ?? limit, limit)
        table[place].isCancelled = true
        table[place].deadline = deadline
        wake(by: deadline)
        return header(.cancel, place)
    }

    /// Allows more items; nil when the transaction is over. The body is a `Credit` of so many.
    package mutating func grant(
        _ place: Place, transaction: UInt64, items: UInt32
    ) -> FrameHeader? {
        guard phase == .open || phase == .stopping, table.holds(transaction, at: place) else {
            return nil
        }
        precondition(items > 0 && items <= WireLimits.creditMax - table[place].credit)
        table[place].credit += items
        return header(.credit, place)
    }

    mutating func receivedAnswer(_ header: FrameHeader) -> Received {
        switch header.kind {
        case .reply, .fault, .item, .end: break
        default: return violation(.kind)
        }
        // Also true after this side gave up: the place is kept until the answer came.
        guard let place = table.place(of: header.transaction) else {
            return violation(.transaction)
        }
        let open = table[place]
        guard header.interface == open.method.interface else { return violation(.interface) }
        guard header.method == open.method.ordinal else { return violation(.method) }
        let isWaited = !open.isAbandoned
        switch header.kind {
        case .item:
            guard open.method.isStream else { return violation(.kind) }
            guard open.credit > 0 else { return violation(body: "credit") }
            table[place].credit -= 1
            return .item(place, isWaited: isWaited)
        case .end:
            guard open.method.isStream else { return violation(.kind) }
            table.remove(place)
            return .end(place, isWaited: isWaited)
        case .fault:
            table.remove(place)
            return .fault(place, isWaited: isWaited)
        default:
            guard !open.method.isStream else { return violation(.kind) }
            guard open.method.allows(replyDescriptors: Int(header.descriptors)) else {
                return violation(.descriptors)
            }
            table.remove(place)
            return .reply(place, open.method, isWaited: isWaited)
        }
    }
}
