// Made by protoc-gen-celaut from box_builder.proto by `deploy/generate`; not edited.
// swift-format-ignore-file

internal import FoundationEssentials
package import Syscalls
internal import Wire

/// What `BoxBuilder` is: its number, revisions and methods.
package enum BoxBuilderInterface {
    package static let importBox = MethodDescriptor(
        interface: 16, ordinal: 1, name: "ImportBox",
        isStream: true, idempotency: .idempotent,
        callers: [.admin, .gatewayBroker],
        requestDescriptors: [.readable, .readable],
        replyDescriptors: [],
        replyRepeats: false)
    package static let listBoxes = MethodDescriptor(
        interface: 16, ordinal: 2, name: "ListBoxes",
        isStream: true, idempotency: .readOnly,
        callers: [.admin, .gatewayBroker],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let inspectBox = MethodDescriptor(
        interface: 16, ordinal: 3, name: "InspectBox",
        isStream: false, idempotency: .readOnly,
        callers: [.admin, .gatewayBroker],
        requestDescriptors: [],
        replyDescriptors: [.sealed],
        replyRepeats: false)
    package static let removeBox = MethodDescriptor(
        interface: 16, ordinal: 4, name: "RemoveBox",
        isStream: false, idempotency: .idempotent,
        callers: [.admin, .gatewayBroker],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let openBox = MethodDescriptor(
        interface: 16, ordinal: 5, name: "OpenBox",
        isStream: false, idempotency: .keyed,
        callers: [.gatewayBroker, .admin],
        requestDescriptors: [],
        replyDescriptors: [.file, .directory, .sealed],
        replyRepeats: false)
    package static let releaseBox = MethodDescriptor(
        interface: 16, ordinal: 6, name: "ReleaseBox",
        isStream: false, idempotency: .idempotent,
        callers: [.gatewayBroker, .admin],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let listHolds = MethodDescriptor(
        interface: 16, ordinal: 7, name: "ListHolds",
        isStream: true, idempotency: .readOnly,
        callers: [.gatewayBroker, .admin],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let descriptor = InterfaceDescriptor(
        number: 16, name: "BoxBuilder",
        revisions: 1...1,
        methods: [
            importBox,
            listBoxes,
            inspectBox,
            removeBox,
            openBox,
            releaseBox,
            listHolds,
        ])
}

/// Calls `BoxBuilder` over a connection.
package struct BoxBuilderClient: Sendable {
    private let caller: any Caller

    package init(_ caller: any Caller) {
        self.caller = caller
    }

    /// Imports a tree and a service description as a box. Descriptors: the archive (a tar, plain or
    /// compressed, of a tree or of a container image), then the description (service.json). Items
    /// report progress and, where asked, what was normalised; the last one has the box. Idempotent by
    /// nature: equal input gives the same id.
    package func importBox(
        _ request: ImportBoxRequest, descriptors: Parcel, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<ImportBoxItem> {
        let answer = try await caller.open(
            BoxBuilderInterface.importBox, body: Body.encode(request), descriptors: descriptors, deadline: deadline)
        return ItemStream(answer)
    }

    /// All boxes, sorted by id.
    package func listBoxes(
        _ request: ListBoxesRequest, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<BoxSummary> {
        let answer = try await caller.open(
            BoxBuilderInterface.listBoxes, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return ItemStream(answer)
    }

    /// One box. The reply carries the service without its filesystem as canonical proto3 bytes.
    package func inspectBox(
        _ request: InspectBoxRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> (InspectBoxReply, Parcel) {
        let answer = try await caller.call(
            BoxBuilderInterface.inspectBox, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return (try Body.decode(answer: answer.body), answer.descriptors)
    }

    /// Removes a box and what no other box needs. IN_USE while anyone holds it.
    package func removeBox(
        _ request: RemoveBoxRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> RemoveBoxReply {
        let answer = try await caller.call(
            BoxBuilderInterface.removeBox, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// Opens a box as a mountable root and holds it, durably, against removal until ReleaseBox with
    /// the same holder. Reply descriptors: the EROFS metadata image, the object directory its
    /// redirects point into, the service without its filesystem (canonical proto3 bytes).
    package func openBox(
        _ request: OpenBoxRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> (OpenBoxReply, Parcel) {
        let answer = try await caller.call(
            BoxBuilderInterface.openBox, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return (try Body.decode(answer: answer.body), answer.descriptors)
    }

    /// Lets go of a hold. Releasing what is not held succeeds.
    package func releaseBox(
        _ request: ReleaseBoxRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> ReleaseBoxReply {
        let answer = try await caller.call(
            BoxBuilderInterface.releaseBox, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }

    /// All holds, so that a holder that restarts can release those it no longer needs.
    package func listHolds(
        _ request: ListHoldsRequest, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<Hold> {
        let answer = try await caller.open(
            BoxBuilderInterface.listHolds, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return ItemStream(answer)
    }
}

package protocol BoxBuilderHandler: Actor {
    /// Imports a tree and a service description as a box. Descriptors: the archive (a tar, plain or
    /// compressed, of a tree or of a container image), then the description (service.json). Items
    /// report progress and, where asked, what was normalised; the last one has the box. Idempotent by
    /// nature: equal input gives the same id.
    func importBox(
        _ request: ImportBoxRequest, descriptors: Parcel, context: CallContext, items: ItemSink<ImportBoxItem>
    ) async throws(Fault)

    /// All boxes, sorted by id.
    func listBoxes(
        _ request: ListBoxesRequest, context: CallContext, items: ItemSink<BoxSummary>
    ) async throws(Fault)

    /// One box. The reply carries the service without its filesystem as canonical proto3 bytes.
    func inspectBox(
        _ request: InspectBoxRequest, context: CallContext
    ) async throws(Fault) -> (InspectBoxReply, Parcel)

    /// Removes a box and what no other box needs. IN_USE while anyone holds it.
    func removeBox(
        _ request: RemoveBoxRequest, context: CallContext
    ) async throws(Fault) -> RemoveBoxReply

    /// Opens a box as a mountable root and holds it, durably, against removal until ReleaseBox with
    /// the same holder. Reply descriptors: the EROFS metadata image, the object directory its
    /// redirects point into, the service without its filesystem (canonical proto3 bytes).
    func openBox(
        _ request: OpenBoxRequest, context: CallContext
    ) async throws(Fault) -> (OpenBoxReply, Parcel)

    /// Lets go of a hold. Releasing what is not held succeeds.
    func releaseBox(
        _ request: ReleaseBoxRequest, context: CallContext
    ) async throws(Fault) -> ReleaseBoxReply

    /// All holds, so that a holder that restarts can release those it no longer needs.
    func listHolds(
        _ request: ListHoldsRequest, context: CallContext, items: ItemSink<Hold>
    ) async throws(Fault)
}

/// Gives the requests of a connection to a `BoxBuilderHandler`.
package struct BoxBuilderDispatcher<Handler: BoxBuilderHandler>: Dispatcher {
    private let handler: Handler

    package init(_ handler: Handler) {
        self.handler = handler
    }

    package var interface: InterfaceDescriptor { BoxBuilderInterface.descriptor }

    package func answer(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel,
        context: CallContext, items: any RawSink
    ) async throws(Fault) -> Answer? {
        switch method.ordinal {
        case 1:
            try await handler.importBox(Body.decode(request: body), descriptors: descriptors, context: context, items: ItemSink(items))
            return nil
        case 2:
            try await handler.listBoxes(Body.decode(request: body), context: context, items: ItemSink(items))
            return nil
        case 3:
            let (reply, parcel) = try await handler.inspectBox(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply), descriptors: parcel)
        case 4:
            let reply = try await handler.removeBox(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        case 5:
            let (reply, parcel) = try await handler.openBox(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply), descriptors: parcel)
        case 6:
            let reply = try await handler.releaseBox(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        case 7:
            try await handler.listHolds(Body.decode(request: body), context: context, items: ItemSink(items))
            return nil
        default: throw Fault(.unknownMethod, subject: method.name)
        }
    }
}

extension BoxSummary {
    /// `serviceID` as an array.
    package var serviceIDBytes: [UInt8] {
        get { [UInt8](serviceID) }
        set { serviceID = Data(newValue) }
    }
}

extension RemoveBoxReply {
    /// `serviceID` as an array.
    package var serviceIDBytes: [UInt8] {
        get { [UInt8](serviceID) }
        set { serviceID = Data(newValue) }
    }
}

extension Hold {
    /// `serviceID` as an array.
    package var serviceIDBytes: [UInt8] {
        get { [UInt8](serviceID) }
        set { serviceID = Data(newValue) }
    }
}
