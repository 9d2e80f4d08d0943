import ServiceModel

/// The fields of a specification as paths and texts, for comparing: every value that is said, in the
/// order of the canonical form.
enum SpecificationFields {
    struct Field: Equatable {
        /// "container.resources.at_init.mem_limit", "api.slot[0].port".
        let path: String
        let value: String
    }

    /// What the bytes of a field are.
    private indirect enum Shape: Sendable {
        case text
        case number
        case blob
        case message([UInt64: Member])
        /// A definition whose formal description may be what a service says of its methods.
        case layer
    }

    private struct Member: Sendable {
        let name: String
        let shape: Shape
        var isRepeated = false
        /// A map: its entries are named by their keys.
        var isMap = false

        init(_ name: String, _ shape: Shape) {
            self.name = name
            self.shape = shape
        }

        static func many(_ name: String, _ shape: Shape) -> Member {
            var member = Member(name, shape)
            member.isRepeated = true
            return member
        }

        static func map(_ name: String, _ shape: Shape) -> Member {
            var member = Member(name, shape)
            member.isMap = true
            return member
        }
    }

    /// - Parameter bytes: a service without its filesystem.
    static func fields(of bytes: [UInt8]) throws(ProtoError) -> [Field] {
        var fields: [Field] = []
        try add(bytes, service, "", &fields)
        return fields
    }

    /// The fields of a message, whatever they mean.
    private struct Raw: ProtoMessage {
        var fields: [ProtoField] = []

        init() {}
        mutating func take(_ field: inout ProtoField) throws(ProtoError) { fields.append(field) }
        func write(to writer: inout ProtoWriter) {}
        static func == (left: Raw, right: Raw) -> Bool { left.fields.count == right.fields.count }
    }

    private static func add(
        _ bytes: [UInt8], _ members: [UInt64: Member], _ path: String, _ fields: inout [Field]
    ) throws(ProtoError) {
        var seen: [UInt64: Int] = [:]
        for field in try Raw(decoding: bytes).fields {
            let dot = path.isEmpty ? "" : "\(path)."
            guard let member = members[field.number] else {
                // Directories that are shared: told of the tree.
                if path == "container", field.number == 2 { continue }
                fields.append(Field(path: "\(dot)\(field.number)", value: try shown(field, .blob)))
                continue
            }
            var own = "\(dot)\(member.name)"
            if member.isMap {
                let (key, value) = try field.entry()
                own += "[\(key)]"
                try add(Array(value), member.shape, own, &fields)
                continue
            }
            if member.isRepeated { own += "[\(seen[field.number, default: 0])]" }
            seen[field.number, default: 0] += 1
            switch member.shape {
            case .message, .layer: try add(try field.blob(), member.shape, own, &fields)
            case .text, .number, .blob:
                fields.append(Field(path: own, value: try shown(field, member.shape)))
            }
        }
    }

    private static func add(
        _ bytes: [UInt8], _ shape: Shape, _ path: String, _ fields: inout [Field]
    ) throws(ProtoError) {
        switch shape {
        case .message(let members):
            try add(bytes, members, path, &fields)
            // One that is there and says nothing.
            if bytes.isEmpty { fields.append(Field(path: path, value: "")) }
        case .layer: try add(bytes, try isApp(bytes) ? appLayer : definition, path, &fields)
        case .text, .number, .blob: fields.append(Field(path: path, value: shown(bytes)))
        }
    }

    /// Whether a protocol of a slot has the service's own methods in it, and they can be read.
    private static func isApp(_ bytes: [UInt8]) throws(ProtoError) -> Bool {
        let layer = try ProtocolDefinition(decoding: bytes)
        guard layer.tags.contains(AppProtocol.tag) else { return false }
        var fields: [Field] = []
        return (try? add(layer.formal, appProtocol, "", &fields)) != nil
    }

    private static func shown(_ field: ProtoField, _ shape: Shape) throws(ProtoError) -> String {
        switch shape {
        case .text: return try field.text()
        case .number: return String(try field.unsigned())
        case .blob, .message, .layer:
            if let bytes = try? field.blob() { return shown(bytes) }
            return String(try field.unsigned())
        }
    }

    /// Bytes as text where they are one, else in hexadecimal.
    private static func shown(_ bytes: [UInt8]) -> String {
        let isPlain = bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
        guard isPlain, let text = String(validating: bytes, as: UTF8.self) else {
            return "0x" + Hexadecimal.text(bytes)
        }
        return text
    }

    // MARK: The numbers of celaut-wire-facts, "Messages"

    private static let definition: [UInt64: Member] = [
        1: .many("tags", .text), 2: Member("prose", .text), 3: Member("formal", .blob),
    ]
    private static let appProtocol: [UInt64: Member] = [
        1: .map(
            "methods",
            .message([
                1: Member("input", .message(definition)),
                2: Member("output", .message(definition)),
            ])),
        2: Member("cost_function", .message(definition)),
    ]
    private static let appLayer: [UInt64: Member] = definition.merging([
        3: Member("formal", .message(appProtocol))
    ]) { $1 }
    private static let amount: [UInt64: Member] = [1: Member("n", .text)]
    private static let contract: [UInt64: Member] = [
        1: Member("ledger", .message(definition)), 2: .map("xattrs", .blob),
    ]
    private static let resources: [UInt64: Member] = [
        1: Member("blkio_weight", .number), 2: Member("cpu_period", .number),
        3: Member("cpu_quota", .number), 4: Member("mem_limit", .number),
        5: Member("disk_space", .number),
    ]
    private static let container: [UInt64: Member] = [
        1: Member("architecture", .message(definition)),
        3: Member(
            "init", .message([1: .many("entry_path", .text), 2: .map("xattrs", .blob)])),
        4: Member(
            "resources",
            .message([
                1: Member("at_init", .message(resources)),
                2: Member("at_most", .message(resources)),
            ])),
        5: Member(
            "config_declaration",
            .message([1: .many("path", .text), 2: Member("format", .message(definition))])),
        6: .many("node_protocol_stack", .message(definition)),
        7: .map("environment_variables", .message(definition)),
    ]
    private static let api: [UInt64: Member] = [
        1: .many(
            "slot",
            .message([
                1: Member("port", .number), 2: Member("transport", .message(definition)),
                3: .many("protocol_stack", .layer),
                4: .map("mu_per_call", .message(amount)),
            ])),
        2: .many(
            "payment_contracts",
            .message([
                1: Member("contract", .message(contract)),
                2: Member("mu_per_unit", .message(amount)),
            ])),
    ]
    private static let network: [UInt64: Member] = definition.merging([
        4: .many("protocol_stack", .message(definition)),
        5: Member("environment_variable", .text),
    ]) { one, _ in one }
    private static let service: [UInt64: Member] = [
        1: Member("prose", .text), 2: Member("container", .message(container)),
        3: Member("api", .message(api)), 4: .many("network", .message(network)),
        5: .many("possible_environment_workload", .blob),
    ]
}
