// Questions for names: what is understood, what is answered, and that nothing else is.

import Testing
import gateway_broker

@Suite("A question for a name") struct DNSMessageTests {
    static func question(_ name: String, type: UInt16 = 1, id: UInt16 = 7) -> [UInt8] {
        var bytes: [UInt8] = [UInt8(id >> 8), UInt8(id & 0xFF), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        for label in name.split(separator: ".") {
            bytes.append(UInt8(label.utf8.count))
            bytes += label.utf8
        }
        return bytes + [0, UInt8(type >> 8), UInt8(type & 0xFF), 0, 1]
    }

    static func read(_ bytes: [UInt8]) throws -> DNSMessage.Question {
        guard case .question(let question) = DNSMessage.read(bytes) else {
            throw DescriptionOfNothing()
        }
        return question
    }

    struct DescriptionOfNothing: Error {}

    @Test("is understood, its name in lower case, whatever follows it")
    func understood() throws {
        let question = try Self.read(Self.question("WWW.Example.org") + [0, 0, 41, 4, 208])
        #expect(question.name == "www.example.org")
        #expect(question.id == 7 && question.type == 1 && question.kind == 1)
        #expect(question.wantsRecursion)
    }

    @Test("is answered with the addresses, and the question before them")
    func answered() throws {
        let asked = Self.question("a.b")
        let answer = DNSMessage.answer(try Self.read(asked), [0x0A42_0001])
        let head: [UInt8] = [0, 7, 0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]
        let record: [UInt8] = [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 66, 0, 1]
        #expect(answer == head + asked[12...] + record)
    }

    @Test("for anything but an address has no answer, and the name is there")
    func otherType() throws {
        let answer = DNSMessage.answer(try Self.read(Self.question("a.b", type: 28)), [1])
        #expect(answer[3] & 0x0F == DNSMessage.Code.noError && answer[7] == 0)
    }

    @Test("for a name that was not given says that there is none")
    func unknownName() throws {
        let answer = DNSMessage.answer(try Self.read(Self.question("a.b")), nil)
        #expect(answer[3] & 0x0F == DNSMessage.Code.noSuchName && answer[7] == 0)
    }

    @Test("never makes an answer longer than a datagram may be")
    func longest() throws {
        let name = Array(repeating: String(repeating: "a", count: 62), count: 4)
            .joined(separator: ".").prefix(253)
        let answer = DNSMessage.answer(
            try Self.read(Self.question(String(name))), (0..<100).map { $0 })
        #expect(answer.count <= DNSMessage.bytesMax)
        #expect(answer[7] == UInt8(DNSMessage.addressesMax))
    }

    @Test(
        "that is none is refused, or not answered at all",
        arguments: [
            ([], .none), (Array(question("a").prefix(11)), .none),
            // An answer, so that two servers do not talk to each other for ever.
            ([0, 7, 0x81] + question("a").dropFirst(3), .none),
            ([UInt8](repeating: 0, count: 513), .none),
            // Another operation; two questions; a name that goes on past the end; a pointer.
            (
                [0, 7, 0x29] + question("a").dropFirst(3),
                .refused(id: 7, code: DNSMessage.Code.notImplemented)
            ),
            (
                question("a").prefix(5) + [2] + question("a").dropFirst(6),
                .refused(id: 7, code: DNSMessage.Code.formatError)
            ),
            (
                question("a").prefix(12) + [9, 65],
                .refused(id: 7, code: DNSMessage.Code.formatError)
            ),
            (
                question("a").prefix(12) + [0xC0, 12, 0, 1, 0, 1],
                .refused(id: 7, code: DNSMessage.Code.formatError)
            ),
            // A dot inside a label; a name without its type.
            (
                question("a").prefix(12) + [3, 97, 46, 98, 0, 0, 1, 0, 1],
                .refused(id: 7, code: DNSMessage.Code.formatError)
            ),
            (
                question("a").prefix(12) + [1, 97, 0, 0, 1, 0],
                .refused(id: 7, code: DNSMessage.Code.formatError)
            ),
        ] as [([UInt8], DNSMessage.Request)])
    func refused(_ bytes: [UInt8], _ expected: DNSMessage.Request) {
        #expect(DNSMessage.read(bytes) == expected)
    }

    @Test("with a name of more than 255 bytes is refused")
    func longName() {
        let name = Array(repeating: String(repeating: "a", count: 62), count: 5)
            .joined(separator: ".")
        #expect(
            DNSMessage.read(Self.question(name))
                == .refused(id: 7, code: DNSMessage.Code.formatError))
    }

    @Test("of any bytes is read without harm, and what is read is within its bounds")
    func anyBytes() {
        var generator = SeededGenerator(seed: 0x0D45)
        let sample = Self.question("some.name.example.org")
        for round in 0..<50_000 {
            var bytes = sample
            if round % 3 == 0 {
                bytes = (0..<Int.random(in: 0...600, using: &generator)).map { _ in
                    UInt8.random(in: 0...255, using: &generator)
                }
            } else {
                for _ in 0..<Int.random(in: 1...6, using: &generator) {
                    bytes[Int.random(in: 2..<bytes.count, using: &generator)] =
                        UInt8.random(in: 0...255, using: &generator)
                }
                if round % 3 == 1 {
                    bytes.removeLast(Int.random(in: 0...bytes.count, using: &generator))
                }
            }
            guard case .question(let question) = DNSMessage.read(bytes) else { continue }
            #expect(question.name.utf8.count <= HostName.bytesMax)
            #expect(question.bytes.count <= 255 + 4)
            #expect(DNSMessage.answer(question, [1, 2, 3]).count <= DNSMessage.bytesMax)
        }
    }
}
