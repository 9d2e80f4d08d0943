package import ServiceModel

/// The form of a box as it is kept: its expanded canonical bytes, bit for bit, with the content of
/// each file replaced by the name of the object that has it.
///
/// What came from outside is given back as it came, whatever order its fields had and whatever fields
/// nobody here knows. The form is an object of the store like the contents are: it is found by its
/// digest, kept while a box needs it, and shared by nobody.
///
/// A byte with the format's number, then pieces until the end. A piece starts with a varint: its two
/// lowest bits say what it is, the rest is a number.
///
///     0  literal     number of bytes, which follow
///     1  content     bytes of the content; its SHA-256 follows
///     2  attributes  a mode: the attributes of an entry of nobody (0/0) without a time
package enum BoxForm {
    package enum Piece: Equatable {
        case literal(ArraySlice<UInt8>)
        case content(ContentDigest, bytes: UInt64)
    }

    static let format: UInt8 = 1

    // LIMIT: bytes of literals between two contents that are held: a form is written and read
    // without growing with the box.
    static let literalBytesMax = 65_536

    /// The attributes most entries have, with a hole for the five digits of the mode. Fifty bytes of
    /// each entry that need not be stored.
    static let attributes: [UInt8] = CanonicalForm.attributeBytes(
        FileAttributes(mode: 10_000))
    static let modeDigits: Range<Int> = {
        let digits = Array("10000".utf8)
        let start =
            attributes.indices.first { attributes[$0...].starts(with: digits) } ?? 0
        return start..<(start + digits.count)
    }()

    /// The attributes with a mode of five digits.
    static func attributes(mode: UInt64) -> [UInt8]? {
        guard (10_000...99_999).contains(mode) else { return nil }
        var bytes = attributes
        bytes.replaceSubrange(modeDigits, with: String(mode).utf8)
        return bytes
    }

    /// The mode, where a run starts with such attributes.
    static func mode(at run: ArraySlice<UInt8>) -> UInt64? {
        guard run.count >= attributes.count else { return nil }
        var mode: UInt64 = 0
        for (index, byte) in run.prefix(attributes.count).enumerated() {
            if modeDigits.contains(index) {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                mode = mode * 10 + UInt64(byte - UInt8(ascii: "0"))
            } else if byte != attributes[index] {
                return nil
            }
        }
        return mode >= 10_000 ? mode : nil
    }
}

/// Writes a form, piece by piece.
///
/// Keeps true: equal bytes and contents give an equal form, in whatever runs the bytes are given.
package struct BoxFormWriter {
    private var out = ProtoWriter()
    private var literal: [UInt8] = []

    package init() {
        out.raw([BoxForm.format])
    }

    package mutating func literal(_ bytes: some Collection<UInt8>) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = rest.prefix(BoxForm.literalBytesMax - literal.count)
            literal += part
            rest = rest.dropFirst(part.count)
            if literal.count == BoxForm.literalBytesMax { settle() }
        }
    }

    package mutating func content(_ digest: ContentDigest, bytes: UInt64) {
        settle()
        out.varint(bytes << 2 | 1)
        out.raw(digest.bytes)
    }

    /// What is ready to be stored. All of it after `finish`.
    package mutating func take() -> [UInt8] {
        defer { out = ProtoWriter() }
        return out.bytes
    }

    package var readyBytes: Int { out.bytes.count }

    package mutating func finish() {
        settle()
    }

    private mutating func settle() {
        var start = literal.startIndex
        var index = start
        while index < literal.endIndex {
            // Most bytes are told apart by the first look.
            guard literal[index] == BoxForm.attributes[0],
                let mode = BoxForm.mode(at: literal[index...])
            else {
                index += 1
                continue
            }
            put(literal[start..<index])
            out.varint(mode << 2 | 2)
            index += BoxForm.attributes.count
            start = index
        }
        put(literal[start...])
        literal.removeAll(keepingCapacity: true)
    }

    private mutating func put(_ bytes: ArraySlice<UInt8>) {
        guard !bytes.isEmpty else { return }
        out.varint(UInt64(bytes.count) << 2)
        out.raw(Array(bytes))
    }
}

/// Reads a form in runs of any size.
package struct BoxFormReader {
    /// It is not a form, or not all of one.
    package struct Damaged: Error, Equatable {}

    private var held: [UInt8] = []
    private var hasFormat = false

    package init() {}

    package mutating func feed<E: Error>(
        _ run: ArraySlice<UInt8>, _ give: (BoxForm.Piece) throws(E) -> Void
    ) throws(E) -> Bool {
        held += run
        var rest = held[...]
        if !hasFormat {
            guard let format = rest.popFirst() else { return true }
            guard format == BoxForm.format else { return false }
            hasFormat = true
        }
        while true {
            var next = rest
            guard let head = Self.varint(&next) else {
                guard rest.count < 10 else { return false }
                break
            }
            let number = head >> 2
            switch head & 3 {
            case 0:
                guard number <= UInt64(BoxForm.literalBytesMax) else { return false }
                guard next.count >= Int(number) else {
                    held = Array(rest)
                    return true
                }
                try give(.literal(next.prefix(Int(number))))
                rest = next.dropFirst(Int(number))
            case 1:
                guard let digest = ContentDigest(next.prefix(32)) else {
                    held = Array(rest)
                    return true
                }
                try give(.content(digest, bytes: number))
                rest = next.dropFirst(32)
            case 2:
                guard let bytes = BoxForm.attributes(mode: number) else { return false }
                try give(.literal(bytes[...]))
                rest = next
            default:
                return false
            }
        }
        held = Array(rest)
        return true
    }

    /// Whether it ended where a form can.
    package var isWhole: Bool { hasFormat && held.isEmpty }

    private static func varint(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 63, by: 7) {
            guard let byte = rest.popFirst() else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }
}
