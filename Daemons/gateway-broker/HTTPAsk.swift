import Interfaces
import SwiftProtobuf

/// One request of an HTTP door, as an operation reads it: who asks is known, the rest is text.
package struct HTTPAsk: Sendable {
    package var caller: GatewayCaller
    /// Of an instance, where one was shown; a client's is the caller.
    package var token: String?
    /// The instance that token opens.
    package var opened: InstanceID?
    package var place: [String: String] = [:]
    package var query: [String: String] = [:]
    /// The header `Idempotency-Key`.
    package var key: [UInt8]?
    package var body: [UInt8] = []
    /// The body, where it is a service in a codec.
    package var package: OfferedPackage?
    package var contentType: String?
    /// The header `Upgrade`, in lower case.
    package var upgrade: [String] = []
    package var wantsEvents = false
    package var events: Items<HTTPEvent>

    package init(caller: GatewayCaller, events: Items<HTTPEvent>) {
        self.caller = caller
        self.events = events
    }

    // LIMIT: messages nest 3 deep; 8 are read.
    private static let depthMax = 8

    /// The body as a message; one that is not there is an empty one.
    func message<M: Message>(_ type: M.Type) throws(Fault) -> M {
        guard !body.isEmpty else { return M() }
        var options = JSONDecodingOptions()
        options.messageDepthLimit = Self.depthMax
        do {
            return try M(jsonUTF8Bytes: body, options: options)
        } catch {
            throw GatewayFault.malformed("body")
        }
    }

    /// The key of a change that is remembered by it: from the header, or from the body.
    func key(orBody inBody: [UInt8]) throws(Fault) -> [UInt8] {
        guard let key else {
            guard !inBody.isEmpty else { throw GatewayFault.missing("Idempotency-Key") }
            return inBody
        }
        guard inBody.isEmpty || inBody == key else { throw GatewayFault.duplicate("key") }
        return key
    }

    /// The instance the path names. With a token of an instance, that one: by its id, or "-".
    func instance() throws(Fault) -> InstanceReference {
        let name = place["instance"] ?? ""
        var reference = InstanceReference()
        guard let token, let opened else {
            guard name != "-" else { throw GatewayFault.wrongToken() }
            reference.instance = name
            return reference
        }
        guard name == "-" || name == opened.description else { throw GatewayFault.wrongToken() }
        reference.token = token
        return reference
    }

    /// A number of the query, 0 where it is not there.
    func number<N: FixedWidthInteger>(_ name: String, _ type: N.Type) throws(Fault) -> N {
        guard let text = query[name] else { return 0 }
        guard text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let value = N(text) else {
            throw Fault(.invalid, reason: .wrongType, subject: "query.\(name)")
        }
        return value
    }

    func flag(_ name: String) throws(Fault) -> Bool {
        switch query[name] {
        case nil, "false": false
        case "true": true
        default: throw Fault(.invalid, reason: .wrongType, subject: "query.\(name)")
        }
    }

    /// Sends each item of a stream as an event.
    func each<Item: Message & Sendable>(_ name: String) -> Items<Item> {
        let events = events
        return Items { item throws(Fault) in try await events.send(HTTPEvent(name, item)) }
    }
}
