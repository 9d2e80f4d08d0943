// Every condition a daemon can answer has words of its own, and something to do about it.

import Interfaces
import Testing
import celautctl

@Suite struct FaultSentenceTests {
    private static let subject = "lib/evil"

    @Test("Every code has a sentence, a hint and an exit code", arguments: Fault.Code.allCases)
    func codes(_ code: Fault.Code) {
        let words = FaultSentence(Fault(code, subject: Self.subject))
        #expect(words.text.count > 10 && words.text.hasSuffix("."))
        #expect(words.hint.count > 5 && words.hint.hasSuffix("."))
        #expect(ExitCode(Fault(code)) != .success)
    }

    @Test("Every reason has words with every code", arguments: Fault.Reason.allCases)
    func reasons(_ reason: Fault.Reason) {
        for code in Fault.Code.allCases {
            let words = FaultSentence(Fault(code, reason: reason, subject: Self.subject))
            #expect(words.text.hasSuffix(".") && !words.text.contains("nspecified"))
            #expect(words.hint.count > 5)
            if code != .invalid && reason != .unspecified {
                let plain = FaultSentence(Fault(code, subject: Self.subject))
                #expect(words.text.count > plain.text.count, "the reason adds to the sentence")
            }
        }
    }

    @Test("No two codes have the same sentence, nor two reasons")
    func distinct() {
        let codes = Fault.Code.allCases.map { FaultSentence(Fault($0, subject: "x")).text }
        #expect(Set(codes).count == codes.count)
        let reasons = Fault.Reason.allCases.map {
            FaultSentence(Fault(.invalid, reason: $0, subject: "x", limit: 1, actual: 2)).text
        }
        #expect(Set(reasons).count == reasons.count)
    }

    @Test("What is at fault is named, except where nothing is", arguments: Fault.Reason.allCases)
    func namesTheSubject(_ reason: Fault.Reason) {
        let words = FaultSentence(Fault(.invalid, reason: reason, subject: Self.subject))
        #expect(words.text.contains(Self.subject))
    }

    @Test("Figures are said: what was found, and the bound")
    func figures() {
        let fault = Fault.invalid(.outOfRange, subject: "port", limit: 65_535, actual: 70_000)
        #expect(
            FaultSentence(fault).text
                == "\"port\" is out of range (it is 70000, and may be at most 65535).")
        let low = Fault.invalid(.belowMinimum, subject: "mem_limit", limit: 1_048_576, actual: 5)
        #expect(
            FaultSentence(low).text
                == "\"mem_limit\" is below what can run (it is 5, and must be at least 1048576).")
    }

    @Test("What a fault tells beside its subject says which of two things it is")
    func lines() {
        func words(_ reason: Fault.Reason, _ subject: String, _ lines: [String]) -> String {
            FaultSentence(Fault(.invalid, reason: reason, subject: subject, lines: lines)).text
        }
        let id = String(repeating: "5f", count: 32)
        #expect(words(.duplicate, "5f5f5f5f", [id, id]).contains("a name of several"))
        #expect(words(.duplicate, "etc/x", ["byte 9"]).contains("is there twice"))
        #expect(words(.fileMissing, "etc/x", ["etc/y"]).contains("hard link"))
        #expect(words(.fileMissing, "bin/x", []).contains("is named in service.json"))
        #expect(!words(.fileMissing, "service.json", []).contains("is named in service.json"))
    }

    @Test("A code and a reason of a newer node are said by number")
    func unknown() {
        let words = FaultSentence(Fault(.UNRECOGNIZED(99), subject: "x"))
        #expect(words.text.contains("99") && words.hint.contains("version"))
        let reason = FaultSentence(Fault(.invalid, reason: .UNRECOGNIZED(98), subject: "x"))
        #expect(reason.text.contains("98"))
    }

    @Test(
        "Scripts can tell apart what to do",
        arguments: [
            (Fault.Code.invalid, 65), (.notFound, 66), (.unavailable, 69), (.internal, 70),
            (.storageFull, 73), (.inUse, 75), (.limitReached, 75), (.forbidden, 77),
            (.unauthorized, 77), (.endedEarly, 1), (.slotClosed, 1), (.cancelled, 130),
        ] as [(Fault.Code, Int32)])
    func exitCodes(_ code: Fault.Code, _ number: Int32) {
        #expect(ExitCode(Fault(code)).rawValue == number)
    }

    @Test("The help names every exit code once", arguments: ExitCode.allCases)
    func table(_ code: ExitCode) {
        let rows = ExitCode.table.split(separator: "\n").filter {
            $0.hasPrefix("  \(code.rawValue) ")
        }
        #expect(rows.count == 1)
        #expect(rows.first?.contains(code.meaning) == true)
    }
}
