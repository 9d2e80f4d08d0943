/// An object of a description whose keys are taken one by one; `finish` refuses those left over.
struct DescriptionObject {
    private let prefix: String
    private(set) var members: [(key: String, value: JSONValue)]

    /// - Parameter path: where it stands: "", "resources", "api[0]".
    init(_ value: JSONValue, path: String) throws(DescriptionError) {
        guard case .object(let members) = value else {
            throw DescriptionError(.wrongType, key: path.isEmpty ? "service.json" : path)
        }
        prefix = path
        self.members = members
    }

    func path(_ key: String) -> String { prefix.isEmpty ? key : "\(prefix).\(key)" }

    func finish() throws(DescriptionError) {
        if let left = members.first { throw DescriptionError(.unknownKey, key: path(left.key)) }
    }

    mutating func take(_ key: String) -> JSONValue? {
        guard let index = members.firstIndex(where: { $0.key == key }) else { return nil }
        return members.remove(at: index).value
    }

    mutating func object(_ key: String) throws(DescriptionError) -> DescriptionObject? {
        guard let value = take(key) else { return nil }
        return try DescriptionObject(value, path: path(key))
    }

    mutating func text(_ key: String) throws(DescriptionError) -> String? {
        switch take(key) {
        case nil: return nil
        case .string(let text): return text
        default: throw DescriptionError(.wrongType, key: path(key))
        }
    }

    /// Bytes: a text, or an object whose `base64` says those that are none.
    mutating func bytes(_ key: String) throws(DescriptionError) -> [UInt8]? {
        guard let value = take(key) else { return nil }
        return try Self.bytes(value, path(key))
    }

    private static func bytes(
        _ value: JSONValue, _ path: String
    ) throws(DescriptionError) -> [UInt8] {
        if case .string(let text) = value { return Array(text.utf8) }
        guard case .object = value else { throw DescriptionError(.wrongType, key: path) }
        var object = try DescriptionObject(value, path: path)
        guard let text = try object.text("base64") else {
            throw DescriptionError(.missingKey, key: object.path("base64"))
        }
        guard let bytes = Base64.bytes(text) else {
            throw DescriptionError(.malformed, key: object.path("base64"))
        }
        try object.finish()
        return bytes
    }

    mutating func integer(_ key: String) throws(DescriptionError) -> Int64? {
        switch take(key) {
        case nil: return nil
        case .integer(let number): return number
        default: throw DescriptionError(.wrongType, key: path(key))
        }
    }

    /// A whole number that is not below zero.
    mutating func natural(_ key: String) throws(DescriptionError) -> UInt64? {
        guard let number = try integer(key) else { return nil }
        guard number >= 0 else { throw DescriptionError(.outOfRange, key: path(key)) }
        return UInt64(number)
    }

    func atLeast(_ minimum: UInt64, _ value: UInt64, _ key: String) throws(DescriptionError) {
        guard value >= minimum else {
            throw DescriptionError(
                .belowMinimum, key: path(key), limit: minimum, actual: value)
        }
    }

    func within(
        _ range: ClosedRange<UInt64>, _ value: UInt64, _ key: String, orZero: Bool
    ) throws(DescriptionError) {
        if range.contains(value) || (orZero && value == 0) { return }
        throw DescriptionError(
            .outOfRange, key: path(key),
            limit: value < range.lowerBound ? range.lowerBound : range.upperBound, actual: value)
    }

    func bounded(_ count: Int, _ path: String) throws(DescriptionError) {
        let most = ServiceDescription.listMax
        guard count <= most else {
            throw DescriptionError(
                .tooLarge, key: path, limit: UInt64(most), actual: UInt64(count))
        }
    }

    /// A list with the path of each element; empty when the key is not there.
    mutating func list(_ key: String) throws(DescriptionError) -> [(JSONValue, String)] {
        switch take(key) {
        case nil: return []
        case .array(let elements):
            try bounded(elements.count, path(key))
            return elements.enumerated().map { ($1, "\(path(key))[\($0)]") }
        default: throw DescriptionError(.wrongType, key: path(key))
        }
    }

