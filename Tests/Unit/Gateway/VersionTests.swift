// Components are restarted one by one: what one of them does not know is not passed over in silence.

import Interfaces
import ServiceModel
import Testing
import gateway_broker

@Suite("A gateway among programs of other versions", .timeLimit(.minutes(10)))
struct VersionTests {
    @Test("refuses a root that cannot be written from a supervisor that does not know of it")
    func readOnly() async throws {
        try await GatewayServiceTests.run { bench in
            await bench.supervisor.set(knowsReadOnly: false)
            await bench.boxes.set(TreeTerms(isReadOnly: true))
            let expected = GatewayFault.olderPeer("read_only_filesystem", "sandbox-supervisor")
            #expect(expected.code == .unsupported)
            for _ in 0..<2 {
                await #expect(throws: expected) { _ = try await bench.start() }
            }
            // What ran meanwhile was stopped before that was told.
            #expect(await bench.supervisor.states.values.map(\.phase) == [.ended])
            #expect(await bench.boxes.holds.isEmpty)
            // Restarted with today's version, it is given the next start.
            await bench.supervisor.set(knowsReadOnly: true)
            let started = try #require(try await bench.start(key: 2).last).started
            #expect(started.instance.state.phase == .ready)
            #expect(started.instance.state.readOnly)
        }
    }

    @Test("starts what may be written with a supervisor that knows nothing else")
    func ordinary() async throws {
        try await GatewayServiceTests.run { bench in
            await bench.supervisor.set(knowsReadOnly: false)
            let started = try #require(try await bench.start().last).started
            #expect(started.instance.state.phase == .ready)
        }
    }
}
