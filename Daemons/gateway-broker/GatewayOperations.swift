package import Interfaces
package import Syscalls

/// Who asks, as the door a request came through found out: from the kernel, from a token, or from
/// which listener it was. Never from what the request says.
package enum GatewayCaller: Sendable, Hashable {
    /// A user of this host.
    case user(uid: UInt32, isMaintainer: Bool)
    /// Somebody with a client's token.
    case client(number: UInt32)
    /// An instance, through the listener inside its namespace.
    case instance(InstanceID)
    /// Only what a token in the request opens.
    case anyone
}

/// Where an operation sends the items of its answer. Waits as long as the caller wants no more.
package struct Items<Item: Sendable>: Sendable {
    package let send: @Sendable (Item) async throws(Fault) -> Void

    package init(_ send: @escaping @Sendable (Item) async throws(Fault) -> Void) {
        self.send = send
    }
}

/// A service that a caller has at hand: what it is read from, a descriptor, is opened when it is wanted
/// and not before, so that whoever is refused has not sent it.
package struct OfferedPackage: Sendable {
    package let open: @Sendable () async throws(Fault) -> Parcel

    package init(_ open: @escaping @Sendable () async throws(Fault) -> Parcel) {
        self.open = open
    }
}

/// All that can be asked of the gateway, without a transport: requests and answers are the messages
/// of the schema, callers are named by the door. A door translates bytes and nothing else: it says who
/// asks, cancels the task when the caller goes away, and shows a `Fault` as its protocol does.
package protocol GatewayOperations: Actor {
    /// Who shows this token at a door: a client.
    ///
    /// - Throws: `.unauthorized` for what is no client's token, or no more.
    func identify(token: String) throws(Fault) -> GatewayCaller
    /// The instance of which this token opens anything.
    ///
    /// - Throws: `.unauthorized` for what is no instance's token, or no more.
    func instance(token: String) throws(Fault) -> InstanceID

    func start(
        _ request: StartServiceRequest, by caller: GatewayCaller, items: Items<StartServiceItem>
    ) async throws(Fault)
    func stop(
        _ request: StopServiceRequest, by caller: GatewayCaller
    ) async throws(Fault) -> StopServiceReply
    func list(
        _ request: ListServicesRequest, by caller: GatewayCaller, items: Items<ServiceInstance>
    ) async throws(Fault)
    func readOutput(
        _ request: ReadServiceOutputRequest, by caller: GatewayCaller, items: Items<OutputItem>
    ) async throws(Fault)
    func watch(
        _ request: WatchServiceRequest, by caller: GatewayCaller, items: Items<ServiceInstance>
    ) async throws(Fault)
    func inspect(
        _ request: InspectServiceRequest, by caller: GatewayCaller
    ) async throws(Fault) -> ServiceReport
    func observe(
        _ request: ObserveServiceRequest, by caller: GatewayCaller, items: Items<ObserveServiceItem>
    ) async throws(Fault)
    func modify(
        _ request: ModifyServiceRequest, by caller: GatewayCaller
    ) async throws(Fault) -> ServiceInstance
    /// Lets a sibling reach an instance.
    func introduce(
        _ request: IntroduceServiceRequest, by caller: GatewayCaller
    ) async throws(Fault) -> ServiceInstance
    /// The peers an instance has in a network it declared.
    func resolve(
        _ request: ResolveNetworkRequest, by caller: GatewayCaller
    ) async throws(Fault) -> ResolveNetworkReply
    func listNetworks(_ caller: GatewayCaller, items: Items<NetworkRecord>) async throws(Fault)
    func testNetwork(
        _ request: TestNetworkRequest, by caller: GatewayCaller
    ) async throws(Fault) -> TestNetworkReply
    /// A stream or packet socket; whoever holds it is connected to the slot.
    func tunnel(
        _ request: OpenTunnelRequest, by caller: GatewayCaller
    ) async throws(Fault) -> Parcel
    func estimate(
        _ request: EstimateCostRequest, by caller: GatewayCaller
    ) async throws(Fault) -> EstimateCostReply
    /// The specification's bytes without its filesystem, sealed.
    func specification(
        _ request: GetSpecificationRequest, by caller: GatewayCaller
    ) async throws(Fault) -> (GetSpecificationReply, Parcel)
    /// Takes a service, so that it can be started by its id.
    func upload(
        _ request: UploadServiceRequest, by caller: GatewayCaller, package: OfferedPackage
    ) async throws(Fault) -> UploadServiceReply
    func whoAmI(_ caller: GatewayCaller) throws(Fault) -> Identity
    func grantToken(
        _ request: GrantTokenRequest, by caller: GatewayCaller
    ) async throws(Fault) -> GrantTokenReply
    func revokeToken(
        _ request: RevokeTokenRequest, by caller: GatewayCaller
    ) async throws(Fault) -> RevokeTokenReply
    func addClient(
        _ request: AddClientRequest, by caller: GatewayCaller
    ) async throws(Fault) -> AddClientReply
    func listClients(_ caller: GatewayCaller, items: Items<ClientRecord>) async throws(Fault)
    func revokeClient(
        _ request: RevokeClientRequest, by caller: GatewayCaller
    ) async throws(Fault) -> RevokeClientReply
}
