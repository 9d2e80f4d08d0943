// How a listener that stops treats what is open and what is new.

import Channel
import Interfaces
import Testing
import Wire

@Suite struct StoppingMachineTests {
    @Test func aListenerThatStopsAnswersWhatIsOpenAndRefusesWhatIsNew() {
        let machine = Sample.listener()
        _ = machine.received(Sample.header(.request), body: [], now: Sample.start)
        #expect(machine.stop(now: Sample.start)?.reason == .stopping)
        #expect(machine.stop(now: Sample.start) == nil)
        let late = machine.received(
            Sample.header(.request, transaction: 2), body: [], now: Sample.start)
        #expect(late.fault?.code == .unavailable)
        #expect(!machine.isDrained)
        #expect(machine.finish(0, transaction: 1, .reply) != nil)
        #expect(machine.isDrained)
    }

    @Test func whatIsOpenAtTheEndOfTheStoppingTimeIsGivenUp() {
        let machine = Sample.listener()
        _ = machine.received(
            Sample.header(.request, Sample.stream), body: [], now: Sample.start)
        _ = machine.stop(now: Sample.start)
        let limit = Sample.start.advanced(by: WireLimits.stoppingTimeout)
        #expect(machine.nextDeadline == limit)
        guard case .close(let farewell) = machine.tick(now: limit) else {
            Issue.record("still open")
            return
        }
        #expect(farewell.reason == .stopping)
        #expect(machine.finish(0, transaction: 1, .end) == nil)
    }
}
