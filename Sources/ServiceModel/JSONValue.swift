/// A JSON document as values (RFC 8259), read strictly.
///
/// Refuses what other readers let pass, because a description that two readers understand
/// differently would have two meanings under one id: a key twice in an object, anything after the
/// document, text that is not UTF-8, lone surrogates, numbers that are no finite double.
package enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    /// A number without fraction or exponent that fits.
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    /// In the order of the document.
    case object([(key: String, value: JSONValue)])

    package static func == (left: JSONValue, right: JSONValue) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let one), .bool(let other)): one == other
        case (.integer(let one), .integer(let other)): one == other
        case (.number(let one), .number(let other)): one == other
        case (.string(let one), .string(let other)): one == other
        case (.array(let one), .array(let other)): one == other
        case (.object(let one), .object(let other)):
            one.count == other.count
                && zip(one, other).allSatisfy { $0.key == $1.key && $0.value == $1.value }
        default: false
        }
    }
}

/// Why a text is no document that is read here.
package enum JSONError: Error, Equatable, Sendable {
    /// It does not parse from this byte on.
    case malformed(offset: Int)
    /// More nested than the bound.
    case tooDeep(limit: Int)
    /// More values than the bound.
    case tooMany(limit: Int)
    /// The same key twice in an object; its path: "api[0].port".
    case duplicateKey(String)

    /// The same, of what stands in something: under a key, or at an index as "[0]".
    func inside(_ place: String) -> JSONError {
        guard case .duplicateKey(let path) = self else { return self }
        return .duplicateKey(place + (path.utf8.first == UInt8(ascii: "[") ? "" : ".") + path)
    }
}

/// Reads one document. Recursion is bounded by `depthMax`.
package struct JSONReader {
    // LIMIT: a description is 5 deep. The reader recurses; this keeps it far from the stack's end.
    package static let depthMax = 64

    // LIMIT: values in a document, those in others counted: what a service of `Service.fieldsMax` fields
    // is, a list and an object for each. One of two bytes is forty in memory.
    package static let valuesMax = 2 * Service.fieldsMax + 1_024

    private let bytes: [UInt8]
    private var offset = 0
    private let valuesMax: Int
    private var values = 0

    private init(_ bytes: [UInt8], _ valuesMax: Int) {
        self.bytes = bytes
        self.valuesMax = valuesMax
    }

    package static func read(
        _ bytes: [UInt8], valuesMax: Int = valuesMax
    ) throws(JSONError) -> JSONValue {
        var reader = JSONReader(bytes, valuesMax)
        reader.skipSpace()
        let value = try reader.value(depth: 0)
        reader.skipSpace()
        guard reader.offset == bytes.count else { throw reader.malformed }
        return value
    }

    private var malformed: JSONError { .malformed(offset: offset) }

    private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D {
            offset += 1
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        offset += 1
        return true
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        guard depth <= Self.depthMax else { throw .tooDeep(limit: Self.depthMax) }
        values += 1
        guard values <= valuesMax else { throw .tooMany(limit: valuesMax) }
        switch next {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func word(
        _ word: StaticString, _ value: JSONValue
    ) throws(JSONError) -> JSONValue {
        for byte in word.description.utf8 {
            guard take(byte) else { throw malformed }
        }
        return value
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONValue {
        offset += 1
        var members: [(key: String, value: JSONValue)] = []
        var seen: Set<ExactText> = []
        skipSpace()
        if take(UInt8(ascii: "}")) { return .object([]) }
        while true {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw malformed }
            let key = try string()
            guard seen.insert(.init(key)).inserted else { throw .duplicateKey(key) }
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw malformed }
            skipSpace()
            do throws(JSONError) {
                members.append((key, try value(depth: depth + 1)))
            } catch {
                throw error.inside(key)
            }
            skipSpace()
            if take(UInt8(ascii: "}")) { return .object(members) }
            guard take(UInt8(ascii: ",")) else { throw malformed }
        }
    }

    private mutating func array(depth: Int) throws(JSONError) -> JSONValue {
        offset += 1
        var elements: [JSONValue] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return .array([]) }
        while true {
            skipSpace()
            do throws(JSONError) {
                elements.append(try value(depth: depth + 1))
            } catch {
                throw error.inside("[\(elements.count)]")
            }
            skipSpace()
            if take(UInt8(ascii: "]")) { return .array(elements) }
            guard take(UInt8(ascii: ",")) else { throw malformed }
        }
    }

    private mutating func number() throws(JSONError) -> JSONValue {
        let start = offset
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        var isWhole = true
        if take(UInt8(ascii: ".")) {
            isWhole = false
            try digits()
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            isWhole = false
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        if isWhole, let integer = Int64(text) { return .integer(integer) }
        guard let number = Double(text), number.isFinite else {
            throw .malformed(offset: start)
        }
        return .number(number)
    }

    private mutating func digits() throws(JSONError) {
        let start = offset
        while let byte = next, (0x30...0x39).contains(byte) { offset += 1 }
        guard offset > start else { throw malformed }
    }

    private mutating func string() throws(JSONError) -> String {
        offset += 1
        var text: [UInt8] = []
        while let byte = next {
            offset += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let valid = String(validating: text, as: UTF8.self) else { throw malformed }
                return valid
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw malformed
            default: text.append(byte)
            }
        }
        throw malformed
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
        guard let byte = next else { throw malformed }
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var code = try unit()
            if (0xD800..<0xDC00).contains(code) {
                guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else { throw malformed }
                let low = try unit()
                guard (0xDC00..<0xE000).contains(low) else { throw malformed }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw malformed }
            text.append(contentsOf: String(Character(scalar)).utf8)
        default: throw malformed
        }
    }

    /// Four hexadecimal digits.
    private mutating func unit() throws(JSONError) -> UInt32 {
        guard offset + 4 <= bytes.count else { throw malformed }
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[offset])).hexDigitValue,
                bytes[offset] < 0x80
            else { throw malformed }
            code = code << 4 | UInt32(digit)
            offset += 1
        }
        return code
    }
}
