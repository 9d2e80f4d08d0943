// What a start request may say, by itself.

import Interfaces
import Testing
import gateway_broker

@Suite("The check of a start") struct StartCheckTests {
    static func request(
        _ change: (inout StartServiceRequest) -> Void = { _ in }
    ) -> StartServiceRequest {
        var request = StartServiceRequest()
        request.keyBytes = [UInt8](repeating: 1, count: 16)
        request.service = "redis"
        change(&request)
        return request
    }

    static func check(_ request: StartServiceRequest) throws(Fault) -> StartOrder {
        try StartCheck.order(request, owner: 1_000, id: RegistryFixture.id(1))
    }

    @Test("takes a plain request, with the deadline everyone gets")
    func plain() throws {
        let order = try Self.check(Self.request())
        #expect(order.reference == "redis")
        #expect(order.owner == 1_000)
        #expect(order.readyDeadline == 30_000)
        #expect(order.content.count == 32)
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let change: @Sendable (inout StartServiceRequest) -> Void
        let fault: Fault

        init(
            _ name: String, _ fault: Fault,
            _ change: @escaping @Sendable (inout StartServiceRequest) -> Void
        ) {
            testDescription = name
            self.change = change
            self.fault = fault
        }
    }

    @Test(
        "refuses what cannot be, and says what and the bound",
        arguments: [
            Refusal("a short key", GatewayFault.outOfRange("key", limit: 16, actual: 15)) {
                $0.keyBytes.removeLast()
            },
            Refusal("a long key", GatewayFault.outOfRange("key", limit: 64, actual: 65)) {
                $0.keyBytes = [UInt8](repeating: 0, count: 65)
            },
            Refusal("no service", GatewayFault.missing("service")) { $0.service = "" },
            Refusal(
                "a long reference", GatewayFault.nameTooLong("service", limit: 128, actual: 129)
            ) {
                $0.service = String(repeating: "a", count: 129)
            },
            Refusal("a long name", GatewayFault.nameTooLong("name", limit: 63, actual: 64)) {
                $0.name = String(repeating: "x", count: 64)
            },
            Refusal("a name with a slash", GatewayFault.badName("a/b")) { $0.name = "a/b" },
            Refusal("a name with a space", GatewayFault.badName("a b")) { $0.name = "a b" },
            Refusal("a name that could be an id", GatewayFault.badName("deadbeef")) {
                $0.name = "deadbeef"
            },
            Refusal("no variable name", GatewayFault.badName("")) {
                $0.environment = [InstancePlanTests.variable("", "x")]
            },
            Refusal("a variable name with =", GatewayFault.badName("A=B")) {
                $0.environment = [InstancePlanTests.variable("A=B", "x")]
            },
            Refusal("a value with a NUL", GatewayFault.malformed("environment.A")) {
                $0.environment = [InstancePlanTests.variable("A", "x\0")]
            },
            Refusal("a variable twice", GatewayFault.duplicate("environment.A")) {
                $0.environment = [
                    InstancePlanTests.variable("A", "1"), InstancePlanTests.variable("A", "2"),
                ]
            },
            Refusal(
                "too much environment",
                GatewayFault.tooLarge("environment", limit: 32_768, actual: 32_769)
            ) {
                $0.environment = [
                    InstancePlanTests.variable("A", String(repeating: "x", count: 32_768))
                ]
            },
            Refusal(
                "too little memory",
                GatewayFault.belowMinimum("memory_bytes", limit: 1 << 20, actual: 1)
            ) { $0.memoryBytes = 1 },
            Refusal(
                "an endless deadline",
                GatewayFault.outOfRange("ready_deadline_ms", limit: 3_600_000, actual: 3_600_001)
            ) { $0.readyDeadlineMs = 3_600_001 },
        ])
    func refusals(_ refusal: Refusal) {
        #expect(throws: refusal.fault) { try Self.check(Self.request(refusal.change)) }
    }

    @Test("tells requests apart by everything but the key")
    func content() throws {
        let first = try Self.check(Self.request()).content
        #expect(try Self.check(Self.request { $0.keyBytes[0] = 9 }).content == first)
        let others: [(inout StartServiceRequest) -> Void] = [
            { $0.service = "redis2" }, { $0.name = "n" }, { $0.memoryBytes = 2 << 20 },
            { $0.readyDeadlineMs = 5 }, { $0.environment = [InstancePlanTests.variable("A", "1")] },
        ]
        for change in others {
            #expect(try Self.check(Self.request(change)).content != first)
        }
        // Not by where one part ends and the next begins.
        #expect(
            try Self.check(
                Self.request { $0.environment = [InstancePlanTests.variable("AB", "C")] }
            )
            .content
                != Self.check(
                    Self.request { $0.environment = [InstancePlanTests.variable("A", "BC")] }
                )
                .content)
    }
}
