import Interfaces
package import Wire

/// The listener's half: requests in; replies, faults, items and ends out.
extension ConnectionMachine {
    /// When a request's work must be over; nil for never.
    package func deadline(_ place: Place) -> Instant? { table[place].deadline }

    /// The number of the transaction at a place, to tell a later one at the same place apart.
    package func transaction(_ place: Place) -> UInt64 { table.number(place) }

    /// The header of the last frame of a transaction (reply, fault or end), whose place is then
    /// free; nil when it is over already (deadline, close).
    package mutating func finish(
        _ place: Place, transaction: UInt64, _ kind: FrameKind, descriptors: Int = 0
    ) -> FrameHeader? {
        guard phase != .closed, table.holds(transaction, at: place) else { return nil }
        var header = header(kind, place)
        header.descriptors = UInt16(descriptors)
        table.remove(place)
        return header
    }

    /// Takes one item's credit.
    package mutating func item(_ place: Place, transaction: UInt64) -> ItemPermit {
        guard phase != .closed, table.holds(transaction, at: place), !table[place].isCancelled
        else {
            return .over
        }
        guard table[place].credit > 0 else { return .wait }
        table[place].credit -= 1
        return .send(header(.item, place))
    }

    /// The daemon stops: nothing new is begun, what is open may be answered until `stopBy`.
    package mutating func stop(now: Instant) -> Farewell? {
        if phase == .awaitingHello { return close(Farewell(.stopping)) }
        guard phase == .open else { return nil }
        phase = .stopping
        stopBy = now.advanced(by: WireLimits.stoppingTimeout)
        wake(by: stopBy)
        return Farewell(.stopping)
    }

    mutating func receivedRequest(
        _ header: FrameHeader, role: Role, now: Instant
    ) -> Received {
        // Rising numbers are how a number is known not to be used twice.
        guard header.transaction > transactionHighest else { return violation(.transaction) }
        transactionHighest = header.transaction
        guard phase == .open else { return refuse(header, Fault(.unavailable)) }
        guard let interface = common.first(where: { $0.interface.number == header.interface })
        else {
            return refuse(header, Fault(.unsupported, subject: "interface \(header.interface)"))
        }
        guard let method = interface.interface.method(header.method) else {
            let subject = "\(interface.interface.name).\(header.method)"
            return refuse(header, Fault(.unknownMethod, subject: subject))
        }
        guard method.callers.contains(role) else {
            return refuse(header, Fault(.forbidden, subject: method.name))
        }
        guard table.count < WireLimits.transactionsMax else {
            let limit = UInt64(WireLimits.transactionsMax)
            return refuse(
                header,
                .limitReached(subject: "transactionsMax", limit: limit, actual: limit + 1))
        }
        guard Int(header.descriptors) == method.requestDescriptors.count else {
            return refuse(
                header,
                .invalid(
                    .badDescriptor, subject: "descriptors",
                    limit: UInt64(method.requestDescriptors.count),
                    actual: UInt64(header.descriptors)))
        }
        let deadline = deadline(header, method, now: now)
        let place = table.add(
            header.transaction,
            .init(
                method: method, deadline: deadline,
                credit: method.isStream ? WireLimits.creditInitial : 0))
        wake(by: deadline)
        return .request(place, method)
    }

    private func deadline(
        _ header: FrameHeader, _ method: MethodDescriptor, now: Instant
    ) -> Instant? {
        if header.deadlineMicroseconds > 0 {
            return now.advanced(by: .microseconds(Int64(header.deadlineMicroseconds)))
        }
        return method.isStream ? nil : now.advanced(by: WireLimits.deadlineDefault)
    }

    private func refuse(_ header: FrameHeader, _ fault: Fault) -> Received {
        .refused(
            FrameHeader(
                .fault, interface: header.interface, method: header.method,
                transaction: header.transaction),
            fault)
    }

    /// The place a cancel or credit is about; nil when it is over.
    private func target(_ header: FrameHeader) -> (place: Place?, wrong: FrameField?) {
        guard header.transaction <= transactionHighest else { return (nil, .transaction) }
        guard let place = table.place(of: header.transaction) else { return (nil, nil) }
        guard header.interface == table[place].method.interface else { return (nil, .interface) }
        guard header.method == table[place].method.ordinal else { return (nil, .method) }
        return (place, nil)
    }

    mutating func receivedCancel(_ header: FrameHeader) -> Received {
        let (place, wrong) = target(header)
        if let wrong { return violation(wrong) }
        guard let place, !table[place].isCancelled else { return .nothing }
        table[place].isCancelled = true
        return .cancelled(place)
    }

    mutating func receivedCredit(_ header: FrameHeader, _ body: borrowing [UInt8]) -> Received {
        let items: UInt32
        do throws(Fault) {
            let credit: WireCredit = try Body.decode(request: copy body)
            items = credit.items
        } catch {
            return violation(body: "Credit")
        }
        let (place, wrong) = target(header)
        if let wrong { return violation(wrong) }
        guard 1...WireLimits.creditMax ~= items else { return violation(body: "Credit.items") }
        guard let place else { return .nothing }
        guard table[place].method.isStream else { return violation(.kind) }
        guard items <= WireLimits.creditMax - table[place].credit else {
            return violation(body: "Credit.items")
        }
        table[place].credit += items
        return .credited(place)
    }
}
