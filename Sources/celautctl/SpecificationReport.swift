import ServiceModel

/// What a box says of itself, as it is printed: every part of its specification but the files.
struct SpecificationReport: Encodable {
    /// The service in the names of the codec `json`.
    let specification: JSONReport
    /// The methods of each slot that says any, by port and transport, in the same names.
    let methods: [String: JSONReport]
    /// Directories shared with children, or had from the parent.
    let sharedDirectories: [Share]
    /// Nothing in it can be written.
    let readOnly: Bool

    struct Share: Encodable {
        let path: String
        let role: String
        let access: String
        let tag: String
    }

    private let service: Service

    private enum CodingKeys: String, CodingKey {
        case specification, methods, sharedDirectories, readOnly
    }

    /// - Parameter bytes: a service without its filesystem, as the node gives it.
    /// - Throws: for what is none.
    init(_ bytes: [UInt8]) throws(ProtoError) {
        service = try Service(decoding: bytes)
        specification = JSONReport(try ProtoSchema.service.json(service.encoded()[...]))
        var methods: [String: JSONReport] = [:]
        for slot in service.api.slots {
            guard let app = slot.appProtocol else { continue }
            methods[Self.name(of: slot)] = JSONReport(
                try ProtoSchema.appProtocol.json(app.encoded()[...]))
        }
        self.methods = methods
        let tree = try TreeTerms(in: bytes)
        readOnly = tree.isReadOnly
        sharedDirectories = tree.shares.map { one in
            Share(
                path: one.text, role: one.share.role.rawValue,
                access: one.share.isReadOnly ? "ro" : "rw", tag: one.share.tag)
        }
    }

    private static func name(of slot: Slot) -> String {
        "\(slot.port)/\(slot.transportName ?? slot.transport.tags.first ?? "")"
    }

    // MARK: For people

    /// One fact a line, of what is said.
    var rows: [[String]] {
        containerRows + service.api.slots.flatMap(Self.rows) + contractRows + networkRows + treeRows
    }

    private var treeRows: [[String]] {
        let shared = sharedDirectories.map { one in
            let tag = one.tag.isEmpty ? "" : " as \(one.tag)"
            return ["\(one.role) directory", "\(one.path) \(one.access)\(tag)"]
        }
        return readOnly ? [["file system", "ro"]] + shared : shared
    }

    private var containerRows: [[String]] {
        let container = service.container
        var rows: [[String]] = []
        if !service.prose.isEmpty { rows.append(["prose", service.prose]) }
        if container.architecture != Architecture(tags: [service.architecture]) {
            rows.append(["architecture says", Self.text(container.architecture)])
        }
        for (key, value) in container.initial.xattrs {
            rows.append(["start \(key)", Self.text(value)])
        }
        for (name, format) in container.environmentVariables {
            rows.append(["variable \(name)", Self.text(format)])
        }
        if let declaration = container.configDeclaration {
            let format = declaration.format.map { Self.text($0) } ?? "-"
            let path = "/" + declaration.path.joined(separator: "/")
            rows.append(["configuration", format == "-" ? path : "\(path): \(format)"])
        }
        if let resources = container.resources {
            rows.append(["at init", Self.text(resources.atInit)])
            rows.append(["at most", Self.text(resources.atMost)])
        }
        return rows + container.nodeProtocolStack.map { ["expected gateway", Self.text($0)] }
    }

    private static func rows(of slot: Slot) -> [[String]] {
        let name = Self.name(of: slot)
        let app = slot.appProtocol
        let stack = app == nil ? slot.protocolStack : slot.protocolStack.dropLast()
        var rows = stack.map { ["slot \(name)", text($0)] }
        var prices = slot.muPerCall
        for (method, said) in app?.methods ?? [:] {
            var parts: [String] = []
            if let input = said.input { parts.append("in \(text(input))") }
            if let output = said.output { parts.append("out \(text(output))") }
            if let price = prices[method] { parts.append("\(price.n) a call") }
            prices[method] = nil
            rows.append(["method \(method)", parts.isEmpty ? "-" : parts.joined(separator: ", ")])
        }
        rows += prices.map { ["method \($0.key)", "\($0.value.n) a call"] }
        if let cost = app?.costFunction { rows.append(["cost function", text(cost)]) }
        return rows
    }

