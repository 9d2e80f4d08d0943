// An end that comes before anybody saw that the instance was ready.

import Interfaces
import Testing
import gateway_broker

@Suite("A service that is over at once") struct QuickEndTests {
    private typealias Fixture = RegistryFixture

    private static func ended(
        _ id: InstanceID, _ cause: EndCause = .exited, readyAtMs: UInt64 = 1_700_000_000_400
    ) -> InstanceState {
        var state = Fixture.state(id, .ended, cause, exit: 3)
        state.readyAtMs = readyAtMs
        return state
    }

    /// A registry that was told of the instance's launch, with the state it is in.
    private static func launched(
        _ id: InstanceID, _ state: InstanceState, slots: [RelayedSlot] = []
    ) throws -> Fixture {
        var registry = Fixture()
        try registry.start(Fixture.order(1))
        registry.tell(
            .launched(
                id, Launch(serviceID: [UInt8](repeating: 5, count: 32), slots: slots, state: state))
        )
        return registry
    }

    @Test("has ended, and has not failed to start, where it has no slots and was ready")
    func ready() throws {
        let id = Fixture.id(1)
        var registry = try Self.launched(id, Fixture.state(id, .accepted))
        registry.tell(.observed(id, Self.ended(id)))
        #expect(registry.tell(.released(id)).kinds.contains("announce ended ended"))
        let record = try #require(registry.machine.records[id])
        #expect(record.stage == .ended && record.fault == nil)
        #expect(record.state.ended.exitCode == 3)
    }

    @Test("has ended also where the supervisor's first answer says so")
    func launched() throws {
        let id = Fixture.id(1)
        var registry = try Self.launched(id, Self.ended(id))
        #expect(registry.tell(.released(id)).kinds.contains("announce ended ended"))
    }

    @Test("failed to start where it was not ready, has slots, or was asked to end")
    func failed() throws {
        let id = Fixture.id(1)
        for (slots, readyAtMs, isStopped) in [
            ([], 0, false), (Fixture.slots(), 1_700_000_000_400, false),
            ([], 1_700_000_000_400, true),
        ] as [([RelayedSlot], UInt64, Bool)] {
            var registry = try Self.launched(id, Fixture.state(id, .accepted), slots: slots)
            if isStopped { registry.tell(.stopAsked(id, grace: 0)) }
            registry.tell(.observed(id, Self.ended(id, readyAtMs: readyAtMs)))
            #expect(registry.machine.records[id]?.fault?.code == .endedEarly)
        }
    }

    @Test("is started again where it is lost with its supervisor")
    func lost() throws {
        let id = Fixture.id(1)
        var registry = try Self.launched(id, Fixture.state(id, .accepted))
        let step = registry.tell(.observed(id, Self.ended(id, .lost)))
        #expect(step.kinds.contains("launch"))
    }
}
