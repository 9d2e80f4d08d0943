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
    package static let importPackage = MethodDescriptor(
        interface: 16, ordinal: 8, name: "ImportPackage",
        isStream: true, idempotency: .idempotent,
        callers: [.admin, .gatewayBroker],
        requestDescriptors: [.readable],
        replyDescriptors: [],
        replyRepeats: false)
    package static let exportBox = MethodDescriptor(
        interface: 16, ordinal: 9, name: "ExportBox",
        isStream: true, idempotency: .readOnly,
        callers: [.admin, .gatewayBroker],
        requestDescriptors: [.writable, .sealed],
        replyDescriptors: [],
        replyRepeats: false)
    package static let missingContents = MethodDescriptor(
        interface: 16, ordinal: 10, name: "MissingContents",
        isStream: false, idempotency: .readOnly,
        callers: [.admin, .gatewayBroker],
        requestDescriptors: [.sealed],
        replyDescriptors: [.sealed],
        replyRepeats: false)
    package static let verifyStore = MethodDescriptor(
        interface: 16, ordinal: 11, name: "VerifyStore",
        isStream: true, idempotency: .readOnly,
        callers: [.admin],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let compareBoxes = MethodDescriptor(
        interface: 16, ordinal: 12, name: "CompareBoxes",
        isStream: true, idempotency: .readOnly,
        callers: [.admin],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let listContents = MethodDescriptor(
        interface: 16, ordinal: 13, name: "ListContents",
        isStream: false, idempotency: .readOnly,
        callers: [.admin, .gatewayBroker],
        requestDescriptors: [],
        replyDescriptors: [.sealed],
        replyRepeats: false)
    package static let importTree = MethodDescriptor(
        interface: 16, ordinal: 14, name: "ImportTree",
        isStream: true, idempotency: .idempotent,
        callers: [.admin, .gatewayBroker],
        requestDescriptors: [.readable, .readable, .readable],
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
            importPackage,
            exportBox,
            missingContents,
            verifyStore,
            compareBoxes,
            listContents,
            importTree,
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
    /// the same holder. Reply descriptors: the EROFS metadata image; the object directory its
    /// redirects point into or, as `root` says, the directory that is the tree itself; the service
    /// without its filesystem (canonical proto3 bytes).
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

    /// Imports a box that somebody exported. Descriptor: its bytes, in any codec. The id is computed over
    /// what arrives, and the box is there only when it is whole and has the expected one. Items report
    /// progress; the last one has the box.
    package func importPackage(
        _ request: ImportPackageRequest, descriptors: Parcel, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<ImportBoxItem> {
        let answer = try await caller.open(
            BoxBuilderInterface.importPackage, body: Body.encode(request), descriptors: descriptors, deadline: deadline)
        return ItemStream(answer)
    }

    /// Writes a box in a codec. Descriptors: where to; the contents that the receiver has already, as the
    /// list MissingContents takes (without any: an empty one). Items report progress; the last one is the
    /// sum, sent when all is written. Who reads has the whole only with it.
    package func exportBox(
        _ request: ExportBoxRequest, descriptors: Parcel, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<ExportBoxItem> {
        let answer = try await caller.open(
            BoxBuilderInterface.exportBox, body: Body.encode(request), descriptors: descriptors, deadline: deadline)
        return ItemStream(answer)
    }

    /// Which of some contents are not here, so that only those are sent. Descriptor: their digests, 32
    /// bytes each, one behind the other. Reply descriptor: those that are missing, in the same form and
    /// order.
    package func missingContents(
        _ request: MissingContentsRequest, descriptors: Parcel, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> (MissingContentsReply, Parcel) {
        let answer = try await caller.call(
            BoxBuilderInterface.missingContents, body: Body.encode(request), descriptors: descriptors, deadline: deadline)
        return (try Body.decode(answer: answer.body), answer.descriptors)
    }

    /// Reads again all that is stored, or what one box needs, and compares it with what it must be.
    /// Items: how far it is, and each thing that is wrong; the last one is the sum. Changes nothing.
    package func verifyStore(
        _ request: VerifyStoreRequest, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<VerifyStoreItem> {
        let answer = try await caller.open(
            BoxBuilderInterface.verifyStore, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return ItemStream(answer)
    }

    /// In what two boxes differ: entries of their trees by path, then fields of their specifications.
    /// No item: they are the same box.
    package func compareBoxes(
        _ request: CompareBoxesRequest, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<BoxDifference> {
        let answer = try await caller.open(
            BoxBuilderInterface.compareBoxes, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return ItemStream(answer)
    }

    /// The contents of a box, each once, for MissingContents. Reply descriptor: SHA-256 digests, 32 bytes
    /// each, one behind the other.
    package func listContents(
        _ request: ListContentsRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> (ListContentsReply, Parcel) {
        let answer = try await caller.call(
            BoxBuilderInterface.listContents, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return (try Body.decode(answer: answer.body), answer.descriptors)
    }

    /// ImportBox of an archive that is made while it is sent, by a sender that can tell the tree before.
    /// Descriptors: the archive, behind which stands the end word: the 16 bytes "celaut: complete", then
    /// nothing (without it the archive's maker failed or died, TRUNCATED); the description; what will be
    /// in the archive (box_told.proto), a hint with which the id is computed while the archive comes: it
    /// is compared with what came, and whatever it says, or does not, the box is that of the archive.
    package func importTree(
        _ request: ImportBoxRequest, descriptors: Parcel, deadline: Duration? = nil
    ) async throws(Fault) -> ItemStream<ImportBoxItem> {
        let answer = try await caller.open(
            BoxBuilderInterface.importTree, body: Body.encode(request), descriptors: descriptors, deadline: deadline)
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
    /// the same holder. Reply descriptors: the EROFS metadata image; the object directory its
    /// redirects point into or, as `root` says, the directory that is the tree itself; the service
    /// without its filesystem (canonical proto3 bytes).
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

    /// Imports a box that somebody exported. Descriptor: its bytes, in any codec. The id is computed over
    /// what arrives, and the box is there only when it is whole and has the expected one. Items report
    /// progress; the last one has the box.
    func importPackage(
        _ request: ImportPackageRequest, descriptors: Parcel, context: CallContext, items: ItemSink<ImportBoxItem>
    ) async throws(Fault)

    /// Writes a box in a codec. Descriptors: where to; the contents that the receiver has already, as the
    /// list MissingContents takes (without any: an empty one). Items report progress; the last one is the
    /// sum, sent when all is written. Who reads has the whole only with it.
    func exportBox(
        _ request: ExportBoxRequest, descriptors: Parcel, context: CallContext, items: ItemSink<ExportBoxItem>
    ) async throws(Fault)

    /// Which of some contents are not here, so that only those are sent. Descriptor: their digests, 32
    /// bytes each, one behind the other. Reply descriptor: those that are missing, in the same form and
    /// order.
    func missingContents(
        _ request: MissingContentsRequest, descriptors: Parcel, context: CallContext
    ) async throws(Fault) -> (MissingContentsReply, Parcel)

    /// Reads again all that is stored, or what one box needs, and compares it with what it must be.
    /// Items: how far it is, and each thing that is wrong; the last one is the sum. Changes nothing.
    func verifyStore(
        _ request: VerifyStoreRequest, context: CallContext, items: ItemSink<VerifyStoreItem>
    ) async throws(Fault)

    /// In what two boxes differ: entries of their trees by path, then fields of their specifications.
    /// No item: they are the same box.
    func compareBoxes(
        _ request: CompareBoxesRequest, context: CallContext, items: ItemSink<BoxDifference>
    ) async throws(Fault)

    /// The contents of a box, each once, for MissingContents. Reply descriptor: SHA-256 digests, 32 bytes
    /// each, one behind the other.
    func listContents(
        _ request: ListContentsRequest, context: CallContext
    ) async throws(Fault) -> (ListContentsReply, Parcel)

    /// ImportBox of an archive that is made while it is sent, by a sender that can tell the tree before.
    /// Descriptors: the archive, behind which stands the end word: the 16 bytes "celaut: complete", then
    /// nothing (without it the archive's maker failed or died, TRUNCATED); the description; what will be
    /// in the archive (box_told.proto), a hint with which the id is computed while the archive comes: it
    /// is compared with what came, and whatever it says, or does not, the box is that of the archive.
    func importTree(
        _ request: ImportBoxRequest, descriptors: Parcel, context: CallContext, items: ItemSink<ImportBoxItem>
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
        case 8:
            try await handler.importPackage(Body.decode(request: body), descriptors: descriptors, context: context, items: ItemSink(items))
            return nil
        case 9:
            try await handler.exportBox(Body.decode(request: body), descriptors: descriptors, context: context, items: ItemSink(items))
            return nil
        case 10:
            let (reply, parcel) = try await handler.missingContents(Body.decode(request: body), descriptors: descriptors, context: context)
            return Answer(body: try Body.encode(reply), descriptors: parcel)
        case 11:
            try await handler.verifyStore(Body.decode(request: body), context: context, items: ItemSink(items))
            return nil
        case 12:
            try await handler.compareBoxes(Body.decode(request: body), context: context, items: ItemSink(items))
            return nil
        case 13:
            let (reply, parcel) = try await handler.listContents(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply), descriptors: parcel)
        case 14:
            try await handler.importTree(Body.decode(request: body), descriptors: descriptors, context: context, items: ItemSink(items))
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

extension FindingPlace {
    /// `serviceID` as an array.
    package var serviceIDBytes: [UInt8] {
        get { [UInt8](serviceID) }
        set { serviceID = Data(newValue) }
    }
}

extension ImportPackageRequest {
    /// `expectedID` as an array.
    package var expectedIDBytes: [UInt8] {
        get { [UInt8](expectedID) }
        set { expectedID = Data(newValue) }
    }
}

extension ExportSummary {
    /// `serviceID` as an array.
    package var serviceIDBytes: [UInt8] {
        get { [UInt8](serviceID) }
        set { serviceID = Data(newValue) }
    }
}

extension ListContentsReply {
    /// `serviceID` as an array.
    package var serviceIDBytes: [UInt8] {
        get { [UInt8](serviceID) }
        set { serviceID = Data(newValue) }
    }
}
