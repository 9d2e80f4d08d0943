// Made by protoc-gen-celaut from gateway_broker.proto by `deploy/generate`; not edited.
// swift-format-ignore-file

internal import FoundationEssentials
package import Syscalls
internal import Wire

/// What `GatewayBroker` is: its number, revisions and methods.
package enum GatewayBrokerInterface {
    package static let startService = MethodDescriptor(
        interface: 18, ordinal: 1, name: "StartService",
        isStream: true, idempotency: .keyed,
        callers: [.admin, .client],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let stopService = MethodDescriptor(
        interface: 18, ordinal: 2, name: "StopService",
        isStream: false, idempotency: .idempotent,
        callers: [.admin, .client],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let listServices = MethodDescriptor(
        interface: 18, ordinal: 3, name: "ListServices",
        isStream: true, idempotency: .readOnly,
        callers: [.admin, .client],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let readServiceOutput = MethodDescriptor(
        interface: 18, ordinal: 4, name: "ReadServiceOutput",
        isStream: true, idempotency: .readOnly,
        callers: [.admin, .client],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let watchService = MethodDescriptor(
        interface: 18, ordinal: 5, name: "WatchService",
        isStream: true, idempotency: .readOnly,
        callers: [.admin, .client],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let inspectService = MethodDescriptor(
        interface: 18, ordinal: 6, name: "InspectService",
        isStream: false, idempotency: .readOnly,
        callers: [.admin, .client],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let observeService = MethodDescriptor(
        interface: 18, ordinal: 7, name: "ObserveService",
        isStream: true, idempotency: .readOnly,
        callers: [.admin, .client],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let openTunnel = MethodDescriptor(
        interface: 18, ordinal: 8, name: "OpenTunnel",
        isStream: false, idempotency: .readOnly,
        callers: [.admin, .client],
        requestDescriptors: [],
        replyDescriptors: [.socket],
        replyRepeats: false)
    package static let estimateCost = MethodDescriptor(
        interface: 18, ordinal: 9, name: "EstimateCost",
        isStream: false, idempotency: .readOnly,
        callers: [.admin, .client],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let getSpecification = MethodDescriptor(
        interface: 18, ordinal: 10, name: "GetSpecification",
        isStream: false, idempotency: .readOnly,
        callers: [.admin, .client],
        requestDescriptors: [],
        replyDescriptors: [.sealed],
        replyRepeats: false)
    package static let whoAmI = MethodDescriptor(
        interface: 18, ordinal: 11, name: "WhoAmI",
        isStream: false, idempotency: .readOnly,
        callers: [.admin, .client],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let grantToken = MethodDescriptor(
        interface: 18, ordinal: 12, name: "GrantToken",
        isStream: false, idempotency: .keyed,
        callers: [.admin, .client],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let revokeToken = MethodDescriptor(
        interface: 18, ordinal: 13, name: "RevokeToken",
        isStream: false, idempotency: .idempotent,
        callers: [.admin, .client],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let addClient = MethodDescriptor(
        interface: 18, ordinal: 14, name: "AddClient",
        isStream: false, idempotency: .keyed,
        callers: [.admin],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let listClients = MethodDescriptor(
        interface: 18, ordinal: 15, name: "ListClients",
        isStream: true, idempotency: .readOnly,
        callers: [.admin],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let revokeClient = MethodDescriptor(
        interface: 18, ordinal: 16, name: "RevokeClient",
        isStream: false, idempotency: .idempotent,
        callers: [.admin],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let modifyService = MethodDescriptor(
        interface: 18, ordinal: 17, name: "ModifyService",
        isStream: false, idempotency: .keyed,
        callers: [.admin, .client],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let introduceService = MethodDescriptor(
        interface: 18, ordinal: 18, name: "IntroduceService",
        isStream: false, idempotency: .idempotent,
        callers: [.admin, .client],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let resolveNetwork = MethodDescriptor(
        interface: 18, ordinal: 20, name: "ResolveNetwork",
        isStream: false, idempotency: .idempotent,
        callers: [.admin, .client],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let listNetworks = MethodDescriptor(
        interface: 18, ordinal: 21, name: "ListNetworks",
        isStream: true, idempotency: .readOnly,
        callers: [.admin],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let testNetwork = MethodDescriptor(
        interface: 18, ordinal: 22, name: "TestNetwork",
        isStream: false, idempotency: .readOnly,
        callers: [.admin],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let uploadService = MethodDescriptor(
        interface: 18, ordinal: 23, name: "UploadService",
        isStream: false, idempotency: .idempotent,
        callers: [.admin, .client],
        requestDescriptors: [.readable],
        replyDescriptors: [],
        replyRepeats: false)
    package static let descriptor = InterfaceDescriptor(
        number: 18, name: "GatewayBroker",
        revisions: 1...1,
        methods: [
            startService,
            stopService,
            listServices,
            readServiceOutput,
            watchService,
            inspectService,
            observeService,
            openTunnel,
            estimateCost,
            getSpecification,
            whoAmI,
            grantToken,
            revokeToken,
            addClient,
            listClients,
            revokeClient,
            modifyService,
            introduceService,
            resolveNetwork,
            listNetworks,
            testNetwork,
            uploadService,
        ])
}

/// Calls `GatewayBroker` over a connection.
package struct GatewayBrokerClient: Sendable {
    private let caller: any Caller

    package init(_ caller: any Caller) {
        self.caller = caller
    }

    /// Starts a service. Items report its life; the last one has the token and the addresses, once
    /// every declared slot accepts a connection. Keyed: the same key gives the same instance, token
    /// and addresses. A caller that goes away before the last item leaves the start going on; it can
    /// come back with the same key.
    package func startService(
        _ request: StartServiceRequest, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<StartServiceItem> {
        let answer = try await caller.open(
            GatewayBrokerInterface.startService, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return ItemStream(answer)
    }

    /// Stops an instance. Answers when it has ended.
    package func stopService(
        _ request: StopServiceRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> StopServiceReply {
        let answer = try await caller.call(
            GatewayBrokerInterface.stopService, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// Instances: all of them for the maintainer, the caller's own otherwise. Sorted by start.
    package func listServices(
        _ request: ListServicesRequest, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<ServiceInstance> {
        let answer = try await caller.open(
            GatewayBrokerInterface.listServices, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return ItemStream(answer)
    }

    /// What an instance wrote to its output.
    package func readServiceOutput(
        _ request: ReadServiceOutputRequest, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<OutputItem> {
        let answer = try await caller.open(
            GatewayBrokerInterface.readServiceOutput, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return ItemStream(answer)
    }

    /// The state of an instance now, then each change of it, until it ended.
    package func watchService(
        _ request: WatchServiceRequest, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<ServiceInstance> {
        let answer = try await caller.open(
            GatewayBrokerInterface.watchService, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return ItemStream(answer)
    }

    /// What is known of an instance: its life, what it uses, what passed through its slots, its family.
    package func inspectService(
        _ request: InspectServiceRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> ServiceReport {
        let answer = try await caller.call(
            GatewayBrokerInterface.inspectService, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// The report of an instance at once, at each change and once per interval, until it ended.
    package func observeService(
        _ request: ObserveServiceRequest, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<ObserveServiceItem> {
        let answer = try await caller.open(
            GatewayBrokerInterface.observeService, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return ItemStream(answer)
    }

    /// A connection to a slot, for callers who cannot reach its address: a stream socket for TCP, a
    /// sequenced packet socket with one datagram per packet for UDP (none is empty). What passes is
    /// counted like that of any other connection to the slot.
    package func openTunnel(
        _ request: OpenTunnelRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> (OpenTunnelReply, Parcel) {
        let answer = try await caller.call(
            GatewayBrokerInterface.openTunnel, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return (try Body.decode(answer: answer.body), answer.descriptors)
    }

    /// What a service would use at the start and at most. There are no prices yet.
    package func estimateCost(
        _ request: EstimateCostRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> EstimateCostReply {
        let answer = try await caller.call(
            GatewayBrokerInterface.estimateCost, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// The specification of a service: its canonical bytes without the filesystem.
    package func getSpecification(
        _ request: GetSpecificationRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> (GetSpecificationReply, Parcel) {
        let answer = try await caller.call(
            GatewayBrokerInterface.getSpecification, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return (try Body.decode(answer: answer.body), answer.descriptors)
    }

    /// Who the caller is to the gateway, and what it may do.
    package func whoAmI(
        _ request: WhoAmIRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> Identity {
        let answer = try await caller.call(
            GatewayBrokerInterface.whoAmI, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// Makes a token that opens less of an instance than the one given at its start. Keyed.
    package func grantToken(
        _ request: GrantTokenRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> GrantTokenReply {
        let answer = try await caller.call(
            GatewayBrokerInterface.grantToken, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// Makes a token worthless, for ever: whoever has it may. One that is not known is so already.
    package func revokeToken(
        _ request: RevokeTokenRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> RevokeTokenReply {
        let answer = try await caller.call(
            GatewayBrokerInterface.revokeToken, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// Makes a client: somebody who is no user of this host and shows a token instead. Keyed.
    package func addClient(
        _ request: AddClientRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> AddClientReply {
        let answer = try await caller.call(
            GatewayBrokerInterface.addClient, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// All clients, sorted by name.
    package func listClients(
        _ request: ListClientsRequest, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<ClientRecord> {
        let answer = try await caller.open(
            GatewayBrokerInterface.listClients, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return ItemStream(answer)
    }

    /// Makes a client's token worthless. What it started goes on.
    package func revokeClient(
        _ request: RevokeClientRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> RevokeClientReply {
        let answer = try await caller.call(
            GatewayBrokerInterface.revokeClient, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// Changes the bounds of an instance that lives, within what its specification and its parent
    /// allow. Keyed.
    package func modifyService(
        _ request: ModifyServiceRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> ServiceInstance {
        let answer = try await caller.call(
            GatewayBrokerInterface.modifyService, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// Lets an instance reach one of its siblings: a child reaches nobody of its family else. Answers
    /// when the addresses inside are there. Lasts until either ends, also when the gateway restarts.
    package func introduceService(
        _ request: IntroduceServiceRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> ServiceInstance {
        let answer = try await caller.call(
            GatewayBrokerInterface.introduceService, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// The peers an instance has in a network that it declared, with those that can be had by now.
    /// FORBIDDEN for a network that it, or an ancestor of it, did not declare; UNSUPPORTED for one that
    /// the operator does not allow.
    package func resolveNetwork(
        _ request: ResolveNetworkRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> ResolveNetworkReply {
        let answer = try await caller.call(
            GatewayBrokerInterface.resolveNetwork, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// Networks: those the operator gave a name, and those that instances declare. Sorted by name.
    package func listNetworks(
        _ request: ListNetworksRequest, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<NetworkRecord> {
        let answer = try await caller.open(
            GatewayBrokerInterface.listNetworks, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return ItemStream(answer)
    }

    /// What a service that declares a network would be given, and whether it can be reached now.
    package func testNetwork(
        _ request: TestNetworkRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> TestNetworkReply {
        let answer = try await caller.call(
            GatewayBrokerInterface.testNetwork, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// Hands over a service, which can be started by its id then. Descriptor: its bytes in any codec, to
    /// their end. The id is computed over what comes; nothing of it is here before all of it is and has
    /// the expected id. What is here already is not read.
    package func uploadService(
        _ request: UploadServiceRequest, descriptors: Parcel, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> UploadServiceReply {
        let answer = try await caller.call(
            GatewayBrokerInterface.uploadService, body: Body.encode(request), descriptors: descriptors, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }
}

package protocol GatewayBrokerHandler: Actor {
    /// Starts a service. Items report its life; the last one has the token and the addresses, once
    /// every declared slot accepts a connection. Keyed: the same key gives the same instance, token
    /// and addresses. A caller that goes away before the last item leaves the start going on; it can
    /// come back with the same key.
    func startService(
        _ request: StartServiceRequest, context: CallContext, items: ItemSink<StartServiceItem>
    ) async throws(Fault)

    /// Stops an instance. Answers when it has ended.
    func stopService(
        _ request: StopServiceRequest, context: CallContext
    ) async throws(Fault) -> StopServiceReply

    /// Instances: all of them for the maintainer, the caller's own otherwise. Sorted by start.
    func listServices(
        _ request: ListServicesRequest, context: CallContext, items: ItemSink<ServiceInstance>
    ) async throws(Fault)

    /// What an instance wrote to its output.
    func readServiceOutput(
        _ request: ReadServiceOutputRequest, context: CallContext, items: ItemSink<OutputItem>
    ) async throws(Fault)

    /// The state of an instance now, then each change of it, until it ended.
    func watchService(
        _ request: WatchServiceRequest, context: CallContext, items: ItemSink<ServiceInstance>
    ) async throws(Fault)

    /// What is known of an instance: its life, what it uses, what passed through its slots, its family.
    func inspectService(
        _ request: InspectServiceRequest, context: CallContext
    ) async throws(Fault) -> ServiceReport

    /// The report of an instance at once, at each change and once per interval, until it ended.
    func observeService(
        _ request: ObserveServiceRequest, context: CallContext, items: ItemSink<ObserveServiceItem>
    ) async throws(Fault)

    /// A connection to a slot, for callers who cannot reach its address: a stream socket for TCP, a
    /// sequenced packet socket with one datagram per packet for UDP (none is empty). What passes is
    /// counted like that of any other connection to the slot.
    func openTunnel(
        _ request: OpenTunnelRequest, context: CallContext
    ) async throws(Fault) -> (OpenTunnelReply, Parcel)

    /// What a service would use at the start and at most. There are no prices yet.
    func estimateCost(
        _ request: EstimateCostRequest, context: CallContext
    ) async throws(Fault) -> EstimateCostReply

    /// The specification of a service: its canonical bytes without the filesystem.
    func getSpecification(
        _ request: GetSpecificationRequest, context: CallContext
    ) async throws(Fault) -> (GetSpecificationReply, Parcel)

    /// Who the caller is to the gateway, and what it may do.
    func whoAmI(
        _ request: WhoAmIRequest, context: CallContext
    ) async throws(Fault) -> Identity

    /// Makes a token that opens less of an instance than the one given at its start. Keyed.
    func grantToken(
        _ request: GrantTokenRequest, context: CallContext
    ) async throws(Fault) -> GrantTokenReply

    /// Makes a token worthless, for ever: whoever has it may. One that is not known is so already.
    func revokeToken(
        _ request: RevokeTokenRequest, context: CallContext
    ) async throws(Fault) -> RevokeTokenReply

    /// Makes a client: somebody who is no user of this host and shows a token instead. Keyed.
    func addClient(
        _ request: AddClientRequest, context: CallContext
    ) async throws(Fault) -> AddClientReply

    /// All clients, sorted by name.
    func listClients(
        _ request: ListClientsRequest, context: CallContext, items: ItemSink<ClientRecord>
    ) async throws(Fault)

    /// Makes a client's token worthless. What it started goes on.
    func revokeClient(
        _ request: RevokeClientRequest, context: CallContext
    ) async throws(Fault) -> RevokeClientReply

    /// Changes the bounds of an instance that lives, within what its specification and its parent
    /// allow. Keyed.
    func modifyService(
        _ request: ModifyServiceRequest, context: CallContext
    ) async throws(Fault) -> ServiceInstance

    /// Lets an instance reach one of its siblings: a child reaches nobody of its family else. Answers
    /// when the addresses inside are there. Lasts until either ends, also when the gateway restarts.
    func introduceService(
        _ request: IntroduceServiceRequest, context: CallContext
    ) async throws(Fault) -> ServiceInstance

    /// The peers an instance has in a network that it declared, with those that can be had by now.
    /// FORBIDDEN for a network that it, or an ancestor of it, did not declare; UNSUPPORTED for one that
    /// the operator does not allow.
    func resolveNetwork(
        _ request: ResolveNetworkRequest, context: CallContext
    ) async throws(Fault) -> ResolveNetworkReply

    /// Networks: those the operator gave a name, and those that instances declare. Sorted by name.
    func listNetworks(
        _ request: ListNetworksRequest, context: CallContext, items: ItemSink<NetworkRecord>
    ) async throws(Fault)

    /// What a service that declares a network would be given, and whether it can be reached now.
    func testNetwork(
        _ request: TestNetworkRequest, context: CallContext
    ) async throws(Fault) -> TestNetworkReply

    /// Hands over a service, which can be started by its id then. Descriptor: its bytes in any codec, to
    /// their end. The id is computed over what comes; nothing of it is here before all of it is and has
    /// the expected id. What is here already is not read.
    func uploadService(
        _ request: UploadServiceRequest, descriptors: Parcel, context: CallContext
    ) async throws(Fault) -> UploadServiceReply
}

/// Gives the requests of a connection to a `GatewayBrokerHandler`.
package struct GatewayBrokerDispatcher<Handler: GatewayBrokerHandler>: Dispatcher {
    private let handler: Handler

    package init(_ handler: Handler) {
        self.handler = handler
    }

    package var interface: InterfaceDescriptor { GatewayBrokerInterface.descriptor }

    package func answer(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel,
        context: CallContext, items: any RawSink
    ) async throws(Fault) -> Answer? {
        switch method.ordinal {
        case 1:
            try await handler.startService(Body.decode(request: body), context: context, items: ItemSink(items))
            return nil
        case 2:
            let reply = try await handler.stopService(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        case 3:
            try await handler.listServices(Body.decode(request: body), context: context, items: ItemSink(items))
            return nil
        case 4:
            try await handler.readServiceOutput(Body.decode(request: body), context: context, items: ItemSink(items))
            return nil
        case 5:
            try await handler.watchService(Body.decode(request: body), context: context, items: ItemSink(items))
            return nil
        case 6:
            let reply = try await handler.inspectService(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        case 7:
            try await handler.observeService(Body.decode(request: body), context: context, items: ItemSink(items))
            return nil
        case 8:
            let (reply, parcel) = try await handler.openTunnel(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply), descriptors: parcel)
        case 9:
            let reply = try await handler.estimateCost(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        case 10:
            let (reply, parcel) = try await handler.getSpecification(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply), descriptors: parcel)
        case 11:
            let reply = try await handler.whoAmI(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        case 12:
            let reply = try await handler.grantToken(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        case 13:
            let reply = try await handler.revokeToken(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        case 14:
            let reply = try await handler.addClient(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        case 15:
            try await handler.listClients(Body.decode(request: body), context: context, items: ItemSink(items))
            return nil
        case 16:
            let reply = try await handler.revokeClient(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        case 17:
            let reply = try await handler.modifyService(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        case 18:
            let reply = try await handler.introduceService(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        case 20:
            let reply = try await handler.resolveNetwork(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        case 21:
            try await handler.listNetworks(Body.decode(request: body), context: context, items: ItemSink(items))
            return nil
        case 22:
            let reply = try await handler.testNetwork(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        case 23:
            let reply = try await handler.uploadService(Body.decode(request: body), descriptors: descriptors, context: context)
            return Answer(body: try Body.encode(reply))
        default: throw Fault(.unknownMethod, subject: method.name)
        }
    }
}

extension StartServiceRequest {
    /// `key` as an array.
    package var keyBytes: [UInt8] {
        get { [UInt8](key) }
        set { key = Data(newValue) }
    }
}

extension ServiceInstance {
    /// `instanceID` as an array.
    package var instanceIDBytes: [UInt8] {
        get { [UInt8](instanceID) }
        set { instanceID = Data(newValue) }
    }
    /// `serviceID` as an array.
    package var serviceIDBytes: [UInt8] {
        get { [UInt8](serviceID) }
        set { serviceID = Data(newValue) }
    }
    /// `parentID` as an array.
    package var parentIDBytes: [UInt8] {
        get { [UInt8](parentID) }
        set { parentID = Data(newValue) }
    }
}

extension Address {
    /// `inside` as an array.
    package var insideBytes: [UInt8] {
        get { [UInt8](inside) }
        set { inside = Data(newValue) }
    }
}

extension EstimateCostReply {
    /// `serviceID` as an array.
    package var serviceIDBytes: [UInt8] {
        get { [UInt8](serviceID) }
        set { serviceID = Data(newValue) }
    }
}

extension GetSpecificationReply {
    /// `serviceID` as an array.
    package var serviceIDBytes: [UInt8] {
        get { [UInt8](serviceID) }
        set { serviceID = Data(newValue) }
    }
}

extension Identity {
    /// `instanceID` as an array.
    package var instanceIDBytes: [UInt8] {
        get { [UInt8](instanceID) }
        set { instanceID = Data(newValue) }
    }
}

extension GrantTokenRequest {
    /// `key` as an array.
    package var keyBytes: [UInt8] {
        get { [UInt8](key) }
        set { key = Data(newValue) }
    }
}

extension AddClientRequest {
    /// `key` as an array.
    package var keyBytes: [UInt8] {
        get { [UInt8](key) }
        set { key = Data(newValue) }
    }
}

extension ModifyServiceRequest {
    /// `key` as an array.
    package var keyBytes: [UInt8] {
        get { [UInt8](key) }
        set { key = Data(newValue) }
    }
}

extension UploadServiceRequest {
    /// `serviceID` as an array.
    package var serviceIDBytes: [UInt8] {
        get { [UInt8](serviceID) }
        set { serviceID = Data(newValue) }
    }
}

extension UploadServiceReply {
    /// `serviceID` as an array.
    package var serviceIDBytes: [UInt8] {
        get { [UInt8](serviceID) }
        set { serviceID = Data(newValue) }
    }
}
