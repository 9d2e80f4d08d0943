// Every message of every schema under cut, flipped and random bytes. Whatever comes, the decoder
// gives a message that survives being written and read again, or refuses; it refuses every body
// that ends inside a field; and decoders that are broken on purpose are found out.

import Interfaces
import SwiftProtobuf
import Testing
import Wire

/// A decoder of bodies: what the checks below are made against.
typealias BodyDecoder = @Sendable (any Message.Type, [UInt8]) -> (any Message)?

/// What must hold of any decoder.
struct MessageCheck {
    let decode: BodyDecoder

    static let real = MessageCheck { type, body in
        func decode<M: Message>(_ type: M.Type) -> (any Message)? {
            let message: M? = try? Body.decode(request: body)
            return message
        }
        return decode(type)
    }

    /// A message that was accepted is the same after it was written and read.
    func finding(_ body: [UInt8], as type: any Message.Type) -> String? {
        guard let message = decode(type, body) else { return nil }
        let written: [UInt8]
        do {
            written = try message.serializedBytes(partial: true)
        } catch {
            return "\(type.protoMessageName) cannot be written: \(error)"
        }
        guard let again = decode(type, written) else {
            return "\(type.protoMessageName) cannot be read again"
        }
        guard again.isEqualTo(message: message) else {
            return "\(type.protoMessageName) is another after it was written"
        }
        return nil
    }

    /// The same for the message that a frame's header declares.
    func finding(_ body: [UInt8], of header: FrameHeader) -> String? {
        guard let type = Self.type(of: header) else { return nil }
        return finding(body, as: type)
    }

    /// Everything found in every cut and flip of a body that is good.
    func findings(_ body: [UInt8], as type: any Message.Type) -> [String] {
        let ends = FieldEnds.of(body)
        var findings: [String] = []
        for cut in Mutation.cuts(body) where (decode(type, cut) != nil) != ends.contains(cut.count)
        {
            findings.append("\(type.protoMessageName) cut at \(cut.count) of \(body.count)")
        }
        for index in body.indices {
            findings += Mutation.flips(body, at: index).compactMap { finding($0, as: type) }
        }
        return findings
    }

    static func type(of header: FrameHeader) -> (any Message.Type)? {
        switch header.kind {
        case .hello: return WireHello.self
        case .goodbye: return WireGoodbye.self
        case .credit: return WireCredit.self
        case .fault: return WireFault.self
        case .end, .cancel: return nil
        case .request, .reply, .item:
            let shape = Catalogue.shapes.first {
                $0.method.interface == header.interface && $0.method.ordinal == header.method
            }
            return header.kind == .request ? shape?.request : shape?.answer
        }
    }
}

/// Where the top fields of a good body end: written apart from the decoder it checks.
enum FieldEnds {
    static func of(_ body: [UInt8]) -> Set<Int> {
        var ends: Set<Int> = [0]
        var index = 0
        while index < body.count {
            let key = varint(body, &index)
            switch key & 7 {
            case 0: _ = varint(body, &index)
            case 1: index += 8
            case 2:
                let count = varint(body, &index)
                index += Int(count)
            default: index += 4
            }
            ends.insert(index)
        }
        return ends
    }

    private static func varint(_ body: [UInt8], _ index: inout Int) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while body[index] >= 0x80 {
            value |= UInt64(body[index] & 0x7F) << shift
            shift += 7
            index += 1
        }
        value |= UInt64(body[index]) << shift
        index += 1
        return value
    }
}

/// Bodies with plausible fields of any message.
struct BodyMaker {
    var generator: SplitMix

    /// Up to eight fields with numbers from 1 to 12; nested ones look the same.
    mutating func body(depth: Int = 0) -> [UInt8] {
        (0...generator.below(8)).flatMap { _ in field(depth: depth) }
    }

    private mutating func field(depth: Int) -> [UInt8] {
        let number = UInt64(1 + generator.below(12)) << 3
        switch generator.below(10) {
        case 0: return Self.varint(number | 1) + generator.bytes(8)
        case 1: return Self.varint(number | 5) + generator.bytes(4)
        case 2, 3, 4:
            return Self.varint(number)
                + Self.varint(generator.next() >> UInt64(generator.below(64)))
        default:
            let content: [UInt8]
            switch generator.below(4) {
            case 0: content = []
            case 1: content = Array("text \(generator.below(1000))".utf8)
            case 2 where depth < 4: content = body(depth: depth + 1)
            default: content = Self.varint(UInt64(generator.below(8)))
            }
            return Self.varint(number | 2) + Self.varint(UInt64(content.count)) + content
        }
    }