    /// One name, or a list of them.
    mutating func names(_ key: String) throws(DescriptionError) -> [String] {
        switch take(key) {
        case nil: return []
        case .string(let name): return [name]
        case let value?: return try texts(value, path(key))
        }
    }

    func texts(_ value: JSONValue, _ path: String) throws(DescriptionError) -> [String] {
        guard case .array(let elements) = value else {
            throw DescriptionError(.wrongType, key: path)
        }
        try bounded(elements.count, path)
        var texts: [String] = []
        for (index, element) in elements.enumerated() {
            guard case .string(let text) = element else {
                throw DescriptionError(.wrongType, key: "\(path)[\(index)]")
            }
            texts.append(text)
        }
        return texts
    }

    /// A path in a box: a list of its names, or one text with slashes.
    func segments(_ value: JSONValue, _ path: String) throws(DescriptionError) -> [String] {
        let names: [String]
        if case .string(let text) = value {
            names = text.split(separator: "/").map(String.init)
        } else {
            names = try texts(value, path)
        }
        for name in names {
            guard !name.isEmpty, name != ".", name != "..", name.utf8.count <= 255,
                !name.utf8.contains(where: { $0 == 0 || $0 == UInt8(ascii: "/") })
            else { throw DescriptionError(.badName, key: path) }
        }
        return names
    }

    /// Names with bytes each.
    mutating func attributes(_ key: String) throws(DescriptionError) -> TextMap<[UInt8]> {
        guard let object = try object(key) else { return [:] }
        try bounded(object.members.count, path(key))
        var attributes: TextMap<[UInt8]> = [:]
        for (name, value) in object.members {
            attributes[name] = try Self.bytes(value, object.path(name))
        }
        return attributes
    }

    /// Methods with their prices in monetary units: whole numbers, or decimal text of any size.
    mutating func prices(_ key: String) throws(DescriptionError) -> TextMap<Amount> {
        guard let object = try object(key) else { return [:] }
        try bounded(object.members.count, path(key))
        var prices: TextMap<Amount> = [:]
        for (name, value) in object.members {
            guard let amount = Self.amount(value) else {
                throw DescriptionError(.wrongType, key: object.path(name))
            }
            prices[name] = amount
        }
        return prices
    }

    /// An amount under a key, if it is there.
    mutating func amount(_ key: String) throws(DescriptionError) -> Amount? {
        guard let value = take(key) else { return nil }
        guard let amount = Self.amount(value) else {
            throw DescriptionError(.wrongType, key: path(key))
        }
        return amount
    }

    private static func amount(_ value: JSONValue) -> Amount? {
        switch value {
        case .integer(let number) where number >= 0: Amount(n: String(number))
        case .string(let text)
        where !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }:
            Amount(n: text)
        default: nil
        }
    }

    /// The environment variables a service reads: a list of names, or names with a format each.
    mutating func variables(_ key: String) throws(DescriptionError) -> TextMap<DataFormat> {
        var variables: TextMap<DataFormat> = [:]
        switch take(key) {
        case nil: return [:]
        case .array(let elements):
            for name in try texts(.array(elements), path(key)) { variables[name] = DataFormat() }
        case .object(let members):
            try bounded(members.count, path(key))
            for (name, value) in members {
                switch value {
                case .null: variables[name] = DataFormat()
                case .string(let tag): variables[name] = DataFormat(tags: tag.isEmpty ? [] : [tag])
                default:
                    var format = try DescriptionObject(value, path: "\(path(key)).\(name)")
                    variables[name] = try format.definition()
                    try format.finish()
                }
            }
        default: throw DescriptionError(.wrongType, key: path(key))
        }
        for name in variables.keys {
            guard !name.isEmpty, !name.utf8.contains(where: { $0 == 0 || $0 == UInt8(ascii: "=") })
            else { throw DescriptionError(.badName, key: "\(path(key)).\(name)") }
        }
        return variables
    }
}
