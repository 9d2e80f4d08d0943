// The services and methods of a schema with their contracts, checked.

internal import SwiftProtobuf
internal import SwiftProtobufPluginLibrary

/// A service with its number, revisions and methods.
struct Service {
    let name: String
    let comment: String
    let number: UInt16
    let revisions: ClosedRange<UInt16>
    let methods: [Method]

    init(_ service: ServiceDescriptor, _ namer: SwiftProtobufNamer) throws {
        name = service.name
        comment = service.protoSourceComments()
        guard service.options.hasWireinterface else {
            throw ContractError(service.fullName, "no (celaut.wire.v1.interface)")
        }
        let contract = service.options.Wireinterface
        guard let number = UInt16(exactly: contract.number), number > 0,
            let revision = UInt16(exactly: contract.revision), revision > 0,
            let oldest = UInt16(exactly: contract.revisionMin), oldest > 0, oldest <= revision
        else {
            throw ContractError(
                service.fullName, "number, revision and revision_min are 1 to 65,535 in order")
        }
        self.number = number
        revisions = oldest...revision
        methods = try service.methods.map { try Method($0, namer) }
            .sorted { $0.ordinal < $1.ordinal }
        for (one, next) in zip(methods, methods.dropFirst()) where one.ordinal == next.ordinal {
            throw ContractError(
                service.fullName, "\(one.name) and \(next.name) have the ordinal \(one.ordinal)")
        }
    }

    /// The enum with the tables: "BoxBuilderInterface".
    var table: String { "\(name)Interface" }
}

/// A method with its contract.
struct Method {
    let name: String
    let comment: String
    let ordinal: UInt16
    let isStream: Bool
    let input: String
    let output: String
    let idempotency: WireIdempotency
    let callers: [WireRole]
    let requestDescriptors: [WireDescriptorKind]
    let replyDescriptors: [WireDescriptorKind]
    let replyRepeats: Bool

    init(_ method: MethodDescriptor, _ namer: SwiftProtobufNamer) throws {
        let contract = method.options.Wiremethod
        func refuse(_ problem: String) -> ContractError { ContractError(method.fullName, problem) }
        guard method.options.hasWiremethod else {
            throw refuse("no (celaut.wire.v1.method)")
        }
        guard let ordinal = UInt16(exactly: contract.ordinal), ordinal > 0 else {
            throw refuse("the ordinal is 1 to 65,535")
        }
        guard !contract.callers.isEmpty, contract.callers.allSatisfy(\.isKnown) else {
            throw refuse("callers must name at least one role")
        }
        guard contract.idempotency.isKnown else {
            throw refuse("idempotency must be said")
        }
        let kinds = contract.requestDescriptors + contract.replyDescriptors
        guard kinds.allSatisfy(\.isKnown) else { throw refuse("an unknown descriptor kind") }
        guard max(contract.requestDescriptors.count, contract.replyDescriptors.count) <= 16 else {
            throw refuse("more than 16 descriptors")
        }
        guard !method.clientStreaming else { throw refuse("requests are not streams") }
        guard !method.serverStreaming || contract.replyDescriptors.isEmpty else {
            throw refuse("a stream's items carry no descriptors")
        }
        guard !contract.replyRepeats || !contract.replyDescriptors.isEmpty else {
            throw refuse("reply_repeats without reply_descriptors")
        }
        name = method.name
        comment = method.protoSourceComments()
        self.ordinal = ordinal
        isStream = method.serverStreaming
        input = namer.fullName(message: method.inputType)
        output = namer.fullName(message: method.outputType)
        idempotency = contract.idempotency
        callers = contract.callers
        requestDescriptors = contract.requestDescriptors
        replyDescriptors = contract.replyDescriptors
        replyRepeats = contract.replyRepeats
    }

    /// The Swift function: "importBox".
    var function: String { NamingUtils.toLowerCamelCase(name) }
    var takesDescriptors: Bool { !requestDescriptors.isEmpty }
    var givesDescriptors: Bool { !replyDescriptors.isEmpty }
}

extension SwiftProtobuf.Enum where Self: CaseIterable {
    /// Neither the unspecified value nor one this build does not know.
    var isKnown: Bool { rawValue != 0 && Self.allCases.contains { $0.rawValue == rawValue } }
}
