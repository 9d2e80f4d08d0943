// The listener's half of the connection machine, by hand-made frames and instants.

import Channel
import Interfaces
import SwiftProtobuf
import Testing
import Wire

@Suite struct ListenerMachineTests {
    @Test(arguments: [
        (UInt16(1)...1, UInt16(1)...1, UInt16?(1)), (1...3, 2...5, 3), (2...5, 1...3, 3),
        (1...2, 3...4, nil), (3...4, 1...2, nil), (1...9, 4...4, 4),
    ])
    func theHighestCommonRevisionIsChosen(
        ours: ClosedRange<UInt16>, theirs: ClosedRange<UInt16>, chosen: UInt16?
    ) {
        let machine = Sample.listener(revisions: ours, open: false)
        let received = machine.received(
            .init(.hello), body: Sample.hello(theirs), now: Sample.start)
        #expect(machine.revision(of: 40) == chosen)
        if chosen != nil {
            #expect(received.name == "ready")
        } else {
            guard case .violation(let farewell) = received else {
                Issue.record("no goodbye: \(received)")
                return
            }
            #expect(farewell.reason == .noCommonRevision)
        }
    }

    @Test func aFrameBeforeHelloIsAViolation() {
        let machine = Sample.listener(open: false)
        let received = machine.received(
            Sample.header(.request), body: [], now: Sample.start)
        #expect(received.violated == "kind")
        #expect(machine.isClosed)
    }

    @Test func aSecondHelloIsAViolation() {
        let machine = Sample.listener()
        let again = machine.received(.init(.hello), body: Sample.hello(1...1), now: Sample.start)
        #expect(again.violated == "kind")
    }

    @Test(arguments: [
        (WireInterfaceRange.with { $0.interface = 0 }),
        (.with { ($0.interface, $0.revisionMin, $0.revisionMax) = (40, 2, 1) }),
        (.with { ($0.interface, $0.revisionMin, $0.revisionMax) = (70_000, 1, 1) }),
        (.with { ($0.interface, $0.revisionMin, $0.revisionMax) = (40, 1, 70_000) }),
    ])
    func aHelloWithAnImpossibleRangeIsAViolation(range: WireInterfaceRange) {
        let machine = Sample.listener(open: false)
        var hello = WireHello()
        hello.interfaces = [range]
        let received = machine.received(
            .init(.hello), body: Sample.bytes(hello), now: Sample.start)
        #expect(received.violated == "Hello.interfaces")
    }

    @Test func aSilentPeerIsToldIdleAfterTheHelloTimeout() {
        let machine = Sample.listener(open: false)
        let limit = Sample.start.advanced(by: WireLimits.helloTimeout)
        #expect(machine.nextDeadline == limit)
        guard case .nothing = machine.tick(now: Instant(nanoseconds: limit.nanoseconds - 1)),
            case .close(let farewell) = machine.tick(now: limit)
        else {
            Issue.record("wrong")
            return
        }
        #expect(farewell == .init(.idle, subject: "helloTimeout"))
    }

    @Test func frameKindsOfTheOtherSideAreViolations() {
        for kind: FrameKind in [.reply, .fault, .item, .end] {
            let machine = Sample.listener()
            let received = machine.received(Sample.header(kind), body: [], now: Sample.start)
            #expect(received.violated == "kind")
        }
    }

    @Test func whatCannotBeRunIsRefusedAndTheConnectionStays() {
        let machine = Sample.listener(role: .client)
        func ask(
            _ header: FrameHeader, _ expected: WireFaultCode, _ subject: String? = nil,
            sourceLocation: SourceLocation = #_sourceLocation
        ) {
            let received = machine.received(header, body: [], now: Sample.start)
            #expect(received.fault?.code == expected, sourceLocation: sourceLocation)
            if let subject {
                #expect(received.fault?.subject == subject, sourceLocation: sourceLocation)
            }
            #expect(machine.isOpen && machine.openCount == 0, sourceLocation: sourceLocation)
        }
        ask(.init(.request, interface: 41, method: 1, transaction: 1), .unsupported)
        ask(
            .init(.request, interface: 40, method: 9, transaction: 2), .unknownMethod, "Sample.9")
        ask(Sample.header(.request, Sample.stream, transaction: 3), .forbidden, "Stream")
        ask(
            Sample.header(.request, Sample.unary, transaction: 4, descriptors: 1), .invalid,
            "descriptors")
    }

    @Test func theRoleIsCheckedBeforeTheDescriptors() {
        let machine = Sample.listener(role: .client)
        let received = machine.received(
            Sample.header(.request, Sample.passing, descriptors: 0), body: [], now: Sample.start)
        #expect(received.fault?.code == .forbidden)
    }

