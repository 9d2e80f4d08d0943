// From a specification and a request to what the supervisor is asked, and to the file inside.

import Interfaces
import ServiceModel
import Testing
import gateway_broker

@Suite("The plan of an instance") struct InstancePlanTests {
    /// A service that says everything a start looks at.
    static func service() -> Service {
        var service = Service()
        service.container.architecture.tags = [InstancePlan.hostArchitectures[0]]
        service.container.initial.entryPath = ["usr", "bin", "redis-server"]
        service.container.environmentVariables = ["B": DataFormat(), "A": DataFormat()]
        service.container.configDeclaration = ConfigDeclaration(
            path: ["etc", "node"], format: nil)
        service.container.resources = ServiceModel.Resources(
            atInit: Sysresources(
                blkioWeight: 100, cpuPeriod: 100_000, cpuQuota: 50_000, memLimit: 64 << 20,
                diskSpace: 32 << 20),
            atMost: Sysresources(memLimit: 128 << 20))
        service.api.slots = [
            ServiceModel.Slot(port: 6_379, transport: ProtocolDefinition(tags: ["tcp"])),
            ServiceModel.Slot(port: 53, transport: ProtocolDefinition(tags: ["UDP"])),
        ]
        return service
    }

    static func plan(
        _ service: Service = service(), _ wishes: LaunchWishes = LaunchWishes()
    ) throws(Fault) -> InstancePlan {
        try plan(try BoxTerms(service), wishes)
    }

    static func plan(
        _ terms: BoxTerms, _ wishes: LaunchWishes = LaunchWishes()
    ) throws(Fault) -> InstancePlan {
        let order = StartOrder(
            id: RegistryFixture.id(1), owner: 1, key: [], content: [], reference: "redis",
            wishes: wishes, readyDeadline: 1_234)
        return try InstancePlan(
            record: InstanceRecord(order: order, name: "x", acceptedAt: 0),
            serviceID: [UInt8](repeating: 5, count: 32), terms: terms, limits: GatewayLimits())
    }

    static func variable(_ name: String, _ value: String) -> EnvironmentVariable {
        var variable = EnvironmentVariable()
        variable.name = name
        variable.valueBytes = Array(value.utf8)
        return variable
    }

    @Test("takes entrypoint, slots, path and bounds from the specification")
    func mapping() throws {
        let request = try Self.plan().request
        #expect(request.instanceIDBytes == RegistryFixture.id(1).bytes)
        #expect(request.serviceIDBytes == [UInt8](repeating: 5, count: 32))
        #expect(request.entrypoint == ["usr", "bin", "redis-server"])
        #expect(request.configurationPath == ["etc", "node"])
        #expect(request.slots.map(\.port) == [6_379, 53])
        #expect(request.slots.map(\.transport) == [.tcp, .udp])
        #expect(request.readyDeadlineMs == 1_234)
        #expect(request.limits.memoryBytes == 64 << 20)
        #expect(request.limits.diskBytes == 32 << 20)
        #expect(request.limits.cpuQuotaUs == 50_000)
        #expect(request.limits.cpuPeriodUs == 100_000)
        #expect(request.limits.blockIoWeight == 100)
        #expect(request.limits.processes == 512)
        #expect(request.environment.isEmpty)
    }

    @Test(
        "that nothing can be written is told, and nothing else changes",
        arguments: [true, false])
    func readOnly(_ isReadOnly: Bool) throws {
        var terms = try BoxTerms(Self.service())
        let ordinary = try Self.plan(terms).request
        terms.isReadOnly = isReadOnly
        var request = try Self.plan(terms).request
        #expect(request.readOnly == isReadOnly)
        request.readOnly = false
        #expect(request == ordinary)
    }

    @Test("puts the file where existing nodes put it when the specification names no place")
    func defaultPath() throws {
        var service = Self.service()
        service.container.configDeclaration = nil
        #expect(try Self.plan(service).request.configurationPath == ["__config__"])
    }

