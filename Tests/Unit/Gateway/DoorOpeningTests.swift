// The door inside an instance, and a supervisor that cannot open it when it is first asked.

import Channel
import Interfaces
import Logging
import Testing
import gateway_broker

@Suite("The door inside an instance", .timeLimit(.minutes(10))) struct DoorOpeningTests {
    @Test("is opened when the supervisor can, though nothing more is heard of the instance")
    func later() async throws {
        try await GatewayServiceTests.run { bench in
            let door = HTTPDoor(
                bench.service, limits: HTTPLimits(),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            await bench.service.use(door)
            await bench.supervisor.set(
                listenerFaults: [Fault(.unavailable), Fault(.deadlineExceeded)])
            let started = try #require(try await bench.start().last).started
            let id = try #require(InstanceID(started.instance.instanceIDBytes))
            for _ in 0..<60_000 where !door.isOpen(.inside(id)) {
                await bench.loop.sleep(.milliseconds(1))
            }
            #expect(door.isOpen(.inside(id)))
            _ = try await bench.stop(token: started.token)
            #expect(!door.isOpen(.inside(id)))
            door.closeAll()
        }
    }
}
