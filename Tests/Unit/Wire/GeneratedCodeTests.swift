// What the generator makes: clients and dispatchers that meet in the middle, and tables that say
// what the schemas say.

import Interfaces
import Syscalls
import Testing
import Wire

/// A box builder that answers with what it was asked.
private actor EchoBuilder: UnaskedBoxBuilder {
    func importBox(
        _ request: ImportBoxRequest, descriptors: Parcel, context: CallContext,
        items: ItemSink<ImportBoxItem>
    ) async throws(Fault) {
        var item = ImportBoxItem()
        for entries in 1...UInt64(3) {
            item.progress.entries = entries
            try await items.send(item)
        }
        item.box.tags = [request.tag, "\(descriptors.count)"]
        try await items.send(item)
    }

    func listBoxes(
        _ request: ListBoxesRequest, context: CallContext, items: ItemSink<BoxSummary>
    ) async throws(Fault) {
        throw Fault(.internal)
    }

    func inspectBox(
        _ request: InspectBoxRequest, context: CallContext
    ) async throws(Fault) -> (InspectBoxReply, Parcel) {
        var reply = InspectBoxReply()
        reply.holders = [request.box, "\(context.role)"]
        return (reply, Parcel())
    }

    func removeBox(
        _ request: RemoveBoxRequest, context: CallContext
    ) async throws(Fault) -> RemoveBoxReply {
        guard request.box != "large" else {
            var reply = RemoveBoxReply()
            reply.serviceIDBytes = [UInt8](repeating: 0, count: WireLimits.bodyBytesMax)
            return reply
        }
        throw Fault(.notFound, subject: request.box)
    }

    func openBox(
        _ request: OpenBoxRequest, context: CallContext
    ) async throws(Fault) -> (OpenBoxReply, Parcel) { throw Fault(.internal) }

    func releaseBox(
        _ request: ReleaseBoxRequest, context: CallContext
    ) async throws(Fault) -> ReleaseBoxReply { ReleaseBoxReply() }

    func listHolds(
        _ request: ListHoldsRequest, context: CallContext, items: ItemSink<Hold>
    ) async throws(Fault) {}
}

/// A caller without a connection: asks a dispatcher.
private struct DirectCaller: Caller {
    let dispatcher: any Dispatcher
    /// Replaces every reply, where there is one.
    var reply: [UInt8]?

    private var context: CallContext {
        CallContext(role: .admin, uid: 0, pid: 1, deadline: nil, program: "test")
    }

    func call(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel?, deadline: Duration
    ) async throws(Fault) -> Answer {
        let answer = try await dispatcher.answer(
            method, body: body, descriptors: descriptors ?? Parcel(), context: context,
            items: Items())
        guard var answer else { throw Fault(.internal) }
        if let reply { answer.body = reply }
        return answer
    }

    func open(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel?, deadline: Duration?
    ) async throws(Fault) -> any RawItems {
        let items = Items()
        let answer = try await dispatcher.answer(
            method, body: body, descriptors: descriptors ?? Parcel(), context: context,
            items: items)
        guard answer == nil else { throw Fault(.internal) }
        return items
    }
}

/// All items of a stream, kept.
private actor Items: RawSink, RawItems {
    private var bodies: [[UInt8]] = []

    func send(_ body: [UInt8]) async throws(Fault) { bodies.append(body) }
    func next() async throws(Fault) -> [UInt8]? { bodies.isEmpty ? nil : bodies.removeFirst() }
    nonisolated func cancel() {}
}

@Suite("Generated code")
struct GeneratedCodeTests {
    private let caller = DirectCaller(dispatcher: BoxBuilderDispatcher(EchoBuilder()))
    private var client: BoxBuilderClient { BoxBuilderClient(caller) }

    @Test("a reply with descriptors comes back with them")
    func reply() async throws {
        var request = InspectBoxRequest()
        request.box = "redis"
        let (reply, parcel) = try await client.inspectBox(request)
        #expect(reply.holders == ["redis", "admin"])
        #expect(parcel.count == 0)
    }