    private var contractRows: [[String]] {
        service.api.paymentContracts.map { rate in
            var parts = rate.contract?.ledger.map { [Self.text($0)] } ?? []
            parts += rate.contract?.xattrs.map { "\($0.key)=\(Self.text($0.value))" } ?? []
            if let amount = rate.muPerUnit { parts.append("\(amount.n) for one unit") }
            return ["paid through", parts.joined(separator: ", ")]
        }
    }

    private var networkRows: [[String]] {
        var rows = service.networks.map { network in
            var parts = [Self.text(network.definition)]
            if !network.protocolStack.isEmpty {
                parts.append(
                    "speaking " + network.protocolStack.map(Self.text).joined(separator: " "))
            }
            if !network.environmentVariable.isEmpty {
                parts.append("with the same \(network.environmentVariable)")
            }
            return ["network", parts.joined(separator: ", ")]
        }
        for (index, scenario) in service.possibleEnvironmentWorkload.enumerated() {
            for workload in scenario.workloads {
                let hash = workload.dependency?.hashes.first.map { Hexadecimal.text($0.value) }
                let needs = workload.resources.map { " with \(Self.text($0))" } ?? ""
                rows.append([
                    "workload \(index + 1)", "\(workload.count) of \(hash ?? "-")\(needs)",
                ])
            }
        }
        return rows
    }

    /// "tag, tag (what people read; 12 bytes of formal description)"
    private static func text(_ definition: Definition) -> String {
        var notes: [String] = []
        if !definition.prose.isEmpty { notes.append(definition.prose) }
        if !definition.formal.isEmpty {
            notes.append("\(definition.formal.count) bytes of formal description")
        }
        let tags = definition.tags.joined(separator: ", ")
        if notes.isEmpty { return tags.isEmpty ? "-" : tags }
        return (tags.isEmpty ? "" : "\(tags) ") + "(\(notes.joined(separator: "; ")))"
    }

    private static func text(_ value: [UInt8]) -> String {
        String(validating: value, as: UTF8.self) ?? "\(value.count) bytes"
    }

    private static func text(_ own: Sysresources) -> String {
        func limit(_ value: UInt64?, _ name: String, _ text: (UInt64) -> String) -> String? {
            value.map { "\(name) \($0 == 0 ? "without limit" : text($0))" }
        }
        var parts = [
            limit(own.memLimit, "memory", Words.bytes), limit(own.diskSpace, "disk", Words.bytes),
        ]
        if let quota = own.cpuQuota, quota > 0 {
            let period = own.cpuPeriod.flatMap { $0 == 0 ? nil : "\($0) µs" } ?? "a period"
            parts.append("processor \(quota) µs of \(period)")
        }
        if let weight = own.blkioWeight, weight > 0 { parts.append("I/O weight \(weight)") }
        let said = parts.compactMap(\.self)
        return said.isEmpty ? "-" : said.joined(separator: ", ")
    }
}

/// A JSON value inside what is printed as JSON.
struct JSONReport: Encodable {
    private let value: JSONValue

    init(_ value: JSONValue) {
        self.value = value
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { return nil }
    }

    func encode(to encoder: any Encoder) throws {
        switch value {
        case .object(let members):
            var container = encoder.container(keyedBy: Key.self)
            for (key, value) in members {
                try container.encode(JSONReport(value), forKey: Key(stringValue: key))
            }
        case .array(let elements):
            var container = encoder.unkeyedContainer()
            for element in elements { try container.encode(JSONReport(element)) }
        case .null:
            var container = encoder.singleValueContainer()
            try container.encodeNil()
        case .bool(let flag):
            var container = encoder.singleValueContainer()
            try container.encode(flag)
        case .integer(let number):
            var container = encoder.singleValueContainer()
            try container.encode(number)
        case .number(let number):
            var container = encoder.singleValueContainer()
            try container.encode(number)
        case .string(let text):
            var container = encoder.singleValueContainer()
            try container.encode(text)
        }
    }
}
