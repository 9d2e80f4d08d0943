/// Writes protobuf (proto3) messages: the canonical form of a service.
///
/// Keeps true: fields come in the order they are asked for (callers ask in field order), lengths
/// are the shortest varints, and a field that has its default is left out, so that equal values
/// give equal bytes. Source of the format: protobuf.dev/programming-guides/encoding.
package struct ProtoWriter: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    /// The two wire types of this model.
    package enum WireType: UInt64, Sendable {
        case varint = 0
        case bytes = 2
    }

    package mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    package mutating func tag(_ field: UInt64, _ type: WireType) {
        varint(field << 3 | type.rawValue)
    }

    /// A number; left out when 0.
    package mutating func number(_ field: UInt64, _ value: UInt64) {
        if value != 0 { always(field, number: value) }
    }

    /// A number that may be absent; 0 is written.
    package mutating func optional(_ field: UInt64, _ value: UInt64?) {
        if let value { always(field, number: value) }
    }

    package mutating func flag(_ field: UInt64, _ value: Bool) {
        number(field, value ? 1 : 0)
    }

    /// Text; left out when empty.
    package mutating func text(_ field: UInt64, _ value: String) {
        if !value.isEmpty { always(field, text: value) }
    }

    /// Texts, each written, empty or not.
    package mutating func texts(_ field: UInt64, _ values: [String]) {
        for value in values { always(field, text: value) }
    }

    /// Bytes; left out when empty.
    package mutating func blob(_ field: UInt64, _ value: [UInt8]) {
        if !value.isEmpty { always(field, blob: value) }
    }

    /// A message that may be absent; one that is there and says nothing is written.
    package mutating func message(_ field: UInt64, _ value: (some ProtoMessage)?) {
        if let value { always(field, blob: value.encoded()) }
    }

    /// A message that is left out when it says nothing.
    package mutating func spoken(_ field: UInt64, _ value: some ProtoMessage) {
        blob(field, value.encoded())
    }

    package mutating func messages(_ field: UInt64, _ values: [some ProtoMessage]) {
        for value in values { always(field, blob: value.encoded()) }
    }

    /// A map as repeated {key = 1, value = 2}, sorted by the key's UTF-8; both are always written.
    package mutating func map<Value>(
        _ field: UInt64, _ values: TextMap<Value>, _ value: (Value) -> [UInt8]
    ) {
        for (key, element) in values { pair(field, key, value(element)) }
    }

    /// One entry of a map.
    package mutating func pair(_ field: UInt64, _ key: String, _ value: [UInt8]) {
        head(
            field,
            length: Self.fieldLength(1, content: UInt64(key.utf8.count))
                + Self.fieldLength(2, content: UInt64(value.count)))
        always(1, text: key)
        always(2, blob: value)
    }

    package mutating func map(_ field: UInt64, _ values: TextMap<[UInt8]>) {
        map(field, values) { $0 }
    }

    package mutating func always(_ field: UInt64, number value: UInt64) {
        tag(field, .varint)
        varint(value)
    }

    package mutating func always(_ field: UInt64, text value: String) {
        tag(field, .bytes)
        varint(UInt64(value.utf8.count))
        bytes.append(contentsOf: value.utf8)
    }

    package mutating func always(_ field: UInt64, blob value: [UInt8]) {
        tag(field, .bytes)
        varint(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    /// The tag and length of a field whose content follows.
    package mutating func head(_ field: UInt64, length: UInt64) {
        tag(field, .bytes)
        varint(length)
    }

    /// Bytes that are fields already.
    package mutating func raw(_ fields: [UInt8]) {
        bytes.append(contentsOf: fields)
    }

    /// Starts anew, in the same memory.
    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
    }

    /// The bytes of a varint.
    package static func varintLength(_ value: UInt64) -> UInt64 {
        UInt64((max(1, UInt64.bitWidth - value.leadingZeroBitCount) + 6) / 7)
    }

    /// The bytes of a length-delimited field with its tag, for a content of `length` bytes.
    package static func fieldLength(_ field: UInt64, content length: UInt64) -> UInt64 {
        varintLength(field << 3 | WireType.bytes.rawValue) + varintLength(length) + length
    }
}
