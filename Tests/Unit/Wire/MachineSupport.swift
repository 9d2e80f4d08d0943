import Channel
import Interfaces
import SwiftProtobuf
import Wire

/// What the machine tests speak: one interface with a method of each shape.
enum Sample {
    static let unary = MethodDescriptor(
        interface: 40, ordinal: 1, name: "Unary", isStream: false, idempotency: .readOnly,
        callers: [.admin, .client])
    static let stream = MethodDescriptor(
        interface: 40, ordinal: 2, name: "Stream", isStream: true, idempotency: .readOnly,
        callers: [.admin])
    static let passing = MethodDescriptor(
        interface: 40, ordinal: 3, name: "Passing", isStream: false, idempotency: .keyed,
        callers: [.admin], requestDescriptors: [.readable, .sealed], replyDescriptors: [.socket],
        replyRepeats: true)

    static func interface(_ revisions: ClosedRange<UInt16> = 1...1) -> InterfaceDescriptor {
        InterfaceDescriptor(
            number: 40, name: "Sample", revisions: revisions, methods: [unary, stream, passing])
    }

    static let start = Instant(nanoseconds: 1_000_000_000)

    static func listener(
        role: Role = .admin, revisions: ClosedRange<UInt16> = 1...1, open: Bool = true
    ) -> Rig {
        let machine = Rig(
            .listener(callerRole: role), interfaces: [interface(revisions)], now: start)
        if open { _ = machine.received(.init(.hello), body: hello(revisions), now: start) }
        return machine
    }

    static func caller(
        revisions: ClosedRange<UInt16> = 1...1, open: Bool = true
    ) -> Rig {
        let machine = Rig(.caller, interfaces: [interface(revisions)], now: start)
        if open { _ = machine.received(.init(.hello), body: hello(revisions), now: start) }
        return machine
    }

    static func hello(_ revisions: ClosedRange<UInt16>, interface: UInt32 = 40) -> [UInt8] {
        var range = WireInterfaceRange()
        range.interface = interface
        range.revisionMin = UInt32(revisions.lowerBound)
        range.revisionMax = UInt32(revisions.upperBound)
        var hello = WireHello()
        hello.interfaces = [range]
        return bytes(hello)
    }

    static func bytes(_ message: some Message) -> [UInt8] {
        (try? message.serializedBytes()) ?? []
    }

    static func credit(_ items: UInt32) -> [UInt8] {
        var credit = WireCredit()
        credit.items = items
        return bytes(credit)
    }

    static func goodbye(_ reason: WireGoodbyeReason) -> [UInt8] {
        var goodbye = WireGoodbye()
        goodbye.reason = reason
        return bytes(goodbye)
    }

    static func header(
        _ kind: FrameKind, _ method: MethodDescriptor = unary, transaction: UInt64 = 1,
        deadlineMicroseconds: UInt64 = 0, descriptors: UInt16 = 0
    ) -> FrameHeader {
        FrameHeader(
            kind, interface: method.interface, method: method.ordinal, transaction: transaction,
            deadlineMicroseconds: deadlineMicroseconds, descriptors: descriptors)
    }
}

extension ConnectionMachine.Received {
    /// The subject of the violation; nil for anything else.
    var violated: String? {
        if case .violation(let farewell) = self { farewell.subject } else { nil }
    }

    var fault: Fault? {
        if case .refused(_, let fault) = self { fault } else { nil }
    }

    /// The case's name, to compare.
    var name: String { String("\(self)".prefix { $0 != "(" }) }
}

/// A machine that can be named inside `#expect`, which copies what it looks at.
final class Rig {
    private var machine: ConnectionMachine

    init(_ side: ConnectionMachine.Side, interfaces: [InterfaceDescriptor], now: Instant) {
        machine = ConnectionMachine(side, interfaces: interfaces, now: now)
    }

    var isOpen: Bool { machine.isOpen }
    var isClosed: Bool { machine.isClosed }
    var isDrained: Bool { machine.isDrained }
    var openCount: Int { machine.openCount }
    var nextDeadline: Instant? { machine.nextDeadline }

    func revision(of interface: UInt16) -> UInt16? { machine.revision(of: interface) }

    func received(
        _ header: FrameHeader, body: [UInt8], now: Instant
    ) -> ConnectionMachine.Received {
        machine.received(header, body: body, now: now)
    }

    func tick(now: Instant) -> ConnectionMachine.Passed { machine.tick(now: now) }
    func close(_ farewell: ConnectionMachine.Farewell) { machine.close(farewell) }
    func stop(now: Instant) -> ConnectionMachine.Farewell? { machine.stop(now: now) }

    func finish(_ place: Place, transaction: UInt64, _ kind: FrameKind) -> FrameHeader? {
        machine.finish(place, transaction: transaction, kind)
    }

    func item(_ place: Place, transaction: UInt64) -> ConnectionMachine.ItemPermit {
        machine.item(place, transaction: transaction)
    }

    func begin(
        _ method: MethodDescriptor, descriptors: Int, deadline: Duration?, now: Instant
    ) throws(Fault) -> (place: Place, header: FrameHeader) {
        try machine.begin(method, descriptors: descriptors, deadline: deadline, now: now)
    }

    func cancel(_ place: Place, transaction: UInt64, now: Instant) -> FrameHeader? {
        machine.cancel(place, transaction: transaction, now: now)
    }

    func grant(_ place: Place, transaction: UInt64, items: UInt32) -> FrameHeader? {
        machine.grant(place, transaction: transaction, items: items)
    }
}
