// Credits on both sides of a stream.

import Channel
import Interfaces
import Testing
import Wire

@Suite struct MachineStreamTests {
    private func streaming() -> Rig {
        let machine = Sample.listener()
        _ = machine.received(Sample.header(.request, Sample.stream), body: [], now: Sample.start)
        return machine
    }

    private func send(_ machine: Rig) -> String {
        switch machine.item(0, transaction: 1) {
        case .send: "send"
        case .wait: "wait"
        case .over: "over"
        }
    }

    @Test func itemsStopAtTheFirstCreditAndGoOnWithMore() {
        let machine = streaming()
        for _ in 0..<WireLimits.creditInitial { #expect(send(machine) == "send") }
        #expect(send(machine) == "wait")
        let received = machine.received(
            Sample.header(.credit, Sample.stream), body: Sample.credit(2), now: Sample.start)
        #expect(received.name == "credited")
        #expect(send(machine) == "send")
        #expect(send(machine) == "send")
        #expect(send(machine) == "wait")
    }

    @Test(arguments: [0, 65_536, UInt32.max])
    func aCreditOutOfRangeIsAViolation(items: UInt32) {
        let machine = streaming()
        let received = machine.received(
            Sample.header(.credit, Sample.stream), body: Sample.credit(items), now: Sample.start)
        #expect(received.violated == "Credit.items")
    }

    @Test func creditMustNotGrowPastItsBound() {
        let machine = streaming()
        let most = WireLimits.creditMax - WireLimits.creditInitial
        let fits = machine.received(
            Sample.header(.credit, Sample.stream), body: Sample.credit(most), now: Sample.start)
        #expect(fits.name == "credited")
        let more = machine.received(
            Sample.header(.credit, Sample.stream), body: Sample.credit(1), now: Sample.start)
        #expect(more.violated == "Credit.items")
    }

    @Test func creditForAnEndedStreamIsIgnoredAndForAUnaryCallAViolation() {
        let machine = streaming()
        #expect(machine.finish(0, transaction: 1, .end) != nil)
        let late = machine.received(
            Sample.header(.credit, Sample.stream), body: Sample.credit(1), now: Sample.start)
        #expect(late.name == "nothing")
        _ = machine.received(Sample.header(.request, transaction: 2), body: [], now: Sample.start)
        let wrong = machine.received(
            Sample.header(.credit, transaction: 2), body: Sample.credit(1), now: Sample.start)
        #expect(wrong.violated == "kind")
    }

    @Test func aCancelledStreamSendsNoMoreItems() {
        let machine = streaming()
        _ = machine.received(Sample.header(.cancel, Sample.stream), body: [], now: Sample.start)
        #expect(send(machine) == "over")
        #expect(machine.finish(0, transaction: 1, .fault) != nil)
    }

    @Test func aCallerRefusesAnItemItGaveNoCreditFor() throws {
        let machine = Sample.caller()
        let opened = try machine.begin(
            Sample.stream, descriptors: 0, deadline: nil, now: Sample.start)
        #expect(opened.header.deadlineMicroseconds == 0)
        let item = Sample.header(.item, Sample.stream)
        for _ in 0..<WireLimits.creditInitial {
            #expect(machine.received(item, body: [], now: Sample.start).name == "item")
        }
        #expect(machine.grant(opened.place, transaction: 1, items: 1) != nil)
        #expect(machine.received(item, body: [], now: Sample.start).name == "item")
        #expect(machine.received(item, body: [], now: Sample.start).violated == "credit")
    }
}