    @Test("a stream's items come in order and then end")
    func stream() async throws {
        var request = ImportBoxRequest()
        request.tag = "redis"
        let stream = try await client.importBox(request, descriptors: Parcel())
        for entries in 1...UInt64(3) {
            #expect(try await stream.next()?.progress.entries == entries)
        }
        #expect(try await stream.next()?.box.tags == ["redis", "0"])
        #expect(try await stream.next() == nil)
    }

    @Test("a handler's fault is the caller's")
    func fault() async {
        var request = RemoveBoxRequest()
        request.box = "nobody"
        await #expect(throws: Fault(.notFound, subject: "nobody")) {
            try await client.removeBox(request)
        }
    }

    @Test("a body that is not the declared message is INVALID / MALFORMED, with the message's name")
    func malformedRequest() async {
        await #expect(throws: Fault.invalid(.malformed, subject: "celaut.box.v1.RemoveBoxRequest"))
        {
            try await caller.call(
                BoxBuilderInterface.removeBox, body: [0x0A, 0xFF], descriptors: nil,
                deadline: .seconds(1))
        }
    }

    @Test("a reply that is not the declared message is a failure of the listener's")
    func malformedReply() async {
        var caller = caller
        caller.reply = [0x0A, 0xFF]
        let client = BoxBuilderClient(caller)
        await #expect(
            throws: Fault(
                .internal, reason: .malformed, subject: "celaut.box.v1.ReleaseBoxReply")
        ) {
            try await client.releaseBox(ReleaseBoxRequest())
        }
    }

    @Test("messages that do not fit a body are TOO_LARGE on both sides")
    func tooLarge() async {
        let limit = UInt64(WireLimits.bodyBytesMax)
        var request = RemoveBoxRequest()
        request.box = String(repeating: "b", count: WireLimits.bodyBytesMax)
        await #expect(throws: Fault.tooLarge(subject: "body", limit: limit, actual: limit + 4)) {
            try await client.removeBox(request)
        }
        request.box = "large"
        await #expect(throws: Fault.tooLarge(subject: "body", limit: limit, actual: limit + 4)) {
            try await client.removeBox(request)
        }
    }

    @Test("an ordinal is found where it is, and nowhere else", arguments: Catalogue.interfaces)
    func ordinals(interface: InterfaceDescriptor) {
        for method in interface.methods {
            #expect(interface.method(method.ordinal) === method)
            #expect(method.interface == interface.number)
        }
        let known = Set(interface.methods.map(\.ordinal))
        for ordinal in [0, 100, UInt16.max] where !known.contains(ordinal) {
            #expect(interface.method(ordinal) == nil)
        }
    }

    @Test("an ordinal is found behind retired ones")
    func ordinalsWithGaps() {
        func method(_ ordinal: UInt16) -> MethodDescriptor {
            MethodDescriptor(
                interface: 9, ordinal: ordinal, name: "m", isStream: false, idempotency: .readOnly,
                callers: [.admin])
        }
        let kept: [UInt16] = [2, 3, 7, 300]
        let interface = InterfaceDescriptor(
            number: 9, name: "Gaps", revisions: 1...1, methods: kept.map(method))
        for ordinal in UInt16(0)...310 {
            #expect((interface.method(ordinal)?.ordinal == ordinal) == kept.contains(ordinal))
        }
    }

    @Test("every method may be called by somebody, and says what repeating it does")
    func contracts() {
        for method in Catalogue.interfaces.flatMap(\.methods) {
            #expect(!method.callers.isEmpty, "\(method.name)")
            #expect(method.idempotency.mayRepeat, "\(method.name)")
        }
    }

    @Test("a role is found by its name, and the numbers are those of the schema")
    func roles() {
        for role in Role.allCases {
            #expect(Role(name: role.name) == role)
            #expect(WireRole(rawValue: Int(role.rawValue)).map { "\($0)" } == "\(role)")
        }
        #expect(Role.allCases.count == WireRole.allCases.count - 1)
        #expect(Role(name: "root") == nil)
    }
}