    static func varint(_ value: UInt64) -> [UInt8] {
        var value = value
        var bytes: [UInt8] = []
        while value >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        return bytes + [UInt8(value)]
    }
}

@Suite("Messages")
struct MessageTests {
    @Test("every cut and flip of a frozen body is refused or read as what it says")
    func everyChange() throws {
        for packet in FrozenPackets.all {
            let declared = packet.declaredDescriptors
            let header = try FrameHeader(reading: packet.span, descriptors: declared)
            guard let type = MessageCheck.type(of: header) else { continue }
            let body = packet.body
            #expect(MessageCheck.real.findings(body, as: type) == [])
        }
    }

    @Test(
        "every message is read or refused, whatever its bytes", .timeLimit(.minutes(10)),
        arguments: Seed.runs(2))
    func everyMessage(seed: Seed) {
        var maker = BodyMaker(generator: seed.generator)
        for type in Catalogue.messages {
            var good = 0
            for _ in 0..<400 {
                let body = maker.body()
                if let finding = MessageCheck.real.finding(body, as: type) {
                    Issue.record("\(seed.testDescription): \(finding) of \(body)")
                }
                guard good < 8, MessageCheck.real.decode(type, body) != nil else { continue }
                good += 1
                #expect(MessageCheck.real.findings(body, as: type) == [], "\(seed.testDescription)")
            }
            #expect(good == 8, "\(type.protoMessageName): too few good bodies")
        }
    }

    @Test("a body made to cost much costs little", arguments: Catalogue.messages.indices)
    func costlyBodies(index: Int) {
        let type = Catalogue.messages[index]
        let clock = ContinuousClock()
        for number in UInt64(1)...12 {
            let key = BodyMaker.varint(number << 3 | 2)
            let bodies: [[UInt8]] = [
                // A length of two gigabytes with nothing behind it.
                key + [0xFF, 0xFF, 0xFF, 0xFF, 0x07],
                // As many empty elements as fit.
                Self.filled(with: key + [0]),
                // As deep as fits.
                Self.nested(key),
                // Groups without an end, which no schema of ours has.
                Self.filled(with: BodyMaker.varint(number << 3 | 3)),
                // A packed list of the shortest numbers.
                key + BodyMaker.varint(65_000) + [UInt8](repeating: 1, count: 65_000),
            ]
            for body in bodies {
                let taken = clock.measure {
                    #expect(MessageCheck.real.finding(body, as: type) == nil)
                }
                #expect(taken < .seconds(60), "\(type.protoMessageName), field \(number)")
            }
        }
    }

    @Test("a body nested deeper than bodyDepthMax is refused, and one as deep is read")
    func depth() {
        func nested(_ depth: Int) -> [UInt8] {
            // Groups of field 1 within each other: the one way to nest in what no schema names.
            [UInt8](repeating: 0x0B, count: depth) + [UInt8](repeating: 0x0C, count: depth)
        }
        let limit = WireLimits.bodyDepthMax
        #expect(MessageCheck.real.decode(GetStatusRequest.self, nested(limit - 1)) != nil)
        #expect(MessageCheck.real.decode(GetStatusRequest.self, nested(limit + 1)) == nil)
    }

    @Test("a decoder that overlooks something is found out", arguments: Self.broken.indices)
    func brokenDecoderIsFound(index: Int) throws {
        let check = MessageCheck(decode: Self.broken[index])
        let found = try FrozenPackets.all.contains { packet in
            let declared = packet.declaredDescriptors
            let header = try FrameHeader(reading: packet.span, descriptors: declared)
            guard let type = MessageCheck.type(of: header) else { return false }
            return !check.findings(packet.body, as: type).isEmpty
        }
        #expect(found)
    }

    static let broken: [BodyDecoder] = [
        // Takes what came before the cut for the whole.
        { type, body in
            for end in body.indices.reversed() + [body.count] {
                let start = MessageCheck.real.decode(type, Array(body[..<end]))
                if let start { return start }
            }
            return nil
        },
        // Gives nothing for what it cannot read.
        { type, body in MessageCheck.real.decode(type, body) ?? type.init() },
        // Refuses everything.
        { _, _ in nil },
        // Forgets a byte.
        { type, body in MessageCheck.real.decode(type, Array(body.dropLast())) },
    ]

    private static func filled(with unit: [UInt8]) -> [UInt8] {
        Array(repeatElement(unit, count: WireLimits.bodyBytesMax / unit.count).joined())
    }

    private static func nested(_ key: [UInt8]) -> [UInt8] {
        var body: [UInt8] = []
        while body.count < 16_000 {
            body = key + BodyMaker.varint(UInt64(body.count)) + body
        }
        return body
    }
}
