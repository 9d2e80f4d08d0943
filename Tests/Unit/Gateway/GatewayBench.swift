// The whole gateway in one process, for tests.

import Channel
import Interfaces
import Logging
import ServiceModel
import Syscalls
import gateway_broker

/// A gateway with peers that do what the test says, on one loop. Restarts keep what was stored and
/// what the peers have.
struct GatewayBench {
    let loop: EventLoop
    let supervisor: FakeSupervisor
    let boxes: FakeBoxBuilder
    let storage = MemoryRegistry()
    let supervisorCaller: LocalCaller
    let boxCaller: LocalCaller
    /// A port of this host that stands for the slot inside.
    let inside: SharedDescriptor
    let insidePort: UInt16
    private(set) var service: GatewayService
    private var serving: Task<Void, Never>?

    init(_ loop: EventLoop) async throws {
        self.loop = loop
        let listener = try InternetSocket.listen(.loopback(port: 0))
        insidePort = try InternetSocket.localEndpoint(listener).port
        inside = SharedDescriptor(listener)
        var specification = InstancePlanTests.service()
        specification.api.slots = [
            ServiceModel.Slot(
                port: UInt32(insidePort), transport: ProtocolDefinition(tags: ["tcp"]))
        ]
        supervisor = FakeSupervisor(loop)
        boxes = FakeBoxBuilder(loop, specification)
        supervisorCaller = LocalCaller(
            SandboxSupervisorDispatcher(supervisor), role: .gatewayBroker)
        boxCaller = LocalCaller(BoxBuilderDispatcher(boxes), role: .gatewayBroker)
        service = Self.make(loop, supervisorCaller, boxCaller, storage)
        try await begin()
    }

    private static func make(
        _ loop: EventLoop, _ supervisor: LocalCaller, _ boxes: LocalCaller,
        _ storage: MemoryRegistry
    ) -> GatewayService {
        GatewayService(
            loop: loop, limits: GatewayLimits(), relayLimits: RelayLimits(),
            tokens: TokenBook(secret: [UInt8](repeating: 7, count: 32)),
            peers: GatewayService.Peers(
                boxes: BoxBuilderClient(boxes), sandbox: SandboxSupervisorClient(supervisor),
                moreSandbox: { SandboxSupervisorClient(supervisor) }),
            storage: storage, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private mutating func begin() async throws {
        try await service.restore()
        serving = Task { [service] in await service.serve() }
    }

    mutating func end() async {
        await service.stop()
        await serving?.value
    }

    mutating func restart() async throws {
        await end()
        service = Self.make(loop, supervisorCaller, boxCaller, storage)
        try await begin()
    }

    func client(_ role: Role = .client, uid: UInt32 = 1_000) -> GatewayBrokerClient {
        GatewayBrokerClient(
            LocalCaller(
                GatewayBrokerDispatcher(NativeDoor(service, loop: loop)), role: role, uid: uid))
    }

    /// Every item of a start, or its fault.
    func start(
        key: UInt8 = 1, uid: UInt32 = 1_000,
        _ change: (inout StartServiceRequest) -> Void = { _ in }
    ) async throws(Fault) -> [StartServiceItem] {
        let request = StartCheckTests.request {
            $0.keyBytes = [UInt8](repeating: key, count: 16)
            change(&$0)
        }
        let stream = try await client(uid: uid).startService(request)
        var items: [StartServiceItem] = []
        while let item = try await stream.next() { items.append(item) }
        return items
    }

    func list(
        _ role: Role = .admin, uid: UInt32 = 0, ended: Bool = false
    ) async throws(Fault)
        -> [ServiceInstance]
    {
        var request = ListServicesRequest()
        request.ended = ended
        let stream = try await client(role, uid: uid).listServices(request)
        var all: [ServiceInstance] = []
        while let one = try await stream.next() { all.append(one) }
        return all
    }

    func stop(token: String) async throws(Fault) -> ServiceInstance {
        var request = StopServiceRequest()
        request.instance.token = token
        return try await client(uid: 4).stopService(request).instance
    }
}
