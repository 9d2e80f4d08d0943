// What an OpenAPI document needs of one service: the JSON Schemas (2020-12, as OpenAPI 3.1 has them) of
// the messages its methods take and give in protobuf's JSON mapping, and the methods' own words.

internal import SwiftProtobuf
internal import SwiftProtobufPluginLibrary

/// Writes the schemas of one service, all messages they refer to included.
struct JSONSchemas {
    /// The service with an HTTP door.
    static let service = "GatewayBroker"

    private let service: ServiceDescriptor

    init?(_ files: [FileDescriptor]) {
        guard let service = files.flatMap(\.services).first(where: { $0.name == Self.service })
        else { return nil }
        self.service = service
    }

    func source() throws -> String {
        var printer = CodePrinter(indent: "    ".unicodeScalars, addNewlines: true)
        printer.print(
            "// Made by protoc-gen-celaut from the schemas by `deploy/generate`; not edited.",
            "// swift-format-ignore-file", "",
            "/// The messages and methods of `\(service.name)`, for a description of its HTTP doors.",
            "package enum \(service.name)Schemas {",
            "    /// The messages of one method, and what it says of itself.",
            "    package struct Method: Sendable {",
            "        package let name: String",
            "        package let request: String",
            "        package let answer: String",
            "        package let isStream: Bool",
            "        package let comment: String",
            "    }",
            "",
            "    package static let methods = [")
        for method in service.methods {
            printer.print(
                "        Method(",
                "            name: \(quoted(method.name)), request: \(quoted(method.inputType.name)),",
                "            answer: \(quoted(method.outputType.name)),",
                "            isStream: \(method.serverStreaming),",
                "            comment: #\(quoted(comment(method.protoSourceComments())))#),")
        }
        printer.print("    ]", "", "    /// The schemas of all messages and enumerations, by name.")
        printer.print("    package static let schemas = #\"\"\"")
        let all = try collect().sorted { $0.key < $1.key }
        for (index, (name, schema)) in all.enumerated() {
            let comma = index + 1 < all.count ? "," : ""
            printer.print("        \(quoted(name)):\(schema)\(comma)")
        }
        printer.print("        \"\"\"#", "}")
        return printer.content
    }

    // MARK: Messages

    /// The schemas of whatever the methods refer to.
    private func collect() throws -> [String: String] {
        var schemas: [String: String] = [:]
        var left: [Descriptor] = service.methods.flatMap { [$0.inputType, $0.outputType] }
        // What every refusal is.
        if let fault = wire?.messages.first(where: { $0.name == "Fault" }) { left.append(fault) }
        while let message = left.popLast() {
            guard schemas[message.name] == nil else { continue }
            schemas[message.name] = schema(message)
            for field in message.fields {
                if let type = field.messageType { left.append(type) }
                if let type = field.enumType { schemas[type.name] = schema(type) }
            }
        }
        return schemas
    }

    private var wire: FileDescriptor? {
        service.file?.dependencies.first { $0.name.hasSuffix("wire.proto") }
    }

    private func schema(_ message: Descriptor) -> String {
        let fields = message.fields.map { field in
            "\(quoted(jsonName(field))):\(schema(field))"
        }
        return object([
            ("type", quoted("object")),
            ("description", quoted(comment(message.protoSourceComments()))),
            ("properties", "{\(fields.joined(separator: ","))}"),
            ("additionalProperties", "false"),
        ])
    }

    private func schema(_ type: EnumDescriptor) -> String {
        let names = type.values.map { quoted($0.name) }
        return object([
            ("type", quoted("string")),
            ("description", quoted(comment(type.protoSourceComments()))),
            ("enum", "[\(names.joined(separator: ","))]"),
        ])
    }

    private func schema(_ field: FieldDescriptor) -> String {
        var parts = element(field)
        if field.isRepeated { parts = [("type", quoted("array")), ("items", object(parts))] }
        let comment = comment(field.protoSourceComments())
        if !comment.isEmpty { parts.append(("description", quoted(comment))) }
        return object(parts)
    }

    /// A value of the field, as https://protobuf.dev/programming-guides/json has it.
    private func element(_ field: FieldDescriptor) -> [(String, String)] {
        switch field.type {
        case .bool: [("type", quoted("boolean"))]
        case .bytes:
            [("type", quoted("string")), ("contentEncoding", quoted("base64"))]
        case .uint32, .fixed32:
            [("type", quoted("integer")), ("minimum", "0"), ("maximum", "4294967295")]
        case .int32, .sint32, .sfixed32:
            [
                ("type", quoted("integer")), ("minimum", "-2147483648"),
                ("maximum", "2147483647"),
            ]
        // As text: not every reader of JSON keeps 64 bits.
        case .uint64, .fixed64:
            [("type", quoted("string")), ("pattern", quoted("^(0|[1-9][0-9]{0,18})$"))]
        case .int64, .sint64, .sfixed64:
            [("type", quoted("string")), ("pattern", quoted("^-?(0|[1-9][0-9]{0,17})$"))]
        case .double, .float: [("type", quoted("number"))]
        case .enum: [("$ref", reference(field.enumType?.name ?? ""))]
        case .message, .group: [("$ref", reference(field.messageType?.name ?? ""))]
        default: [("type", quoted("string"))]
        }
    }

    private func reference(_ name: String) -> String {
        quoted("#/components/schemas/\(name)")
    }

    private func jsonName(_ field: FieldDescriptor) -> String {
        field.jsonName ?? field.name
    }

    // MARK: Text

    /// A comment of the schema as one line.
    private func comment(_ text: String) -> String {
        text.split(separator: "\n").map { line in
            var words = line[...]
            while let first = words.first, first == "/" || first == " " { words.removeFirst() }
            return String(words)
        }.filter { !$0.isEmpty }.joined(separator: " ")
    }

    private func object(_ members: [(String, String)]) -> String {
        "{" + members.map { "\(quoted($0.0)):\($0.1)" }.joined(separator: ",") + "}"
    }

    private func quoted(_ text: String) -> String {
        var escaped = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": escaped += "\\\""
            case "\\": escaped += "\\\\"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped + "\""
    }
}
