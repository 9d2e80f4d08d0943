// The caller's half of the connection machine, by hand-made frames and instants.

import Channel
import Interfaces
import Testing
import Wire

@Suite struct CallerMachineTests {
    private func fault(_ body: () throws(Fault) -> Void) -> WireFaultCode? {
        do throws(Fault) {
            try body()
            return nil
        } catch {
            return error.code
        }
    }

    @Test func aRequestBeforeHelloAndAfterGoodbyeIsUnavailable() {
        let machine = Sample.caller(open: false)
        #expect(
            fault { () throws(Fault) in
                _ = try machine.begin(
                    Sample.unary, descriptors: 0, deadline: nil, now: Sample.start)
            } == .unavailable)
        let closed = Sample.caller()
        closed.close(.init(.done))
        #expect(
            fault { () throws(Fault) in
                _ = try closed.begin(Sample.unary, descriptors: 0, deadline: nil, now: Sample.start)
            } == .unavailable)
    }

    @Test func withoutACommonRevisionTheRequestIsUnsupported() {
        let machine = Sample.caller(revisions: 1...1, open: false)
        let received = machine.received(
            .init(.hello), body: Sample.hello(2...2), now: Sample.start)
        #expect(received.name == "ready")
        #expect(
            fault { () throws(Fault) in
                _ = try machine.begin(
                    Sample.unary, descriptors: 0, deadline: nil, now: Sample.start)
            } == .unsupported)
    }

    @Test func transactionsRiseFromOneAndThePlacesAreBounded() throws {
        let machine = Sample.caller()
        for number in 1...UInt64(WireLimits.transactionsMax) {
            let opened = try machine.begin(
                Sample.unary, descriptors: 0, deadline: .seconds(1), now: Sample.start)
            #expect(opened.header.transaction == number)
        }
        #expect(
            fault { () throws(Fault) in
                _ = try machine.begin(
                    Sample.unary, descriptors: 0, deadline: nil, now: Sample.start)
            } == .limitReached)
    }

    @Test func theTimeLeftTravelsInMicroseconds() throws {
        let machine = Sample.caller()
        let opened = try machine.begin(
            Sample.unary, descriptors: 0, deadline: .milliseconds(1_500), now: Sample.start)
        #expect(opened.header.deadlineMicroseconds == 1_500_000)
        #expect(
            fault { () throws(Fault) in
                _ = try machine.begin(
                    Sample.unary, descriptors: 0, deadline: .zero, now: Sample.start)
            } == .deadlineExceeded)
        #expect(
            fault { () throws(Fault) in
                _ = try machine.begin(
                    Sample.unary, descriptors: 0, deadline: .seconds(86_401), now: Sample.start)
            } == .invalid)
    }

    @Test func theListenerHasAGraceToAnswerAfterTheDeadline() throws {
        let machine = Sample.caller()
        let opened = try machine.begin(
            Sample.unary, descriptors: 0, deadline: .seconds(1), now: Sample.start)
        let deadline = Sample.start.advanced(by: .seconds(1))
        guard case .nothing = machine.tick(now: deadline),
            case .gaveUp(opened.place, let cancel?, wasCancelled: false) = machine.tick(
                now: deadline.advanced(by: ConnectionMachine.answerGrace))
        else {
            Issue.record("wrong")
            return
        }
        #expect(cancel.kind == .cancel)
        // The answer is still owed, and its place is kept until it comes.
        #expect(machine.openCount == 1)
        let late = machine.received(Sample.header(.reply), body: [], now: deadline)
        guard case .reply(_, _, isWaited: false) = late else {
            Issue.record("\(late)")
            return
        }
        #expect(machine.openCount == 0)
    }

    @Test func anAnswerThatComesTwiceIsAViolation() throws {
        let machine = Sample.caller()
        _ = try machine.begin(Sample.unary, descriptors: 0, deadline: nil, now: Sample.start)
        let reply = Sample.header(.reply)
        #expect(machine.received(reply, body: [], now: Sample.start).name == "reply")
        #expect(machine.received(reply, body: [], now: Sample.start).violated == "transaction")
    }

    @Test(arguments: [
        (FrameKind.item, Sample.unary, "kind"), (.end, Sample.unary, "kind"),
        (.reply, Sample.stream, "kind"), (.request, Sample.unary, "kind"),
        (.cancel, Sample.unary, "kind"), (.credit, Sample.stream, "kind"),
    ])
    func answersOfTheWrongShapeAreViolations(
        kind: FrameKind, method: MethodDescriptor, field: String
    ) throws {
        let machine = Sample.caller()
        _ = try machine.begin(method, descriptors: 0, deadline: nil, now: Sample.start)
        let received = machine.received(
            Sample.header(kind, method), body: [], now: Sample.start)
        #expect(received.violated == field)
    }

    @Test(arguments: [(0, "descriptors"), (1, nil), (16, nil)] as [(UInt16, String?)])
    func aReplyCarriesTheDeclaredDescriptors(count: UInt16, violated: String?) throws {
        let machine = Sample.caller()
        _ = try machine.begin(Sample.passing, descriptors: 2, deadline: nil, now: Sample.start)
        let received = machine.received(
            Sample.header(.reply, Sample.passing, descriptors: count), body: [],
            now: Sample.start)
        #expect(received.violated == violated)
    }

    @Test func aCancelIsSentOnceAndItsAnswerWaitedForAWhile() throws {
        let machine = Sample.caller()
        let opened = try machine.begin(
            Sample.unary, descriptors: 0, deadline: .seconds(20), now: Sample.start)
        let cancel = machine.cancel(opened.place, transaction: 1, now: Sample.start)
        #expect(cancel?.kind == .cancel)
        #expect(machine.cancel(opened.place, transaction: 1, now: Sample.start) == nil)
        let limit = Sample.start.advanced(by: ConnectionMachine.cancelGrace)
        #expect(machine.nextDeadline == limit)
        guard case .gaveUp(_, cancel: nil, wasCancelled: true) = machine.tick(now: limit) else {
            Issue.record("not given up")
            return
        }
    }

    @Test func aCancelThatCrossesTheAnswerIsHarmless() throws {
        let machine = Sample.caller()
        let opened = try machine.begin(
            Sample.unary, descriptors: 0, deadline: nil, now: Sample.start)
        #expect(
            machine.received(Sample.header(.reply), body: [], now: Sample.start).name == "reply")
        #expect(machine.cancel(opened.place, transaction: 1, now: Sample.start) == nil)
        // The next request gets the same place: the old cancel must not reach it.
        let next = try machine.begin(
            Sample.unary, descriptors: 0, deadline: nil, now: Sample.start)
        #expect(next.place == opened.place)
        #expect(machine.cancel(opened.place, transaction: 1, now: Sample.start) == nil)
    }

    @Test func afterStoppingOpenRequestsAreAnsweredAndNewOnesUnavailable() throws {
        let machine = Sample.caller()
        _ = try machine.begin(Sample.unary, descriptors: 0, deadline: nil, now: Sample.start)
        let received = machine.received(
            .init(.goodbye), body: Sample.goodbye(.stopping), now: Sample.start)
        #expect(received.name == "stopping")
        #expect(!machine.isDrained)
        #expect(
            fault { () throws(Fault) in
                _ = try machine.begin(
                    Sample.unary, descriptors: 0, deadline: nil, now: Sample.start)
            } == .unavailable)
        #expect(
            machine.received(Sample.header(.reply), body: [], now: Sample.start).name == "reply")
        #expect(machine.isDrained)
    }

    @Test func anyOtherGoodbyeEndsTheConnection() {
        for reason: WireGoodbyeReason in [.done, .protocolError, .limitReached, .UNRECOGNIZED(99)] {
            let machine = Sample.caller()
            let received = machine.received(
                .init(.goodbye), body: Sample.goodbye(reason), now: Sample.start)
            guard case .farewell(let farewell) = received else {
                Issue.record("\(received)")
                return
            }
            #expect(farewell.reason == reason)
            #expect(machine.isClosed)
        }
    }
}
