package import Interfaces
package import SwiftProtobuf
package import Syscalls

/// What an HTTP door answers, before it is bytes.
package enum HTTPAnswer: Sendable {
    /// A message in protobuf's JSON mapping.
    case json(status: Int, [UInt8])
    case bytes([UInt8], type: String)
    /// The items were sent as they came; what is left is the end.
    case streamed
    /// The connection becomes one to a slot: a socket.
    case tunnel(Parcel)

    package static func message(
        _ message: some Message, status: Int = 200
    ) throws(Fault) -> HTTPAnswer {
        .json(status: status, try json(message))
    }

    package static func json(_ message: some Message) throws(Fault) -> [UInt8] {
        do {
            return try message.jsonUTF8Bytes()
        } catch {
            throw GatewayFault.internalError("json")
        }
    }

    /// The status of a condition. Its code and reason are in the body, the same words as everywhere.
    package static func status(_ fault: Fault) -> Int {
        switch fault.code {
        case .invalid: fault.reason == .keyReused ? 409 : 400
        case .notFound: 404
        case .unknownMethod: 404
        case .alreadyExists, .inUse, .cancelled: 409
        case .forbidden: 403
        case .unauthorized: 401
        case .unsupported, .endedEarly, .slotClosed: 422
        case .tooLarge: 413
        case .limitReached: 429
        // Not 504: nothing failed. The caller set the bound.
        case .deadlineExceeded: 408
        case .unavailable: 503
        case .storageFull: 507
        case .corrupt, .internal, .unspecified, .UNRECOGNIZED: 500
        }
    }

    package static func refusal(_ fault: Fault) -> HTTPAnswer {
        refusal(fault, status: status(fault))
    }

    package static func refusal(_ fault: Fault, status: Int) -> HTTPAnswer {
        do throws(Fault) {
            return .json(status: status, try json(fault.message))
        } catch {
            return .json(status: 500, Array(#"{"code":"FAULT_CODE_INTERNAL"}"#.utf8))
        }
    }
}

/// One item of a stream.
package struct HTTPEvent: Sendable {
    package var name: String
    package var json: [UInt8]

    package init(_ name: String, _ message: some Message) throws(Fault) {
        self.name = name
        json = try HTTPAnswer.json(message)
    }

    /// As server-sent events have it (WHATWG HTML, 9.2): JSON has no line breaks of its own.
    package var bytes: [UInt8] {
        Array("event: \(name)\ndata: ".utf8) + json + Array("\n\n".utf8)
    }
}
