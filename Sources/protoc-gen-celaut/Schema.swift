// One schema file and the Swift source made of it.

internal import SwiftProtobuf
internal import SwiftProtobufPluginLibrary

/// A schema: its services, its messages, and those of their fields that hold bytes.
struct Schema {
    /// The file's name without folders and ending: "box_builder".
    let baseName: String
    let services: [Service]
    let messages: [Message]

    /// A message and its byte fields, by the names they have in Swift.
    struct Message {
        let name: String
        let byteFields: [String]
    }

    init(_ file: FileDescriptor) throws {
        let namer = SwiftProtobufNamer()
        let name = file.name.split(separator: "/").last.map(String.init) ?? file.name
        baseName = name.hasSuffix(".proto") ? String(name.dropLast(6)) : name
        services = try file.services.map { try Service($0, namer) }
        messages = try file.messages.map { message in
            guard message.messages.isEmpty else {
                throw ContractError(message.fullName, "messages inside messages are not used")
            }
            return Message(
                name: namer.fullName(message: message),
                byteFields: message.fields
                    .filter { $0.type == .bytes && !$0.isRepeated && !$0.isExtension }
                    .map {
                        namer.messagePropertyNames(
                            field: $0, prefixed: "", includeHasAndClear: false
                        ).name
                    })
        }
    }

    /// nil for a schema that needs nothing beside its messages.
    func source() -> String? {
        let byteMessages = messages.filter { !$0.byteFields.isEmpty }
        guard !services.isEmpty || !byteMessages.isEmpty else { return nil }
        var printer = CodePrinter(indent: "    ".unicodeScalars, addNewlines: true)
        printer.print(
            "// Made by protoc-gen-celaut from \(baseName).proto by `deploy/generate`; not edited.",
            "// swift-format-ignore-file", "")
        if !byteMessages.isEmpty { printer.print("internal import FoundationEssentials") }
        if !services.isEmpty {
            printer.print("package import Syscalls", "internal import Wire")
        }
        for service in services {
            ServiceWriter(service: service).write(to: &printer)
        }
        for message in byteMessages {
            write(message, to: &printer)
        }
        return printer.content
    }

    /// Byte fields as arrays, so that no caller needs Foundation's type.
    private func write(_ message: Message, to printer: inout CodePrinter) {
        printer.print("", "extension \(message.name) {")
        printer.withIndentation { printer in
            for field in message.byteFields {
                let bare = field.filter { $0 != "`" }
                printer.print(
                    "/// `\(bare)` as an array.",
                    "package var \(bare)Bytes: [UInt8] {",
                    "    get { [UInt8](\(field)) }",
                    "    set { \(field) = Data(newValue) }",
                    "}")
            }
        }
        printer.print("}")
    }
}

/// Every interface and every message, for what must hold for all of them.
struct Catalogue {
    private let schemas: [Schema]

    init(_ schemas: [Schema]) {
        self.schemas = schemas.sorted { $0.baseName < $1.baseName }
    }

    func source() -> String {
        var printer = CodePrinter(indent: "    ".unicodeScalars, addNewlines: true)
        printer.print(
            "// Made by protoc-gen-celaut from all schemas by `deploy/generate`; not edited.",
            "// swift-format-ignore-file", "", "package import SwiftProtobuf", "",
            "/// Every interface and every message, for what must hold for all of them.",
            "package enum Catalogue {")
        printer.withIndentation { printer in
            printer.print("package static let interfaces: [InterfaceDescriptor] = [")
            for service in schemas.flatMap(\.services) {
                printer.print("    \(service.table).descriptor,")
            }
            printer.print("]", "", "package static let messages: [any Message.Type] = [")
            for message in schemas.flatMap(\.messages) {
                printer.print("    \(message.name).self,")
            }
            printer.print("]", "")
            writeShapes(to: &printer)
        }
        printer.print("}")
        return printer.content
    }

    /// The messages of each method: its request, and its reply or item.
    private func writeShapes(to printer: inout CodePrinter) {
        printer.print(
            "/// The request and the reply or item of each method.",
            "package static let shapes: "
                + "[(method: MethodDescriptor, request: any Message.Type, answer: any Message.Type)] = ["
        )
        for service in schemas.flatMap(\.services) {
            for method in service.methods {
                printer.print(
                    "    (\(service.table).\(method.function), "
                        + "\(method.input).self, \(method.output).self),")
            }
        }
        printer.print("]")
    }
}
