/// A protobuf that is not what it should be.
package enum ProtoError: Error, Equatable, Sendable {
    /// The bytes end inside a field; the message's name.
    case truncated(String)
    /// A tag, varint or text that cannot be; the message's name.
    case malformed(String)
    /// A field has another wire type than its declared one.
    case wrongType(String, field: UInt64)
    /// More bytes, or more fields, than the bound.
    case tooLarge(limit: Int, actual: Int)
}

/// A value with a protobuf form.
package protocol ProtoMessage: Sendable, Equatable {
    init()
    /// Takes one field. Unknown fields are passed over (WIRE.md §3: never refused).
    mutating func take(_ field: inout ProtoField) throws(ProtoError)
    func write(to writer: inout ProtoWriter)
}

extension ProtoMessage {
    package func encoded() -> [UInt8] {
        var writer = ProtoWriter()
        write(to: &writer)
        return writer.bytes
    }

    /// - Throws: what is wrong with the bytes. Fields that are not known are ignored.
    package init(decoding bytes: [UInt8]) throws(ProtoError) {
        guard bytes.count <= ProtoField.messageBytesMax else {
            throw .tooLarge(limit: ProtoField.messageBytesMax, actual: bytes.count)
        }
        try self.init(decoding: bytes[...])
    }

    init(decoding bytes: ArraySlice<UInt8>) throws(ProtoError) {
        var budget = FieldBudget()
        try self.init(decoding: bytes, &budget)
    }

    init(
        decoding bytes: ArraySlice<UInt8>, _ budget: inout FieldBudget
    ) throws(ProtoError) {
        self.init()
        try decode(bytes, &budget)
    }

    /// A repeated occurrence of a message field merges into the first, as protobuf asks.
    mutating func decode(
        _ bytes: ArraySlice<UInt8>, _ budget: inout FieldBudget
    ) throws(ProtoError) {
        var rest = bytes
        while !rest.isEmpty {
            var field = try ProtoField(taking: &rest, of: "\(Self.self)")
            try budget.charge()
            field.budget = budget
            try take(&field)
            budget = field.budget
        }
    }
}

/// How many fields a message may still have, those of the messages in it counted. A field of two bytes
/// becomes a value of up to a hundred: a bound on bytes alone is none on what is held.
package struct FieldBudget: Equatable, Sendable {
    // LIMIT: fields of a message: twice those of a service, which is the largest there is, for what is
    // told beside it.
    package static let fieldsMax = 2 * Service.fieldsMax

    private let most: Int
    private var left: Int

    package init(_ most: Int = fieldsMax) {
        self.most = most
        left = most
    }

    /// - Throws: TOO_LARGE with the bound.
    mutating func charge(_ count: Int = 1) throws(ProtoError) {
        guard count <= left else { throw .tooLarge(limit: most, actual: most - left + count) }
        left -= count
    }
}

/// One field as it stands in the bytes.
///
/// Refuses: groups, tags without a field number, varints of more than ten bytes, lengths past the
/// end, text that is not UTF-8.
package struct ProtoField {
    // LIMIT: a description without its filesystem. What a person writes is kilobytes; the rest is
    // room for formal definitions. It is held in memory and passed as one memfd.
    package static let messageBytesMax = 4 << 20

    package let number: UInt64
    /// What the messages in it may have.
    var budget = FieldBudget()
    private let owner: String
    private let value: Value

    private enum Value {
        case varint(UInt64)
        case bytes(ArraySlice<UInt8>)
        case fixed
    }

    /// Of its own in the program: each message would have a copy of it.
    @inline(never)
    init(taking rest: inout ArraySlice<UInt8>, of owner: String) throws(ProtoError) {
        self.owner = owner
        let key = try Self.varint(&rest, owner)
        number = key >> 3
        guard number > 0, number < 1 << 29 else { throw .malformed(owner) }
        switch key & 7 {
        case 0: value = .varint(try Self.varint(&rest, owner))
        case 1: value = .fixed; _ = try Self.bytes(&rest, 8, owner)
        case 5: value = .fixed; _ = try Self.bytes(&rest, 4, owner)
        case 2:
            let length = try Self.varint(&rest, owner)
            value = .bytes(try Self.bytes(&rest, length, owner))
        default: throw .malformed(owner)
        }
    }

    package func unsigned() throws(ProtoError) -> UInt64 {
        guard case .varint(let value) = value else { throw .wrongType(owner, field: number) }
        return value
    }

    package func flag() throws(ProtoError) -> Bool { try unsigned() != 0 }

    package func slice() throws(ProtoError) -> ArraySlice<UInt8> {
        guard case .bytes(let bytes) = value else { throw .wrongType(owner, field: number) }
        return bytes
    }

    package func blob() throws(ProtoError) -> [UInt8] { Array(try slice()) }

    package func text() throws(ProtoError) -> String {
        guard let text = String(validating: try slice(), as: UTF8.self) else {
            throw .malformed(owner)
        }
        return text
    }

    package mutating func message<M: ProtoMessage>(_: M.Type = M.self) throws(ProtoError) -> M {
        try M(decoding: try slice(), &budget)
    }

    /// A message that is the value of an entry of this field's map.
    package mutating func message<M: ProtoMessage>(
        in value: ArraySlice<UInt8>, _: M.Type = M.self
    ) throws(ProtoError) -> M {
        try M(decoding: value, &budget)
    }

    /// Merges into what is there, as a message field that comes twice must.
    package mutating func merge<M: ProtoMessage>(into value: inout M?) throws(ProtoError) {
        // Not held twice: what is appended to would be copied each time the field comes again.
        var merged = value.take() ?? M()
        try merged.decode(try slice(), &budget)
        value = merged
    }

    package mutating func merge<M: ProtoMessage>(into value: inout M) throws(ProtoError) {
        try value.decode(try slice(), &budget)
    }

    /// Numbers that are packed into one field, or one that is not.
    package mutating func packedNumbers() throws(ProtoError) -> [UInt64] {
        guard case .bytes(var rest) = value else { return [try unsigned()] }
        var numbers: [UInt64] = []
        while !rest.isEmpty {
            try budget.charge()
            numbers.append(try Self.varint(&rest, owner))
        }
        return numbers
    }

    /// One entry of a map.
    package func entry() throws(ProtoError) -> (key: String, value: ArraySlice<UInt8>) {
        var rest = try slice()
        var key = ""
        var value: ArraySlice<UInt8> = []
        while !rest.isEmpty {
            let field = try ProtoField(taking: &rest, of: owner)
            if field.number == 1 { key = try field.text() }
            if field.number == 2 { value = try field.slice() }
        }
        return (key, value)
    }

    private static func varint(
        _ rest: inout ArraySlice<UInt8>, _ owner: String
    ) throws(ProtoError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = rest.popFirst() else { throw .truncated(owner) }
            if shift == 63 && byte > 1 { throw .malformed(owner) }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw .malformed(owner)
    }

    private static func bytes(
        _ rest: inout ArraySlice<UInt8>, _ length: UInt64, _ owner: String
    ) throws(ProtoError) -> ArraySlice<UInt8> {
        guard length <= UInt64(rest.count) else { throw .truncated(owner) }
        let taken = rest.prefix(Int(length))
        rest = rest.dropFirst(Int(length))
        return taken
    }
}
