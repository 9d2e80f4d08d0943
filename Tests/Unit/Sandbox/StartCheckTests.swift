// What a start request must say, and the fault that names what it does not.

import Interfaces
import SwiftProtobuf
import Testing
import sandbox_supervisor

private func request() -> StartInstanceRequest {
    var request = StartInstanceRequest()
    request.instanceIDBytes = Array(repeating: 1, count: 16)
    request.serviceIDBytes = Array(repeating: 2, count: 32)
    request.entrypoint = ["start"]
    request.configurationPath = ["__config__"]
    request.limits.memoryBytes = 64 << 20
    request.limits.diskBytes = 16 << 20
    request.limits.processes = 64
    request.readyDeadlineMs = 1_000
    return request
}

@Suite struct StartCheckTests {
    @Test func theDefaultsAreFilledIn() throws {
        let check = try StartCheck(request())
        #expect(check.limits.openFiles == 1_024)
        #expect(check.limits.cpuPeriodUs == 100_000)
    }

    @Test func aBoundThatIsNotKnownIsNotSaidToBeInForce() throws {
        var asked = request()
        // Field 500, the number 1.
        asked.limits = try Limits(serializedBytes: [0xA0, 0x1F, 1])
        asked.limits.memoryBytes = 64 << 20
        asked.limits.diskBytes = 16 << 20
        asked.limits.processes = 64
        #expect(asked.limits != request().limits)
        #expect(try StartCheck(asked).limits == StartCheck(request()).limits)
    }

    struct Bad: Sendable {
        let subject: String
        let reason: Fault.Reason
        let change: @Sendable (inout StartInstanceRequest) -> Void

        init(
            _ subject: String, _ reason: Fault.Reason,
            _ change: @escaping @Sendable (inout StartInstanceRequest) -> Void
        ) {
            self.subject = subject
            self.reason = reason
            self.change = change
        }
    }

    @Test(arguments: [
        Bad("instance_id", .malformed) { $0.instanceIDBytes = [1] },
        Bad("service_id", .malformed) { $0.serviceIDBytes = [] },
        Bad("entrypoint", .malformed) { $0.entrypoint = ["..", "bin"] },
        Bad("configuration_path", .malformed) { $0.configurationPath = [] },
        Bad("limits.memory_bytes", .belowMinimum) { $0.limits.memoryBytes = (1 << 20) - 1 },
        Bad("limits.disk_bytes", .belowMinimum) { $0.limits.diskBytes = 0 },
        Bad("limits.processes", .outOfRange) { $0.limits.processes = 0 },
        Bad("limits.cpu_period_us", .outOfRange) { $0.limits.cpuPeriodUs = 999 },
        Bad("limits.block_io_weight", .outOfRange) { $0.limits.blockIoWeight = 9 },
        Bad("limits.open_files", .outOfRange) { $0.limits.openFiles = 2 },
        Bad("ready_deadline_ms", .outOfRange) { $0.readyDeadlineMs = 0 },
        Bad("ready_deadline_ms", .outOfRange) { $0.readyDeadlineMs = 3_600_001 },
        Bad("slots.port", .outOfRange) { $0.slots = [slot(0, .tcp)] },
        Bad("slots.port", .outOfRange) { $0.slots = [slot(65_536, .tcp)] },
        Bad("slots.transport", .outOfRange) { $0.slots = [slot(1, .unspecified)] },
        Bad("slots 1/tcp", .duplicate) { $0.slots = [slot(1, .tcp), slot(1, .tcp)] },
        Bad("environment A=B", .badName) { $0.environment = [variable("A=B", "")] },
        Bad("environment A", .malformed) { $0.environment = [variable("A", "\0")] },
    ])
    func whatIsWrongIsNamed(_ bad: Bad) {
        var request = request()
        bad.change(&request)
        do throws(Fault) {
            _ = try StartCheck(request)
            Issue.record("\(bad.subject) was taken")
        } catch {
            #expect(error.code == .invalid)
            #expect(error.reason == bad.reason)
            #expect(error.subject == bad.subject)
        }
    }

    private static func slot(_ port: UInt32, _ transport: Transport) -> Interfaces.Slot {
        var slot = Interfaces.Slot()
        slot.port = port
        slot.transport = transport
        return slot
    }

    private static func variable(_ name: String, _ value: String) -> EnvironmentVariable {
        var variable = EnvironmentVariable()
        variable.name = name
        variable.valueBytes = Array(value.utf8)
        return variable
    }
}
