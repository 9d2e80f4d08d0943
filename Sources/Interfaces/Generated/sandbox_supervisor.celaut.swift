// Made by protoc-gen-celaut from sandbox_supervisor.proto by `deploy/generate`; not edited.
// swift-format-ignore-file

internal import FoundationEssentials
package import Syscalls
internal import Wire

/// What `SandboxSupervisor` is: its number, revisions and methods.
package enum SandboxSupervisorInterface {
    package static let startInstance = MethodDescriptor(
        interface: 17, ordinal: 1, name: "StartInstance",
        isStream: false, idempotency: .keyed,
        callers: [.gatewayBroker],
        requestDescriptors: [.file, .directory, .sealed],
        replyDescriptors: [],
        replyRepeats: false)
    package static let stopInstance = MethodDescriptor(
        interface: 17, ordinal: 2, name: "StopInstance",
        isStream: false, idempotency: .idempotent,
        callers: [.gatewayBroker, .admin],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let watchInstance = MethodDescriptor(
        interface: 17, ordinal: 3, name: "WatchInstance",
        isStream: true, idempotency: .readOnly,
        callers: [.gatewayBroker, .admin],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let listInstances = MethodDescriptor(
        interface: 17, ordinal: 4, name: "ListInstances",
        isStream: true, idempotency: .readOnly,
        callers: [.gatewayBroker, .admin],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let readOutput = MethodDescriptor(
        interface: 17, ordinal: 5, name: "ReadOutput",
        isStream: true, idempotency: .readOnly,
        callers: [.gatewayBroker, .admin],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let openSockets = MethodDescriptor(
        interface: 17, ordinal: 6, name: "OpenSockets",
        isStream: false, idempotency: .readOnly,
        callers: [.gatewayBroker],
        requestDescriptors: [],
        replyDescriptors: [.socket],
        replyRepeats: true)
    package static let forgetInstance = MethodDescriptor(
        interface: 17, ordinal: 7, name: "ForgetInstance",
        isStream: false, idempotency: .idempotent,
        callers: [.gatewayBroker, .admin],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let updateLimits = MethodDescriptor(
        interface: 17, ordinal: 8, name: "UpdateLimits",
        isStream: false, idempotency: .idempotent,
        callers: [.gatewayBroker, .admin],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let watchUsage = MethodDescriptor(
        interface: 17, ordinal: 9, name: "WatchUsage",
        isStream: true, idempotency: .readOnly,
        callers: [.gatewayBroker, .admin],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let openListeners = MethodDescriptor(
        interface: 17, ordinal: 10, name: "OpenListeners",
        isStream: false, idempotency: .readOnly,
        callers: [.gatewayBroker],
        requestDescriptors: [],
        replyDescriptors: [.socket],
        replyRepeats: true)
    package static let descriptor = InterfaceDescriptor(
        number: 17, name: "SandboxSupervisor",
        revisions: 1...1,
        methods: [
            startInstance,
            stopInstance,
            watchInstance,
            listInstances,
            readOutput,
            openSockets,
            forgetInstance,
            updateLimits,
            watchUsage,
            openListeners,
        ])
}

/// Calls `SandboxSupervisor` over a connection.
package struct SandboxSupervisorClient: Sendable {
    private let caller: any Caller

    package init(_ caller: any Caller) {
        self.caller = caller
    }

    /// Starts an instance. Answers when the acceptance is durable; WatchInstance tells the rest.
    /// Keyed by instance_id. Descriptors: the EROFS metadata image; the object directory or, as
    /// `root` says, the tree; the configuration file's content.
    package func startInstance(
        _ request: StartInstanceRequest, descriptors: Parcel, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> StartInstanceReply {
        let answer = try await caller.call(
            SandboxSupervisorInterface.startInstance, body: Body.encode(request), descriptors: descriptors, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// Stops an instance: TERM to the entrypoint, KILL to everything after the grace time. Answers
    /// when it has ended and that is durable. An instance that already ended answers how it did.
    package func stopInstance(
        _ request: StopInstanceRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> InstanceState {
        let answer = try await caller.call(
            SandboxSupervisorInterface.stopInstance, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// The state now, then each change of it, until it ended.
    package func watchInstance(
        _ request: WatchInstanceRequest, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<InstanceState> {
        let answer = try await caller.open(
            SandboxSupervisorInterface.watchInstance, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return ItemStream(answer)
    }

    /// All instances known, the ended ones included until they are forgotten, sorted by id.
    package func listInstances(
        _ request: ListInstancesRequest, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<InstanceState> {
        let answer = try await caller.open(
            SandboxSupervisorInterface.listInstances, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return ItemStream(answer)
    }

    /// What the instance wrote to its output.
    package func readOutput(
        _ request: ReadOutputRequest, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<OutputItem> {
        let answer = try await caller.open(
            SandboxSupervisorInterface.readOutput, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return ItemStream(answer)
    }

    /// Unconnected sockets made inside the instance's network namespace, for a relay to connect.
    package func openSockets(
        _ request: OpenSocketsRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> (OpenSocketsReply, Parcel) {
        let answer = try await caller.call(
            SandboxSupervisorInterface.openSockets, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return (try Body.decode(answer: answer.body), answer.descriptors)
    }

    /// Forgets an ended instance: its state and its output. Forgetting what is not known succeeds.
    package func forgetInstance(
        _ request: ForgetInstanceRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> ForgetInstanceReply {
        let answer = try await caller.call(
            SandboxSupervisorInterface.forgetInstance, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// Changes the bounds of an instance while it runs: memory, processes, CPU, block I/O and the
    /// deadline. Answers when they are durable and in force. IN_USE, with the bound's name as the
    /// subject, where it already uses more; nothing is changed then.
    package func updateLimits(
        _ request: UpdateLimitsRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> InstanceState {
        let answer = try await caller.call(
            SandboxSupervisorInterface.updateLimits, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// What instances use, again and again: at once and then once per interval. Ends with the last
    /// instance asked for; an ended one is told once, exactly.
    package func watchUsage(
        _ request: WatchUsageRequest, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<UsageItem> {
        let answer = try await caller.open(
            SandboxSupervisorInterface.watchUsage, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return ItemStream(answer)
    }

    /// Sockets bound inside the instance's network namespace to the endpoints asked for, in their
    /// order: stream sockets listen. All or none: ALREADY_EXISTS names the endpoint that is taken.
    package func openListeners(
        _ request: OpenListenersRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> (OpenListenersReply, Parcel) {
        let answer = try await caller.call(
            SandboxSupervisorInterface.openListeners, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return (try Body.decode(answer: answer.body), answer.descriptors)
    }
}

package protocol SandboxSupervisorHandler: Actor {
    /// Starts an instance. Answers when the acceptance is durable; WatchInstance tells the rest.
    /// Keyed by instance_id. Descriptors: the EROFS metadata image; the object directory or, as
    /// `root` says, the tree; the configuration file's content.
    func startInstance(
        _ request: StartInstanceRequest, descriptors: Parcel, context: CallContext
    ) async throws(Fault) -> StartInstanceReply

    /// Stops an instance: TERM to the entrypoint, KILL to everything after the grace time. Answers
    /// when it has ended and that is durable. An instance that already ended answers how it did.
    func stopInstance(
        _ request: StopInstanceRequest, context: CallContext
    ) async throws(Fault) -> InstanceState

    /// The state now, then each change of it, until it ended.
    func watchInstance(
        _ request: WatchInstanceRequest, context: CallContext, items: ItemSink<InstanceState>
    ) async throws(Fault)

    /// All instances known, the ended ones included until they are forgotten, sorted by id.
    func listInstances(
        _ request: ListInstancesRequest, context: CallContext, items: ItemSink<InstanceState>
    ) async throws(Fault)

    /// What the instance wrote to its output.
    func readOutput(
        _ request: ReadOutputRequest, context: CallContext, items: ItemSink<OutputItem>
    ) async throws(Fault)

    /// Unconnected sockets made inside the instance's network namespace, for a relay to connect.
    func openSockets(
        _ request: OpenSocketsRequest, context: CallContext
    ) async throws(Fault) -> (OpenSocketsReply, Parcel)

    /// Forgets an ended instance: its state and its output. Forgetting what is not known succeeds.
    func forgetInstance(
        _ request: ForgetInstanceRequest, context: CallContext
    ) async throws(Fault) -> ForgetInstanceReply

    /// Changes the bounds of an instance while it runs: memory, processes, CPU, block I/O and the
    /// deadline. Answers when they are durable and in force. IN_USE, with the bound's name as the
    /// subject, where it already uses more; nothing is changed then.
    func updateLimits(
        _ request: UpdateLimitsRequest, context: CallContext
    ) async throws(Fault) -> InstanceState

    /// What instances use, again and again: at once and then once per interval. Ends with the last
    /// instance asked for; an ended one is told once, exactly.
    func watchUsage(
        _ request: WatchUsageRequest, context: CallContext, items: ItemSink<UsageItem>
    ) async throws(Fault)

    /// Sockets bound inside the instance's network namespace to the endpoints asked for, in their
    /// order: stream sockets listen. All or none: ALREADY_EXISTS names the endpoint that is taken.
    func openListeners(
        _ request: OpenListenersRequest, context: CallContext
    ) async throws(Fault) -> (OpenListenersReply, Parcel)
}

/// Gives the requests of a connection to a `SandboxSupervisorHandler`.
package struct SandboxSupervisorDispatcher<Handler: SandboxSupervisorHandler>: Dispatcher {
    private let handler: Handler

    package init(_ handler: Handler) {
        self.handler = handler
    }

    package var interface: InterfaceDescriptor { SandboxSupervisorInterface.descriptor }

    package func answer(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel,
        context: CallContext, items: any RawSink
    ) async throws(Fault) -> Answer? {
        switch method.ordinal {
        case 1:
            let reply = try await handler.startInstance(Body.decode(request: body), descriptors: descriptors, context: context)
            return Answer(body: try Body.encode(reply))
        case 2:
            let reply = try await handler.stopInstance(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        case 3:
            try await handler.watchInstance(Body.decode(request: body), context: context, items: ItemSink(items))
            return nil
        case 4:
            try await handler.listInstances(Body.decode(request: body), context: context, items: ItemSink(items))
            return nil
        case 5:
            try await handler.readOutput(Body.decode(request: body), context: context, items: ItemSink(items))
            return nil
        case 6:
            let (reply, parcel) = try await handler.openSockets(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply), descriptors: parcel)
        case 7:
            let reply = try await handler.forgetInstance(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        case 8:
            let reply = try await handler.updateLimits(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        case 9:
            try await handler.watchUsage(Body.decode(request: body), context: context, items: ItemSink(items))
            return nil
        case 10:
            let (reply, parcel) = try await handler.openListeners(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply), descriptors: parcel)
        default: throw Fault(.unknownMethod, subject: method.name)
        }
    }
}

extension StartInstanceRequest {
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

extension EnvironmentVariable {
    /// `value` as an array.
    package var valueBytes: [UInt8] {
        get { [UInt8](value) }
        set { value = Data(newValue) }
    }
}

extension InstanceState {
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

extension StopInstanceRequest {
    /// `instanceID` as an array.
    package var instanceIDBytes: [UInt8] {
        get { [UInt8](instanceID) }
        set { instanceID = Data(newValue) }
    }
}

extension WatchInstanceRequest {
    /// `instanceID` as an array.
    package var instanceIDBytes: [UInt8] {
        get { [UInt8](instanceID) }
        set { instanceID = Data(newValue) }
    }
}

extension ReadOutputRequest {
    /// `instanceID` as an array.
    package var instanceIDBytes: [UInt8] {
        get { [UInt8](instanceID) }
        set { instanceID = Data(newValue) }
    }
}

extension OutputItem {
    /// `data` as an array.
    package var dataBytes: [UInt8] {
        get { [UInt8](data) }
        set { data = Data(newValue) }
    }
}

extension OpenSocketsRequest {
    /// `instanceID` as an array.
    package var instanceIDBytes: [UInt8] {
        get { [UInt8](instanceID) }
        set { instanceID = Data(newValue) }
    }
}

extension ForgetInstanceRequest {
    /// `instanceID` as an array.
    package var instanceIDBytes: [UInt8] {
        get { [UInt8](instanceID) }
        set { instanceID = Data(newValue) }
    }
}

extension UpdateLimitsRequest {
    /// `instanceID` as an array.
    package var instanceIDBytes: [UInt8] {
        get { [UInt8](instanceID) }
        set { instanceID = Data(newValue) }
    }
}

extension WatchUsageRequest {
    /// `instanceID` as an array.
    package var instanceIDBytes: [UInt8] {
        get { [UInt8](instanceID) }
        set { instanceID = Data(newValue) }
    }
}

extension UsageItem {
    /// `instanceID` as an array.
    package var instanceIDBytes: [UInt8] {
        get { [UInt8](instanceID) }
        set { instanceID = Data(newValue) }
    }
}

extension OpenListenersRequest {
    /// `instanceID` as an array.
    package var instanceIDBytes: [UInt8] {
        get { [UInt8](instanceID) }
        set { instanceID = Data(newValue) }
    }
}
