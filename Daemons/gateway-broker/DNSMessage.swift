/// A question in the name system and the answer to it (RFC 1035), as far as an instance needs them:
/// one question, addresses as answers. Pure.
///
/// It keeps true: no question makes more than one datagram of at most 512 bytes; nothing is followed
/// or looked up; what is no question gets no answer.
package enum DNSMessage {
    // LIMIT: 512 bytes of a datagram (RFC 1035 §2.3.4); larger ones need what is not offered here.
    package static let bytesMax = 512
    // LIMIT: 15 addresses: with the longest name they fill 511 bytes.
    package static let addressesMax = 15
    // LIMIT: 255 bytes of a name as it is sent (RFC 1035 §2.3.4).
    private static let nameBytesMax = 255
    // LIMIT: 5 s for which an answer holds: peers come and go.
    private static let timeToLive: UInt32 = 5
    private static let headerBytes = 12

    package struct Question: Sendable, Equatable {
        package let id: UInt16
        /// In lower case, without the dot at the end; empty for the root.
        package let name: String
        package let type: UInt16
        package let kind: UInt16
        package let wantsRecursion: Bool
        /// The question as it came, which the answer repeats.
        package let bytes: [UInt8]
    }

    package enum Request: Sendable, Equatable {
        case question(Question)
        /// To be answered with this code: it is a request, and not one that is understood.
        case refused(id: UInt16, code: UInt8)
        /// An answer, or too short for anything.
        case none
    }

    /// RFC 1035 §4.1.1.
    package enum Code {
        package static let noError: UInt8 = 0
        package static let formatError: UInt8 = 1
        package static let noSuchName: UInt8 = 3
        package static let notImplemented: UInt8 = 4
    }

    package static let typeAddress: UInt16 = 1
    package static let kindInternet: UInt16 = 1

    package static func read(_ bytes: [UInt8]) -> Request {
        guard bytes.count >= headerBytes, bytes.count <= bytesMax else { return .none }
        let id = number(bytes, 0)
        let flags = number(bytes, 2)
        guard flags & 0x8000 == 0 else { return .none }
        // Anything but a standard query.
        guard flags & 0x7800 == 0 else { return .refused(id: id, code: Code.notImplemented) }
        guard number(bytes, 4) == 1, number(bytes, 6) == 0 else {
            return .refused(id: id, code: Code.formatError)
        }
        // What follows the question (EDNS) asks for no more than is given anyway.
        guard let (name, end) = name(bytes), end + 4 <= bytes.count else {
            return .refused(id: id, code: Code.formatError)
        }
        return .question(
            Question(
                id: id, name: name, type: number(bytes, end), kind: number(bytes, end + 2),
                wantsRecursion: flags & 0x0100 != 0, bytes: Array(bytes[headerBytes..<(end + 4)])))
    }

    /// The name after the header, and where it ends. A question has no pointers: nothing was said
    /// before it that one could point to.
    private static func name(_ bytes: [UInt8]) -> (String, Int)? {
        var labels: [String] = []
        var place = headerBytes
        while place < bytes.count, place - headerBytes < nameBytesMax {
            let count = Int(bytes[place])
            place += 1
            if count == 0 { return (labels.joined(separator: "."), place) }
            guard count <= HostName.labelBytesMax, place + count <= bytes.count else { return nil }
            let label = bytes[place..<(place + count)]
            // A dot or a control character in a label would read as something else.
            guard label.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ".") }) else {
                return nil
            }
            labels.append(String(decoding: label, as: UTF8.self).lowercased())
            place += count
        }
        return nil
    }

    /// - Parameter addresses: nil where there is no such name.
    package static func answer(_ question: Question, _ addresses: [UInt32]?) -> [UInt8] {
        let isAsked = question.type == typeAddress && question.kind == kindInternet
        let told = isAsked ? (addresses ?? []).prefix(addressesMax) : []
        let code = addresses == nil ? Code.noSuchName : Code.noError
        var bytes = header(
            question.id, code, answers: UInt16(told.count), questions: 1,
            recursion: question.wantsRecursion)
        bytes += question.bytes
        for address in told {
            // The name is the one at the start of the question.
            put(0xC000 | UInt16(headerBytes), into: &bytes)
            put(typeAddress, into: &bytes)
            put(kindInternet, into: &bytes)
            put(UInt16(timeToLive >> 16), into: &bytes)
            put(UInt16(truncatingIfNeeded: timeToLive), into: &bytes)
            put(4, into: &bytes)
            put(UInt16(address >> 16), into: &bytes)
            put(UInt16(truncatingIfNeeded: address), into: &bytes)
        }
        return bytes
    }

    package static func refusal(id: UInt16, code: UInt8) -> [UInt8] {
        header(id, code, answers: 0, questions: 0, recursion: false)
    }

    /// An answer with authority: nobody else knows these names.
    private static func header(
        _ id: UInt16, _ code: UInt8, answers: UInt16, questions: UInt16, recursion: Bool
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        put(id, into: &bytes)
        put(0x8400 | (recursion ? 0x0180 : 0) | UInt16(code & 0x0F), into: &bytes)
        put(questions, into: &bytes)
        put(answers, into: &bytes)
        put(0, into: &bytes)
        put(0, into: &bytes)
        return bytes
    }

    private static func number(_ bytes: [UInt8], _ place: Int) -> UInt16 {
        UInt16(bytes[place]) << 8 | UInt16(bytes[place + 1])
    }

    private static func put(_ number: UInt16, into bytes: inout [UInt8]) {
        bytes.append(UInt8(truncatingIfNeeded: number >> 8))
        bytes.append(UInt8(truncatingIfNeeded: number))
    }
}
