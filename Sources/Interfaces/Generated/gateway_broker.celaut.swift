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
    package static let descriptor = InterfaceDescriptor(
        number: 18, name: "GatewayBroker",
        revisions: 1...1,
        methods: [
            startService,
            stopService,
            listServices,
            readServiceOutput,
            watchService,
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
}
