package import Channel
package import Interfaces
package import Syscalls

/// The door of `gateway-broker.sock`: the native wire, where the kernel says which user asks.
package actor NativeDoor<Operations: GatewayOperations>: GatewayBrokerHandler {
    private nonisolated let loop: EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        // SAFETY: the loop outlives every actor on it: it is the process.
        unsafe loop.asUnownedSerialExecutor()
    }

    private let operations: Operations

    package init(_ operations: Operations, loop: EventLoop) {
        self.operations = operations
        self.loop = loop
    }

    private func caller(_ context: CallContext) -> GatewayCaller {
        .user(uid: context.uid, isMaintainer: context.role == .admin)
    }

    private func items<Item>(_ sink: ItemSink<Item>) -> Items<Item> {
        Items { item throws(Fault) in try await sink.send(item) }
    }

    package func startService(
        _ request: StartServiceRequest, context: CallContext, items sink: ItemSink<StartServiceItem>
    ) async throws(Fault) {
        try await operations.start(request, by: caller(context), items: items(sink))
    }

    package func stopService(
        _ request: StopServiceRequest, context: CallContext
    ) async throws(Fault) -> StopServiceReply {
        try await operations.stop(request, by: caller(context))
    }

    package func listServices(
        _ request: ListServicesRequest, context: CallContext, items sink: ItemSink<ServiceInstance>
    ) async throws(Fault) {
        try await operations.list(request, by: caller(context), items: items(sink))
    }

    package func readServiceOutput(
        _ request: ReadServiceOutputRequest, context: CallContext, items sink: ItemSink<OutputItem>
    ) async throws(Fault) {
        try await operations.readOutput(request, by: caller(context), items: items(sink))
    }

    package func watchService(
        _ request: WatchServiceRequest, context: CallContext, items sink: ItemSink<ServiceInstance>
    ) async throws(Fault) {
        try await operations.watch(request, by: caller(context), items: items(sink))
    }

    package func inspectService(
        _ request: InspectServiceRequest, context: CallContext
    ) async throws(Fault) -> ServiceReport {
        try await operations.inspect(request, by: caller(context))
    }

    package func observeService(
        _ request: ObserveServiceRequest, context: CallContext,
        items sink: ItemSink<ObserveServiceItem>
    ) async throws(Fault) {
        try await operations.observe(request, by: caller(context), items: items(sink))
    }

    package func modifyService(
        _ request: ModifyServiceRequest, context: CallContext
    ) async throws(Fault) -> ServiceInstance {
        try await operations.modify(request, by: caller(context))
    }

    package func introduceService(
        _ request: IntroduceServiceRequest, context: CallContext
    ) async throws(Fault) -> ServiceInstance {
        try await operations.introduce(request, by: caller(context))
    }

    package func resolveNetwork(
        _ request: ResolveNetworkRequest, context: CallContext
    ) async throws(Fault) -> ResolveNetworkReply {
        try await operations.resolve(request, by: caller(context))
    }

    package func listNetworks(
        _ request: ListNetworksRequest, context: CallContext, items sink: ItemSink<NetworkRecord>
    ) async throws(Fault) {
        try await operations.listNetworks(caller(context), items: items(sink))
    }

    package func testNetwork(
        _ request: TestNetworkRequest, context: CallContext
    ) async throws(Fault) -> TestNetworkReply {
        try await operations.testNetwork(request, by: caller(context))
    }

    package func openTunnel(
        _ request: OpenTunnelRequest, context: CallContext
    ) async throws(Fault) -> (OpenTunnelReply, Parcel) {
        (OpenTunnelReply(), try await operations.tunnel(request, by: caller(context)))
    }

    package func estimateCost(
        _ request: EstimateCostRequest, context: CallContext
    ) async throws(Fault) -> EstimateCostReply {
        try await operations.estimate(request, by: caller(context))
    }

    package func getSpecification(
        _ request: GetSpecificationRequest, context: CallContext
    ) async throws(Fault) -> (GetSpecificationReply, Parcel) {
        try await operations.specification(request, by: caller(context))
    }

    package func uploadService(
        _ request: UploadServiceRequest, descriptors: Parcel, context: CallContext
    ) async throws(Fault) -> UploadServiceReply {
        try await operations.upload(
            request, by: caller(context), package: OfferedPackage { descriptors })
    }

    package func whoAmI(
        _ request: WhoAmIRequest, context: CallContext
    ) async throws(Fault) -> Identity {
        try await operations.whoAmI(caller(context))
    }

    package func grantToken(
        _ request: GrantTokenRequest, context: CallContext
    ) async throws(Fault) -> GrantTokenReply {
        try await operations.grantToken(request, by: caller(context))
    }

    package func revokeToken(
        _ request: RevokeTokenRequest, context: CallContext
    ) async throws(Fault) -> RevokeTokenReply {
        try await operations.revokeToken(request, by: caller(context))
    }

    package func addClient(
        _ request: AddClientRequest, context: CallContext
    ) async throws(Fault) -> AddClientReply {
        try await operations.addClient(request, by: caller(context))
    }

    package func listClients(
        _ request: ListClientsRequest, context: CallContext, items sink: ItemSink<ClientRecord>
    ) async throws(Fault) {
        try await operations.listClients(caller(context), items: items(sink))
    }

    package func revokeClient(
        _ request: RevokeClientRequest, context: CallContext
    ) async throws(Fault) -> RevokeClientReply {
        try await operations.revokeClient(request, by: caller(context))
    }
}