    @Test("orders variables as they are declared and adds none")
    func environment() throws {
        let wishes = LaunchWishes(environment: [Self.variable("B", "2"), Self.variable("A", "1")])
        #expect(
            try Self.plan(Self.service(), wishes).request.environment.map(\.name) == ["A", "B"])
    }

    @Test("refuses a variable that is not declared, names it and those that are")
    func undeclared() throws {
        let wishes = LaunchWishes(environment: [Self.variable("PATH", "/bin")])
        #expect(
            throws: Fault(
                .invalid, reason: .unknownKey, subject: "environment.PATH", lines: ["A", "B"])
        ) { try Self.plan(Self.service(), wishes) }
    }

    @Test("takes a variable that a network names as declared")
    func networkVariable() throws {
        var service = Self.service()
        var network = Network()
        network.environmentVariable = "PEERS"
        service.networks = [network]
        let wishes = LaunchWishes(environment: [Self.variable("PEERS", "x")])
        #expect(try Self.plan(service, wishes).environment.count == 1)
    }

    @Test(
        "gives the memory that was asked for up to what the specification allows",
        arguments: [(UInt64(0), UInt64(64 << 20)), (1 << 20, 1 << 20), (128 << 20, 128 << 20)])
    func memory(_ wish: UInt64, _ given: UInt64) throws {
        let plan = try Self.plan(Self.service(), LaunchWishes(memoryBytes: wish))
        #expect(plan.request.limits.memoryBytes == given)
    }

    @Test("refuses more memory than the specification allows, with the bound")
    func tooMuchMemory() throws {
        let wish: UInt64 = 128 << 20 + 1
        #expect(throws: GatewayFault.outOfRange("memory_bytes", limit: 128 << 20, actual: wish)) {
            try Self.plan(Self.service(), LaunchWishes(memoryBytes: wish))
        }
    }

    @Test("gives a service that says nothing of resources what the format says that means")
    func silentService() throws {
        var service = Self.service()
        service.container.resources = nil
        let limits = try Self.plan(service).request.limits
        #expect(limits.memoryBytes == 10_000_000)
        #expect(limits.diskBytes == 2_000_000_000)
        #expect(throws: GatewayFault.outOfRange("memory_bytes", limit: 10_000_000, actual: 1 << 30))
        {
            try Self.plan(service, LaunchWishes(memoryBytes: 1 << 30))
        }
    }

    @Test("refuses another architecture and says which it has")
    func architecture() throws {
        var service = Self.service()
        service.container.architecture.tags = ["linux/riscv64"]
        #expect(
            throws: GatewayFault.unsupported(
                "architecture linux/riscv64", offered: [InstancePlan.hostArchitectures[0]])
        ) { try Self.plan(service) }
    }

    @Test("refuses a service whose gateway must speak what ours does not, and says what it does")
    func gatewayProtocols() throws {
        var service = Self.service()
        service.container.nodeProtocolStack = [
            ProtocolDefinition(tags: ["http"]), ProtocolDefinition(tags: ["grpc", "grpc/1"]),
        ]
        #expect(
            throws: GatewayFault.unsupported(
                "node protocol grpc grpc/1", offered: GatewayAddress.protocols)
        ) { try Self.plan(service) }
        // Prose names nothing that could be compared.
        service.container.nodeProtocolStack = [ProtocolDefinition(tags: [], prose: "http")]
        #expect(throws: Fault.self) { try Self.plan(service) }
    }

    @Test("takes a service whose gateway must speak what ours does, by any of the names")
    func spokenProtocols() throws {
        var service = Self.service()
        service.container.nodeProtocolStack = [
            ProtocolDefinition(tags: ["TCP"]), ProtocolDefinition(tags: ["spdy", "HTTP/1.1"]),
            ProtocolDefinition(tags: [GatewayAddress.protocolTag]),
        ]
        #expect(throws: Never.self) { try Self.plan(service) }
    }

    @Test("refuses slots that cannot be", arguments: [UInt32(0), 65_536])
    func badPort(_ port: UInt32) throws {
        var service = Self.service()
        service.api.slots = [
            ServiceModel.Slot(port: port, transport: ProtocolDefinition(tags: ["tcp"]))
        ]
        #expect(throws: Fault.self) { try Self.plan(service) }
    }

    @Test("writes a file that says where the gateway is and what the instance was given")
    func configurationFile() throws {
        let wishes = LaunchWishes(environment: [Self.variable("A", "1")], memoryBytes: 65 << 20)
        let bytes = try ConfigurationContent.bytes(try Self.plan(Self.service(), wishes))
        let file = try ConfigurationFile(decoding: bytes)
        #expect(file.gateway?.uriSlots.map(\.internalPort) == [2_352])
        #expect(file.gateway?.uriSlots[0].uris == [Uri(ip: "10.64.0.1", port: 2_352)])
        #expect(file.gateway?.api?.slots.map(\.port) == [2_352])
        #expect(file.networkResolution.isEmpty)
        #expect(file.config?.environmentVariables == ["A": [0x31]])
        #expect(file.initialSysresources?.memLimit == 65 << 20)
        #expect(file.initialSysresources?.diskSpace == 32 << 20)
        #expect(file.initialSysresources?.cpuQuota == 50_000)
    }

    @Test("names the next port of the gateway where the service has its own slot at the usual one")
    func portOfItsOwn() throws {
        var service = Self.service()
        let tcp = ProtocolDefinition(tags: ["tcp"])
        service.api.slots = [
            ServiceModel.Slot(port: 2_352, transport: tcp),
            ServiceModel.Slot(port: 2_353, transport: ProtocolDefinition(tags: ["udp"])),
            ServiceModel.Slot(port: 2_354, transport: tcp),
        ]
        func told() throws -> [UInt32] {
            let bytes = try ConfigurationContent.bytes(try Self.plan(service))
            let gateway = try #require(try ConfigurationFile(decoding: bytes).gateway)
            return gateway.uriSlots.flatMap { [$0.internalPort] + $0.uris.map(\.port) }
                + (gateway.api?.slots.map(\.port) ?? [])
        }
        #expect(try told() == [2_353, 2_353, 2_353])
        service.api.slots.append(ServiceModel.Slot(port: 2_353, transport: tcp))
        #expect(try told() == [2_355, 2_355, 2_355])
    }

    @Test("writes the same in JSON for a service that declares JSON")
    func jsonFile() throws {
        var service = Self.service()
        service.container.configDeclaration?.format = DataFormat(tags: ["JSON"])
        let wishes = LaunchWishes(environment: [Self.variable("A", "1")])
        let bytes = try ConfigurationContent.bytes(try Self.plan(service, wishes))
        let document = try JSONReader.read(bytes)
        let file = try ConfigurationFile(decoding: ProtoSchema.configurationFile.bytes(document))
        let binary = try ConfigurationContent.bytes(try Self.plan(Self.service(), wishes))
        #expect(file.encoded() == binary)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.contains(#""uri":[{"ip":"10.64.0.1","port":2352}]"#))
        #expect(text.contains(#""environmentVariables":{"A":"MQ=="}"#))
    }

    @Test("refuses a format of the file that it cannot write, and says which it can")
    func unknownFormat() throws {
        var service = Self.service()
        service.container.configDeclaration?.format = DataFormat(tags: ["yaml"])
        #expect(
            throws: GatewayFault.unsupported(
                "configuration format yaml", offered: ["proto3", "json"])
        ) { try Self.plan(service) }
        service.container.configDeclaration?.format = DataFormat(tags: ["yaml", "proto3"])
        #expect(throws: Never.self) { try Self.plan(service) }
    }
}
