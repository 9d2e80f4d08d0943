import Interfaces

/// The description of the HTTP doors (OpenAPI 3.1): the paths are those of the routes, the messages and
/// the words are those of the schema, so that it says what is.
package enum OpenAPIDocument {
    package static let json: String = {
        var paths: [String: [String]] = [:]
        for route in HTTPRoute.all {
            let path = "/" + route.path.joined(separator: "/")
            paths[path, default: []].append(
                "\(quoted(route.method.lowercased())):\(operation(route))")
        }
        let shown = paths.sorted { $0.key < $1.key }.map {
            "\(quoted($0.key)):{\($0.value.joined(separator: ","))}"
        }
        let own = #"""
            "openapi":"3.1.0","info":{"title":"Celaut gateway","version":"1",
            "description":"What a node does for services and clients. Messages are in protobuf's JSON mapping."},
            "security":[{"token":[]}]
            """#
        let parts = #"""
            "securitySchemes":{"token":{"type":"http","scheme":"bearer",
            "description":"A client's token, or one of an instance. Inside an instance none is needed."}}
            """#
        let lists = #"""
            "InstanceList":{"type":"object","required":["instances"],"additionalProperties":false,
            "properties":{"instances":{"type":"array","items":{"$ref":"#/components/schemas/ServiceInstance"}}}}
            """#
        return "{\(own),\"paths\":{\(shown.joined(separator: ","))},"
            + "\"components\":{\(parts),\"schemas\":{\(lists),\(GatewayBrokerSchemas.schemas)}}}"
    }()

    private static func operation(_ route: HTTPRoute) -> String {
        let method = GatewayBrokerSchemas.methods.first { $0.name == route.operation }
        var parts = ["\"operationId\":\(quoted(route.operation))"]
        parts.append("\"description\":\(quoted(method?.comment ?? ""))")
        parts.append("\"parameters\":[\(parameters(route).joined(separator: ","))]")
        if route.takesMessage, let request = method?.request {
            parts.append(
                "\"requestBody\":{\"content\":{\"application/json\":{\"schema\":\(reference(request))}}}"
            )
        }
        if route.takesPackage {
            let types = PackageCodec.contentTypes.map { type in "\(quoted(type)):{}" }
            parts.append(
                "\"requestBody\":{\"required\":true,\"content\":{\(types.joined(separator: ","))}}")
        }
        parts.append("\"responses\":{\(responses(route, method).joined(separator: ","))}")
        return "{\(parts.joined(separator: ","))}"
    }

    private static func parameters(_ route: HTTPRoute) -> [String] {
        var found: [String] = []
        for segment in route.path where segment.hasPrefix("{") {
            let name = String(segment.dropFirst().dropLast())
            found.append(parameter(name, "path", schema: schema(of: name), isRequired: true))
        }
        for name in route.query {
            found.append(parameter(name, "query", schema: schema(of: name), isRequired: false))
        }
        if route.isKeyed {
            found.append(
                parameter(
                    "Idempotency-Key", "header",
                    schema: #"{"type":"string","pattern":"^[0-9A-Za-z_-]{16,64}$"}"#,
                    isRequired: true))
        }
        found.append(
            parameter(
                "Celaut-Deadline-Ms", "header",
                schema: #"{"type":"integer","minimum":1,"maximum":3600000}"#, isRequired: false))
        return found
    }

    /// What text the values in paths and queries are, by their name, which means the same everywhere.
    private static func schema(of name: String) -> String {
        switch name {
        case "instance", "service":
            #"{"type":"string","minLength":1,"maxLength":128,"pattern":"^[0-9A-Za-z._:-]+$"}"#
        case "codec":
            "{\"type\":\"string\",\"enum\":[\(PackageCodec.names.map(quoted).joined(separator: ","))]}"
        case "slot": #"{"type":"integer","minimum":1,"maximum":65535}"#
        case "interval_ms": #"{"type":"integer","minimum":100,"maximum":3600000}"#
        case "grace_ms": #"{"type":"integer","minimum":0,"maximum":600000}"#
        case "tail_lines": #"{"type":"integer","minimum":0,"maximum":4294967295}"#
        case "memory_bytes": #"{"type":"integer","minimum":0,"maximum":9007199254740991}"#
        default: #"{"type":"boolean"}"#
        }
    }

    private static func parameter(
        _ name: String, _ place: String, schema: String, isRequired: Bool
    ) -> String {
        "{\"name\":\(quoted(name)),\"in\":\(quoted(place)),\"required\":\(isRequired),"
            + "\"schema\":\(schema)}"
    }

    private static func responses(
        _ route: HTTPRoute, _ method: GatewayBrokerSchemas.Method?
    ) -> [String] {
        let answer = reference(method?.answer ?? "Fault")
        let good: String =
            switch route.answer {
            case .message(let status):
                response(status, "The answer.", "application/json", answer)
            case .started:
                response(
                    201, "Started; as a stream where events are accepted.", "application/json",
                    reference("StartedService"))
            case .list:
                response(
                    200, "All that are the caller's.", "application/json",
                    reference("InstanceList"))
            case .stream:
                response(
                    200, "Events named item, each with a message; one named fault ends it early.",
                    "text/event-stream", #"{"type":"string"}"#)
            case .bytes:
                response(200, "The bytes.", "application/octet-stream", #"{"type":"string"}"#)
            case .tunnel:
                "\"101\":{\"description\":\"HTTP/1.1 only. After Upgrade: celaut-tunnel the connection is one to "
                    + "the slot (TCP). After Upgrade: celaut-tunnel-datagrams it has datagrams to and from "
                    + "the slot (UDP), each behind its length: two bytes, the higher first.\"}"
            }
        let fault = reference("Fault")
        return [
            good, response(401, "No token, or one that opens nothing.", "application/json", fault),
            "\"4XX\":" + content("A refusal.", "application/json", fault),
            "\"5XX\":" + content("A failure of the node.", "application/json", fault),
        ]
    }

    private static func response(
        _ status: Int, _ description: String, _ type: String, _ schema: String
    ) -> String {
        "\"\(status)\":" + content(description, type, schema)
    }

    private static func content(_ description: String, _ type: String, _ schema: String) -> String {
        "{\"description\":\(quoted(description)),\"content\":{\(quoted(type)):{\"schema\":\(schema)}}}"
    }

    private static func reference(_ name: String) -> String {
        "{\"$ref\":\(quoted("#/components/schemas/\(name)"))}"
    }

    /// Our own words, which have nothing to escape, and the schema's, which are escaped.
    private static func quoted(_ text: String) -> String { "\"\(text)\"" }
}
