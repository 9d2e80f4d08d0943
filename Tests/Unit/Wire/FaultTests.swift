// Faults on the wire: they fit a frame whatever they are about, and unknown ones pass through.

import Interfaces
import Testing
import Wire

@Suite("Faults")
struct FaultTests {
    @Test("a fault is the same after it was sent")
    func roundTrip() throws {
        let fault = Fault(
            .invalid, reason: .outOfRange, subject: "slots[0].port", limit: 65_535, actual: 70_000,
            lines: ["one", "", "drei"])
        let body = try Body.encode(fault.message)
        let received: WireFault = try Body.decode(answer: body)
        #expect(Fault(received) == fault)
    }

    @Test("a fault with a subject of 70,000 bytes and a flood of lines fits a frame")
    func cut() throws {
        let fault = Fault(
            .invalid, reason: .nameTooLong, subject: String(repeating: "ä", count: 35_000),
            lines: (0..<1_000).map { "\($0) " + String(repeating: "€", count: 5_000) })
        let message = fault.message
        let body = try Body.encode(message)
        #expect(body.count < WireLimits.bodyBytesMax)
        #expect(message.subject.utf8.count == WireLimits.subjectBytesMax)
        #expect(message.lines.count == WireLimits.faultLinesMax)
        // The last lines are those that say why.
        #expect(message.lines.first?.hasPrefix("960 ") == true)
        let longest = message.lines.map(\.utf8.count).max()
        #expect((longest ?? 0) <= WireLimits.faultLineBytesMax)
    }

    @Test(
        "text is cut between two scalars",
        arguments: [
            ("abc", 3, "abc"), ("abcd", 3, "abc"), ("aä", 2, "a"), ("aä", 3, "aä"), ("€", 2, ""),
            ("x😀", 4, "x"), ("x😀", 5, "x😀"), ("", 0, ""), ("a", 0, ""),
        ])
    func cutBetweenScalars(text: String, bytesMax: Int, expected: String) {
        #expect(text.cut(toBytes: bytesMax) == expected)
    }

    @Test("a code of a later revision is kept, not refused")
    func unknownCode() throws {
        var message = WireFault()
        message.code = .UNRECOGNIZED(900)
        message.reason = .UNRECOGNIZED(901)
        let received: WireFault = try Body.decode(answer: Body.encode(message))
        #expect(Fault(received).code == .UNRECOGNIZED(900))
        #expect(Fault(received).message == message)
    }
}
