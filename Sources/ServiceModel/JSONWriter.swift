/// Writes JSON as RFC 8785 wants it: no spaces, members sorted by the UTF-16 units of their keys, the
/// fewest escapes, numbers as ECMAScript writes them. Equal values give equal bytes.
///
/// Written here because no library we have does it: Foundation sorts keys by other rules.
package struct JSONWriter {
    package private(set) var bytes: [UInt8] = []
    private let hole: [String]
    /// Where the bytes of the hole belong, once it was met.
    package private(set) var holeOffset: Int?

    /// - Parameter hole: the path of keys to a text that is left out: what is larger than memory.
    package init(hole: [String] = []) {
        self.hole = hole
    }

    package static func bytes(_ value: JSONValue) -> [UInt8] {
        var writer = JSONWriter()
        writer.write(value)
        return writer.bytes
    }

    package mutating func write(_ value: JSONValue) {
        write(value, hole[...], !hole.isEmpty)
    }

    /// - Parameter isOnTheWay: the value is the one that the start of the hole's path leads to.
    private mutating func write(
        _ value: JSONValue, _ way: ArraySlice<String>, _ isOnTheWay: Bool
    ) {
        switch value {
        case .null: put("null")
        case .bool(let flag): put(flag ? "true" : "false")
        case .integer(let number):
            // Past it ECMAScript's numbers, which RFC 8785 writes, are not all whole numbers.
            put(number.magnitude <= 1 << 53 ? String(number) : Self.text(Double(number)))
        case .number(let number): put(Self.text(number))
        case .string(let text):
            if isOnTheWay, way.isEmpty {
                put("\"")
                holeOffset = bytes.count
                put("\"")
            } else {
                string(text)
            }
        case .array(let elements):
            put("[")
            for (index, element) in elements.enumerated() {
                if index > 0 { put(",") }
                write(element, [], false)
            }
            put("]")
        case .object(let members):
            put("{")
            let sorted = members.sorted {
                $0.key.utf16.lexicographicallyPrecedes($1.key.utf16)
            }
            for (index, member) in sorted.enumerated() {
                if index > 0 { put(",") }
                string(member.key)
                put(":")
                write(member.value, way.dropFirst(), isOnTheWay && way.first == member.key)
            }
            put("}")
        }
    }

    private mutating func put(_ text: String) {
        bytes.append(contentsOf: text.utf8)
    }

    private mutating func string(_ text: String) {
        put("\"")
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): put("\\\"")
            case UInt8(ascii: "\\"): put("\\\\")
            case 0x08: put("\\b")
            case 0x09: put("\\t")
            case 0x0A: put("\\n")
            case 0x0C: put("\\f")
            case 0x0D: put("\\r")
            case 0..<0x20: put("\\u00" + Hexadecimal.text([byte]))
            default: bytes.append(byte)
            }
        }
        put("\"")
    }

    /// A number as ECMAScript's Number::toString gives it; the reader lets no other through.
    private static func text(_ number: Double) -> String {
        if number == 0 { return "0" }
        if number < 0 { return "-" + text(-number) }
        // The shortest digits that give the number back: the same in both languages.
        let parts = number.description.split(separator: "e")
        let mantissa = parts.first.map(String.init) ?? ""
        let point = mantissa.split(separator: ".", omittingEmptySubsequences: false)
        let whole = point.first.map(String.init) ?? ""
        var digits = whole + (point.count > 1 && point[1] != "0" ? String(point[1]) : "")
        // The number is 0.DIGITS times ten to the `exponent`.
        var exponent = whole.count + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
        while digits.first == "0" {
            digits.removeFirst()
            exponent -= 1
        }
        while digits.last == "0" { digits.removeLast() }
        let count = digits.count
        switch exponent {
        case count...21 where count <= 21:
            return digits + String(repeating: "0", count: exponent - count)
        case 1...21:
            return String(digits.prefix(exponent)) + "." + String(digits.dropFirst(exponent))
        case -5...0: return "0." + String(repeating: "0", count: -exponent) + digits
        default:
            let power = exponent - 1
            let rest = digits.dropFirst()
            return String(digits.prefix(1)) + (rest.isEmpty ? "" : "." + rest)
                + (power < 0 ? "e-" : "e+") + String(power.magnitude)
        }
    }
}
