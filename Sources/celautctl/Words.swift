/// Figures as people read them.
package enum Words {
    /// "64.0 MiB"
    package static func bytes(_ count: UInt64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        var unit = 0
        var value = Double(count)
        // What would be rounded to 1024.0 is written in the next unit.
        while value >= (unit == 0 ? 1_024 : 1_023.95), unit < units.count - 1 {
            value /= 1_024
            unit += 1
        }
        return unit == 0 ? "\(count) B" : "\(decimal(value)) \(units[unit])"
    }

    /// "950 ms", "2.5 s", "3 m 20 s", "2 h 5 m", "4 d 1 h"
    package static func duration(milliseconds: UInt64) -> String {
        let seconds = milliseconds / 1_000
        switch seconds {
        case 0: return "\(milliseconds) ms"
        case ..<60: return "\(seconds).\(milliseconds % 1_000 / 100) s"
        case ..<3_600: return "\(seconds / 60) m \(seconds % 60) s"
        case ..<86_400: return "\(seconds / 3_600) h \(seconds % 3_600 / 60) m"
        default: return "\(seconds / 86_400) d \(seconds % 86_400 / 3_600) h"
        }
    }

    /// One digit after the point.
    private static func decimal(_ value: Double) -> String {
        let tenths = UInt64((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// "64M", "1G", "65536", "1.5GiB" as bytes; nil for anything else.
    package static func parseBytes(_ text: String) -> UInt64? {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let value = Double(digits), value >= 0 else { return nil }
        let factors: [String: Double] = [
            "": 1, "b": 1, "k": 1_024, "kib": 1_024, "kb": 1_000, "m": 1_048_576,
            "mib": 1_048_576, "mb": 1_000_000, "g": 1_073_741_824, "gib": 1_073_741_824,
            "gb": 1_000_000_000,
        ]
        let unit = text.dropFirst(digits.count).lowercased()
        guard let factor = factors[unit], value * factor < 9.0e18 else { return nil }
        return UInt64(value * factor)
    }

    /// "30", "30s", "500ms", "2m" as milliseconds; nil for anything else.
    package static func parseMilliseconds(_ text: String) -> UInt64? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let value = UInt64(digits), value <= 1_000_000_000 else { return nil }
        switch text.dropFirst(digits.count) {
        case "ms": return value
        case "", "s": return value * 1_000
        case "m": return value * 60_000
        case "h": return value * 3_600_000
        default: return nil
        }
    }

    /// Lower-case hexadecimal.
    package static func hex(_ bytes: some Sequence<UInt8>) -> String {
        var text = ""
        for byte in bytes {
            let digits = String(byte, radix: 16)
            text += byte < 16 ? "0" + digits : digits
        }
        return text
    }

    /// Text of somebody else without what moves a terminal's cursor, changes its colours or shows what is
    /// written in another order than it is.
    package static func printable(_ text: String) -> String {
        replaced(text, keeping: [])
    }

    /// The same of text that has lines, and columns.
    package static func printableLines(_ text: String) -> String {
        replaced(text, keeping: ["\n", "\t"])
    }

    /// The controls of direction of Unicode (UAX #9, table 4).
    private static func isDirection(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x061C, 0x200E...0x200F, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }

    private static func replaced(_ text: String, keeping kept: [Unicode.Scalar]) -> String {
        func isKept(_ scalar: Unicode.Scalar) -> Bool {
            if kept.contains(scalar) { return true }
            return scalar.properties.generalCategory != .control && !isDirection(scalar)
        }
        guard !text.unicodeScalars.allSatisfy(isKept) else { return text }
        return String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { isKept($0) ? $0 : "\u{FFFD}" }))
    }
}
