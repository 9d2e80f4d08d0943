// Made by protoc-gen-celaut from admin.proto by `deploy/generate`; not edited.
// swift-format-ignore-file

package import Syscalls
internal import Wire

/// What `Admin` is: its number, revisions and methods.
package enum AdminInterface {
    package static let getStatus = MethodDescriptor(
        interface: 1, ordinal: 1, name: "GetStatus",
        isStream: false, idempotency: .readOnly,
        callers: [.admin, .client],
        requestDescriptors: [],
        replyDescriptors: [],
        replyRepeats: false)
    package static let descriptor = InterfaceDescriptor(
        number: 1, name: "Admin",
        revisions: 1...1,
        methods: [
            getStatus,
        ])
}

/// Calls `Admin` over a connection.
package struct AdminClient: Sendable {
    private let caller: any Caller

    package init(_ caller: any Caller) {
        self.caller = caller
    }

    /// How the daemon is.
    package func getStatus(
        _ request: GetStatusRequest, deadline: Duration = WireLimits.deadlineDefault
    ) async throws(Fault) -> GetStatusReply {
        let answer = try await caller.call(
            AdminInterface.getStatus, body: Body.encode(request), descriptors: nil, deadline: deadline)
        return try Body.decode(answer: answer.body)
    }
}

package protocol AdminHandler: Actor {
    /// How the daemon is.
    func getStatus(
        _ request: GetStatusRequest, context: CallContext
    ) async throws(Fault) -> GetStatusReply
}

/// Gives the requests of a connection to a `AdminHandler`.
package struct AdminDispatcher<Handler: AdminHandler>: Dispatcher {
    private let handler: Handler

    package init(_ handler: Handler) {
        self.handler = handler
    }

    package var interface: InterfaceDescriptor { AdminInterface.descriptor }

    package func answer(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel,
        context: CallContext, items: any RawSink
    ) async throws(Fault) -> Answer? {
        switch method.ordinal {
        case 1:
            let reply = try await handler.getStatus(Body.decode(request: body), context: context)
            return Answer(body: try Body.encode(reply))
        default: throw Fault(.unknownMethod, subject: method.name)
        }
    }
}
