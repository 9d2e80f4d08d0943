import Interfaces
import NIOHTTP1

/// A whole request of HTTP, and how it becomes an answer. Nothing in it is believed yet.
package struct HTTPRequest: Sendable {
    package var method: String
    package var target: String
    /// Names in lower case.
    package var headers: [(String, String)]
    package var body: [UInt8]

    package init(method: String, target: String, headers: [(String, String)], body: [UInt8]) {
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
    }

    private func header(_ name: String) throws(Fault) -> String? {
        let values = headers.filter { $0.0 == name }.map(\.1)
        guard values.count < 2 else { throw GatewayFault.duplicate(name) }
        return values.first
    }

    /// What `Celaut-Deadline-Ms` says; nil also where it says nothing that can be, which `answer`
    /// refuses.
    package var deadlineMs: Int? {
        headers.first { $0.0 == "celaut-deadline-ms" }.flatMap { Int($0.1) }.flatMap {
            (1...HTTPLimits.deadlineMsMax).contains($0) ? $0 : nil
        }
    }

    static func found(_ head: HTTPRequestHead) -> HTTPRoute.Found {
        guard let target = try? HTTPTarget(head.uri) else { return .nothing }
        return HTTPRoute.find(head.method.rawValue, target.path)
    }

    /// Whether its body is to be read as a stream.
    static func takesPackage(_ head: HTTPRequestHead) -> Bool {
        guard case .route(let route, _) = found(head) else { return false }
        return route.takesPackage
    }

    package func answer(
        _ gateway: any GatewayOperations, through entrance: HTTPEntrance, events: Items<HTTPEvent>,
        package: OfferedPackage? = nil
    ) async -> HTTPAnswer {
        do throws(Fault) {
            let target = try HTTPTarget(self.target)
            if method == "GET", target.path == ["openapi.json"] {
                return .bytes(Array(OpenAPIDocument.json.utf8), type: "application/json")
            }
            switch HTTPRoute.find(method, target.path) {
            case .nothing:
                throw Fault(.unknownMethod, subject: "path")
            case .otherMethods(let others):
                let fault = Fault(.unknownMethod, subject: "method", lines: others)
                return .refusal(fault, status: 405)
            case .route(let route, let place):
                var ask = try await ask(gateway, through: entrance, events: events)
                for name in target.query.keys where !route.query.contains(name) {
                    throw Fault(
                        .invalid, reason: .unknownKey, subject: "query", lines: route.query)
                }
                ask.package = package
                ask.place = place
                ask.query = target.query
                return try await route.perform(ask, gateway)
            }
        } catch {
            return .refusal(error)
        }
    }

    /// Who asks, and what the headers say.
    private func ask(
        _ gateway: any GatewayOperations, through entrance: HTTPEntrance, events: Items<HTTPEvent>
    ) async throws(Fault) -> HTTPAsk {
        var ask = HTTPAsk(caller: .anyone, events: events)
        let token = try bearer()
        if case .inside(let id) = entrance { ask.caller = .instance(id) }
        if let token {
            // A client's token says nothing inside: there, the listener says who asks.
            if entrance == .host, let client = try? await gateway.identify(token: token) {
                ask.caller = client
            } else {
                ask.opened = try await gateway.instance(token: token)
                ask.token = token
            }
        } else if entrance == .host {
            throw GatewayFault.wrongToken()
        }
        ask.key = try header("idempotency-key").map { Array($0.utf8) }
        if let key = ask.key, !GatewayLimits.keyBytes.contains(key.count) {
            throw GatewayFault.badKey(bytes: key.count)
        }
        if let text = try header("celaut-deadline-ms"), deadlineMs == nil {
            guard Int(text) != nil else {
                throw Fault(.invalid, reason: .wrongType, subject: "Celaut-Deadline-Ms")
            }
            throw GatewayFault.outOfRange(
                "Celaut-Deadline-Ms", limit: UInt64(HTTPLimits.deadlineMsMax), actual: 0)
        }
        ask.contentType = try header("content-type").map { type in
            type.split(separator: ";").first?.lowercased() ?? ""
        }
        if !body.isEmpty, let type = ask.contentType {
            guard type == "application/json" else {
                throw GatewayFault.unsupported("Content-Type", offered: ["application/json"])
            }
        }
        ask.upgrade = headers.filter { $0.0 == "upgrade" }.map { $0.1.lowercased() }
        ask.body = body
        ask.wantsEvents = headers.contains { name, value in
            name == "accept" && value.lowercased().contains("text/event-stream")
        }
        return ask
    }

    private func bearer() throws(Fault) -> String? {
        guard let text = try header("authorization") else { return nil }
        let parts = text.split(separator: " ")
        guard parts.count == 2, parts[0].lowercased() == "bearer" else {
            throw GatewayFault.wrongToken()
        }
        return String(parts[1])
    }
}
