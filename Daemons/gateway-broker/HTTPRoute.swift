import Interfaces

/// One method of the schema at one place of an HTTP door.
package struct HTTPRoute: Sendable {
    typealias Perform =
        @Sendable (HTTPAsk, any GatewayOperations) async throws(Fault) -> HTTPAnswer

    /// The name of the method in the schema.
    package var operation: String
    package var method: String
    /// Segments; one in braces stands for any text and is given by that name.
    package var path: [String]
    /// What may be in the query.
    package var query: [String]
    package var answer: Answer
    /// Its body is a service in a codec, read as a stream.
    package var takesPackage: Bool
    let perform: Perform

    /// What a good answer is.
    package enum Answer: Sendable, Equatable {
        case message(status: Int)
        case started
        case list
        case stream
        case bytes
        case tunnel
    }

    init(
        _ operation: String, _ method: String, _ path: String, query: [String] = [],
        answer: Answer = .message(status: 200), takesPackage: Bool = false,
        _ perform: @escaping Perform
    ) {
        self.operation = operation
        self.answer = answer
        self.takesPackage = takesPackage
        self.method = method
        self.path = path.split(separator: "/").map(String.init)
        self.query = query
        self.perform = perform
    }

    var takesMessage: Bool { method == "POST" || method == "PATCH" }

    /// Whether it makes something, which a key must name.
    var isKeyed: Bool {
        GatewayBrokerInterface.descriptor.methods.contains {
            $0.name == operation && $0.idempotency == .keyed
        }
    }

    /// What the path says where it is this one.
    private func match(_ segments: [String]) -> [String: String]? {
        guard segments.count == path.count else { return nil }
        var place: [String: String] = [:]
        for (pattern, segment) in zip(path, segments) {
            if pattern.hasPrefix("{") {
                guard !segment.isEmpty else { return nil }
                place[String(pattern.dropFirst().dropLast())] = segment
            } else if pattern != segment {
                return nil
            }
        }
        return place
    }

    /// Where a request leads.
    package enum Found: Sendable {
        case route(HTTPRoute, place: [String: String])
        /// The path is known, the method is not: those that are.
        case otherMethods([String])
        case nothing
    }

    package static func find(_ method: String, _ segments: [String]) -> Found {
        var others: [String] = []
        for route in all {
            guard let place = route.match(segments) else { continue }
            if route.method == method { return .route(route, place: place) }
            others.append(route.method)
        }
        return others.isEmpty ? .nothing : .otherMethods(others.sorted())
    }
}
