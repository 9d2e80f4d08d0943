/// Messages in protobuf's JSON mapping, strictly: what has no name there is refused.
extension ProtoSchema {
    // LIMIT: messages inside each other: services inside the dependencies of services. Keeps the
    // recursion short, and the document within `JSONReader.depthMax`.
    private static let depthMax = 48

    /// A message as JSON. A field that is there is written, one that is not is not.
    package func json(_ bytes: ArraySlice<UInt8>) throws(ProtoError) -> JSONValue {
        try json(bytes, depth: 0)
    }

    private func json(_ bytes: ArraySlice<UInt8>, depth: Int) throws(ProtoError) -> JSONValue {
        guard depth <= Self.depthMax else {
            throw .tooLarge(limit: Self.depthMax, actual: depth)
        }
        let fields = fields
        var single: [UInt64: JSONValue] = [:]
        var repeated: [UInt64: [JSONValue]] = [:]
        var maps: [UInt64: TextMap<JSONValue>] = [:]
        var rest = bytes
        while !rest.isEmpty {
            let field = try ProtoField(taking: &rest, of: "\(self)")
            guard let known = fields.first(where: { $0.number == field.number }) else { continue }
            if case .map(let kind) = known.kind {
                let entry = try field.entry()
                maps[known.number, default: [:]][entry.key] = try Self.json(
                    kind, entry.value, depth: depth)
            } else {
                let value = try Self.json(known.kind, field, depth: depth)
                single[known.number] = value
                repeated[known.number, default: []].append(value)
            }
        }
        var members: [(key: String, value: JSONValue)] = []
        for known in fields {
            if let map = maps[known.number] {
                members.append((known.name, .object(map.sorted)))
            } else if known.isRepeated, let values = repeated[known.number] {
                members.append((known.name, .array(values)))
            } else if let value = single[known.number] {
                members.append((known.name, value))
            }
        }
        return .object(members)
    }

    private static func json(
        _ kind: Kind, _ field: ProtoField, depth: Int
    ) throws(ProtoError) -> JSONValue {
        switch kind {
        case .flag: .bool(try field.flag())
        case .small: .integer(Int64(UInt32(truncatingIfNeeded: try field.unsigned())))
        case .large: .string(String(try field.unsigned()))
        case .text, .blob, .message, .map: try json(kind, try field.slice(), depth: depth)
        }
    }

    private static func json(
        _ kind: Kind, _ bytes: ArraySlice<UInt8>, depth: Int
    ) throws(ProtoError) -> JSONValue {
        switch kind {
        case .text:
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw .malformed("text")
            }
            return .string(text)
        case .blob: return .string(Base64.text(bytes))
        case .message(let schema): return try schema.json(bytes, depth: depth + 1)
        case .flag, .small, .large, .map: throw .malformed("\(kind)")
        }
    }

    // MARK: Reading

    /// The bytes of a message that JSON describes.
    ///
    /// - Throws: MALFORMED with the path of the key at fault.
    package func bytes(_ value: JSONValue, path: String = "") throws(CanonicalError) -> [UInt8] {
        guard case .object(let members) = value else { throw Self.refused(path) }
        let fields = fields
        var said: [(field: Field, value: JSONValue, path: String)] = []
        for (key, value) in members {
            let own = path.isEmpty ? key : "\(path).\(key)"
            guard let field = fields.first(where: { $0.name == key }) else {
                throw Self.refused(own)
            }
            if case .null = value { continue }
            said.append((field, value, own))
        }
        // In the canonical order, whatever that of the members: a dependency's service stays bytes.
        var writer = ProtoWriter()
        for (field, value, own) in said.sorted(by: { $0.field.number < $1.field.number }) {
            switch (field.kind, field.isRepeated) {
            case (.map(let kind), _):
                guard case .object(let entries) = value else { throw Self.refused(own) }
                let sorted = entries.sorted {
                    $0.key.utf8.lexicographicallyPrecedes($1.key.utf8)
                }
                for (name, element) in sorted {
                    var entry = ProtoWriter()
                    entry.always(1, text: name)
                    try Self.put(2, kind, element, into: &entry, path: "\(own).\(name)")
                    writer.always(field.number, blob: entry.bytes)
                }
            case (let kind, true):
                guard case .array(let elements) = value else { throw Self.refused(own) }
                for (index, element) in elements.enumerated() {
                    try Self.put(
                        field.number, kind, element, into: &writer, path: "\(own)[\(index)]")
                }
            case (let kind, false) where Self.isDefault(kind, value): continue
            case (let kind, false):
                try Self.put(field.number, kind, value, into: &writer, path: own)
            }
        }
        return writer.bytes
    }

    /// Whether it says what a field that is not there means. Numbers of 64 bits can be absent.
    private static func isDefault(_ kind: Kind, _ value: JSONValue) -> Bool {
        switch (kind, value.asWhole) {
        case (.text, .string("")), (.blob, .string("")), (.flag, .bool(false)),
            (.small, .integer(0)):
            true
        default: false
        }
    }

    private static func put(
        _ number: UInt64, _ kind: Kind, _ value: JSONValue, into writer: inout ProtoWriter,
        path: String
    ) throws(CanonicalError) {
        switch (kind, value.asWhole) {
        case (.text, .string(let text)): writer.always(number, text: text)
        case (.blob, .string(let text)):
            guard let bytes = Base64.bytes(text) else { throw refused(path) }
            writer.always(number, blob: bytes)
        case (.flag, .bool(let flag)): writer.always(number, number: flag ? 1 : 0)
        case (.small, .integer(let integer)):
            guard let small = UInt32(exactly: integer) else { throw refused(path) }
            writer.always(number, number: UInt64(small))
        case (.large, .integer(let integer)) where integer >= 0:
            writer.always(number, number: UInt64(integer))
        case (.large, .string(let text)):
            guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let large = UInt64(text)
            else { throw refused(path) }
            writer.always(number, number: large)
        case (.message(let schema), _):
            writer.always(number, blob: try schema.bytes(value, path: path))
        default: throw refused(path)
        }
    }

    private static func refused(_ path: String) -> CanonicalError {
        CanonicalError(.malformed, path: path)
    }
}

extension JSONValue {
    /// A number as a whole one where it is one: JSON has no other 80 than 80.0 and 8e1.
    fileprivate var asWhole: JSONValue {
        guard case .number(let number) = self, number.magnitude <= 0x1p53,
            let whole = Int64(exactly: number)
        else { return self }
        return .integer(whole)
    }
}
