/// Base64 (RFC 4648 section 4, with padding) of bytes that come in runs.
package enum Base64 {
    private static let digits = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let padding = UInt8(ascii: "=")

    package static func text(_ bytes: some Sequence<UInt8>) -> String {
        var encoder = Encoder()
        var text: [UInt8] = []
        for byte in bytes { encoder.put(byte, into: &text) }
        encoder.finish(into: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// nil for anything but whole groups of the alphabet with their padding.
    package static func bytes(_ text: String) -> [UInt8]? {
        var decoder = Decoder()
        var bytes: [UInt8] = []
        for character in text.utf8 where !decoder.put(character, into: &bytes) { return nil }
        return decoder.isWhole ? bytes : nil
    }

    package struct Encoder {
        private var group: UInt32 = 0
        private var count = 0

        package init() {}

        package mutating func put(_ byte: UInt8, into text: inout [UInt8]) {
            group = group << 8 | UInt32(byte)
            count += 1
            if count == 3 {
                for shift in [18, 12, 6, 0] { text.append(Base64.digits[Int(group >> shift & 63)]) }
                group = 0
                count = 0
            }
        }

        package mutating func finish(into text: inout [UInt8]) {
            guard count > 0 else { return }
            group <<= UInt32(8 * (3 - count))
            text.append(Base64.digits[Int(group >> 18 & 63)])
            text.append(Base64.digits[Int(group >> 12 & 63)])
            text.append(count == 2 ? Base64.digits[Int(group >> 6 & 63)] : Base64.padding)
            text.append(Base64.padding)
            count = 0
            group = 0
        }
    }

    package struct Decoder {
        private var group: UInt32 = 0
        private var count = 0
        private var paddings = 0

        package init() {}

        package var isWhole: Bool { count == 0 }

        /// false for a character that cannot stand there: nothing may follow padding, and the bits
        /// that padding leaves over are zero, so that bytes have one text.
        package mutating func put(_ character: UInt8, into bytes: inout [UInt8]) -> Bool {
            guard let digit = Self.digit(character) else {
                guard character == Base64.padding, count >= 2 else { return false }
                paddings += 1
                return add(0, into: &bytes)
            }
            guard paddings == 0 else { return false }
            return add(digit, into: &bytes)
        }

        private mutating func add(_ digit: UInt32, into bytes: inout [UInt8]) -> Bool {
            group = group << 6 | digit
            count += 1
            guard count == 4 else { return true }
            let left = paddings * 8
            guard group & ((1 << UInt32(left)) - 1) == 0 else { return false }
            for shift in [16, 8, 0] where shift >= left {
                bytes.append(UInt8(truncatingIfNeeded: group >> UInt32(shift)))
            }
            group = 0
            count = 0
            return true
        }

        private static func digit(_ character: UInt8) -> UInt32? {
            switch character {
            case 0x41...0x5A: UInt32(character - 0x41)
            case 0x61...0x7A: UInt32(character - 0x61 + 26)
            case 0x30...0x39: UInt32(character - 0x30 + 52)
            case 0x2B: 62
            case 0x2F: 63
            default: nil
            }
        }
    }
}