    @Test(arguments: [0, 1, 3])
    func theNumberOfDescriptorsMustBeTheDeclaredOne(count: UInt16) {
        let machine = Sample.listener()
        let received = machine.received(
            Sample.header(.request, Sample.passing, descriptors: count), body: [],
            now: Sample.start)
        #expect(received.fault?.reason == .badDescriptor)
        #expect(received.fault?.limit == 2)
    }

    @Test func aTransactionNumberIsNotUsedTwice() {
        for (first, second) in [(5, 5), (5, 4)] as [(UInt64, UInt64)] {
            let machine = Sample.listener()
            let received = machine.received(
                Sample.header(.request, transaction: first), body: [], now: Sample.start)
            guard case .request(let place, _) = received else {
                Issue.record("\(received)")
                return
            }
            _ = machine.finish(place, transaction: first, .reply)
            let again = machine.received(
                Sample.header(.request, transaction: second), body: [], now: Sample.start)
            #expect(again.violated == "transaction")
        }
    }

    @Test func oneMoreThanTransactionsMaxIsRefusedAndAPlaceThatIsFreeIsUsedAgain() {
        let machine = Sample.listener()
        for number in 1...UInt64(WireLimits.transactionsMax) {
            let received = machine.received(
                Sample.header(.request, transaction: number), body: [], now: Sample.start)
            #expect(received.name == "request")
        }
        let more = machine.received(
            Sample.header(.request, transaction: 300), body: [], now: Sample.start)
        #expect(more.fault?.code == .limitReached)
        #expect(more.fault?.subject == "transactionsMax")
        #expect(machine.finish(17, transaction: 18, .reply) != nil)
        let fits = machine.received(
            Sample.header(.request, transaction: 301), body: [], now: Sample.start)
        guard case .request(let place, _) = fits else {
            Issue.record("\(fits)")
            return
        }
        #expect(place == 17)
        #expect(machine.finish(17, transaction: 18, .reply) == nil)
    }

    @Test func aPassedDeadlineEndsTheRequestOnceAndTheLateAnswerIsDropped() {
        let machine = Sample.listener()
        _ = machine.received(
            Sample.header(.request, transaction: 1, deadlineMicroseconds: 5_000), body: [],
            now: Sample.start)
        let due = Sample.start.advanced(by: .milliseconds(5))
        #expect(machine.nextDeadline == due)
        guard case .expired(let place, let header) = machine.tick(now: due) else {
            Issue.record("not expired")
            return
        }
        #expect(header.kind == .fault && header.transaction == 1)
        #expect(machine.finish(place, transaction: 1, .reply) == nil)
        guard case .nothing = machine.tick(now: due) else {
            Issue.record("expired twice")
            return
        }
        #expect(machine.nextDeadline == nil)
    }

    @Test func aUnaryRequestWithoutADeadlineHasTheDefaultOneAndAStreamHasNone() {
        let machine = Sample.listener()
        _ = machine.received(
            Sample.header(.request, Sample.stream, transaction: 1), body: [], now: Sample.start)
        #expect(machine.nextDeadline == nil)
        _ = machine.received(Sample.header(.request, transaction: 2), body: [], now: Sample.start)
        #expect(machine.nextDeadline == Sample.start.advanced(by: WireLimits.deadlineDefault))
    }

    @Test func cancelReachesTheRequestOnceAndIsIgnoredAfterItsEnd() {
        let machine = Sample.listener()
        _ = machine.received(Sample.header(.request), body: [], now: Sample.start)
        let cancel = Sample.header(.cancel)
        #expect(machine.received(cancel, body: [], now: Sample.start).name == "cancelled")
        #expect(machine.received(cancel, body: [], now: Sample.start).name == "nothing")
        #expect(machine.finish(0, transaction: 1, .fault) != nil)
        #expect(machine.received(cancel, body: [], now: Sample.start).name == "nothing")
    }

    @Test func aCancelOfATransactionThatNeverWasIsAViolation() {
        let machine = Sample.listener()
        let received = machine.received(
            Sample.header(.cancel, transaction: 7), body: [], now: Sample.start)
        #expect(received.violated == "transaction")
    }

    @Test func framesOfATransactionMustNameItsMethod() {
        for (header, field) in [
            (FrameHeader(.cancel, interface: 41, method: 1, transaction: 1), "interface"),
            (FrameHeader(.cancel, interface: 40, method: 2, transaction: 1), "method"),
        ] {
            let machine = Sample.listener()
            _ = machine.received(Sample.header(.request), body: [], now: Sample.start)
            let received = machine.received(header, body: [], now: Sample.start)
            #expect(received.violated == field)
        }
    }
}
