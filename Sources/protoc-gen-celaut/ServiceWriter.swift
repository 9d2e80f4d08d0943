// The Swift source of one service: its tables, client, handler protocol and dispatcher.

internal import SwiftProtobufPluginLibrary

/// Writes one service. Every line it prints compiles under the package's strictest settings.
struct ServiceWriter {
    let service: Service

    func write(to printer: inout CodePrinter) {
        writeTables(to: &printer)
        writeClient(to: &printer)
        writeHandler(to: &printer)
        writeDispatcher(to: &printer)
    }

    private func writeTables(to printer: inout CodePrinter) {
        printer.print("", "/// What `\(service.name)` is: its number, revisions and methods.")
        printer.print("package enum \(service.table) {")
        printer.withIndentation { printer in
            for method in service.methods {
                printer.print("package static let \(method.function) = MethodDescriptor(")
                printer.withIndentation { writeContract(method, to: &$0) }
            }
            printer.print(
                "package static let descriptor = InterfaceDescriptor(",
                "    number: \(service.number), name: \"\(service.name)\",",
                "    revisions: \(service.revisions.lowerBound)...\(service.revisions.upperBound),",
                "    methods: [")
            for method in service.methods {
                printer.print("        \(method.function),")
            }
            printer.print("    ])")
        }
        printer.print("}")
    }

    private func writeContract(_ method: Method, to printer: inout CodePrinter) {
        printer.print(
            "interface: \(service.number), ordinal: \(method.ordinal), name: \"\(method.name)\",",
            "isStream: \(method.isStream), idempotency: .\(method.idempotency),",
            "callers: [\(list(method.callers))],",
            "requestDescriptors: [\(list(method.requestDescriptors))],",
            "replyDescriptors: [\(list(method.replyDescriptors))],",
            "replyRepeats: \(method.replyRepeats))")
    }

    private func list(_ values: [some Any]) -> String {
        values.map { ".\($0)" }.joined(separator: ", ")
    }

    private func writeClient(to printer: inout CodePrinter) {
        printer.print("", "/// Calls `\(service.name)` over a connection.")
        printer.print("package struct \(service.name)Client: Sendable {")
        printer.withIndentation { printer in
            printer.print(
                "private let caller: any Caller", "",
                "package init(_ caller: any Caller) {", "    self.caller = caller", "}")
            for method in service.methods {
                printer.print("")
                writeComment(method.comment, to: &printer)
                writeCall(method, to: &printer)
            }
        }
        printer.print("}")
    }

    private func writeCall(_ method: Method, to printer: inout CodePrinter) {
        let deadline =
            method.isStream
            ? "deadline: Duration? = nil"
            : "deadline: Duration = WireLimits.deadlineDefault"
        let descriptors = method.takesDescriptors ? "descriptors: Parcel, " : ""
        let verb = method.isStream ? "open" : "call"
        let passed = method.takesDescriptors ? "descriptors" : "nil"
        printer.print(
            "package func \(method.function)(",
            "    _ request: \(method.input), \(descriptors)\(deadline)",
            ") async throws(Fault) -> \(clientResult(method)) {")
        printer.withIndentation { printer in
            printer.print(
                "let answer = try await caller.\(verb)(",
                "    \(service.table).\(method.function), body: Body.encode(request), "
                    + "descriptors: \(passed), deadline: deadline)")
            if method.isStream {
                printer.print("return ItemStream(answer)")
            } else if method.givesDescriptors {
                printer.print("return (try Body.decode(answer: answer.body), answer.descriptors)")
            } else {
                printer.print("return try Body.decode(answer: answer.body)")
            }
        }
        printer.print("}")
    }

    private func clientResult(_ method: Method) -> String {
        method.isStream ? "ItemStream<\(method.output)>" : reply(method)
    }

    private func reply(_ method: Method) -> String {
        method.givesDescriptors ? "(\(method.output), Parcel)" : method.output
    }

    private func writeHandler(to printer: inout CodePrinter) {
        printer.print("")
        writeComment(service.comment, to: &printer)
        printer.print("package protocol \(service.name)Handler: Actor {")
        printer.withIndentation { printer in
            for (index, method) in service.methods.enumerated() {
                if index > 0 { printer.print("") }
                writeComment(method.comment, to: &printer)
                let descriptors = method.takesDescriptors ? ", descriptors: Parcel" : ""
                let items = method.isStream ? ", items: ItemSink<\(method.output)>" : ""
                let result = method.isStream ? "" : " -> \(reply(method))"
                printer.print(
                    "func \(method.function)(",
                    "    _ request: \(method.input)\(descriptors), context: CallContext\(items)",
                    ") async throws(Fault)\(result)")
            }
        }
        printer.print("}")
    }

    private func writeDispatcher(to printer: inout CodePrinter) {
        let name = service.name
        printer.print("", "/// Gives the requests of a connection to a `\(name)Handler`.")
        printer.print(
            "package struct \(name)Dispatcher<Handler: \(name)Handler>: Dispatcher {")
        printer.withIndentation { printer in
            printer.print(
                "private let handler: Handler", "",
                "package init(_ handler: Handler) {", "    self.handler = handler", "}", "",
                "package var interface: InterfaceDescriptor { \(service.table).descriptor }", "",
                "package func answer(",
                "    _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel,",
                "    context: CallContext, items: any RawSink",
                ") async throws(Fault) -> Answer? {",
                "    switch method.ordinal {")
            for method in service.methods {
                printer.print("    case \(method.ordinal):")
                printer.withIndentation { printer in
                    printer.withIndentation { writeCase(method, to: &$0) }
                }
            }
            printer.print(
                "    default: throw Fault(.unknownMethod, subject: method.name)", "    }", "}")
        }
        printer.print("}")
    }

    private func writeCase(_ method: Method, to printer: inout CodePrinter) {
        let descriptors = method.takesDescriptors ? ", descriptors: descriptors" : ""
        let call =
            "try await handler.\(method.function)("
            + "Body.decode(request: body)\(descriptors), context: context"
        if method.isStream {
            printer.print("\(call), items: ItemSink(items))", "return nil")
        } else if method.givesDescriptors {
            printer.print(
                "let (reply, parcel) = \(call))",
                "return Answer(body: try Body.encode(reply), descriptors: parcel)")
        } else {
            printer.print(
                "let reply = \(call))",
                "return Answer(body: try Body.encode(reply))")
        }
    }

    private func writeComment(_ comment: String, to printer: inout CodePrinter) {
        for line in comment.split(separator: "\n") {
            printer.print(String(line))
        }
    }
}
