// A log line is one line, whoever's words are in it, and no place can fill the disk with it.

import Chassis
import Logging
import Testing

@Suite("Log")
struct LogTests {
    private func line(_ message: String, _ fields: [(name: String, value: String)] = []) -> LogLine
    {
        LogLine(level: .notice, message: message, fields: fields, file: "F.swift", line: 3)
    }

    @Test("A line has its time, level, program, message and fields")
    func form() {
        let text = line("ready", [("version", "1.2"), ("why", "a \"b\" c")]).text(
            program: "box-builder", realtimeNanoseconds: 1_709_210_096_007_000_000)
        #expect(
            text
                == "2024-02-29T12:34:56.007Z notice box-builder: ready version=1.2 why=\"a \\\"b\\\" c\"\n"
        )
    }

    @Test("A value with a line end stays one line and cannot pose as another")
    func injection() {
        let text = line("peer said\nREADY=1", [("name", "x\n2024 error fake: y\u{1B}[2J")]).text(
            program: "p", realtimeNanoseconds: 0)
        #expect(text.split(separator: "\n").count == 1)
        #expect(!text.contains("\u{1B}"))
        #expect(text.contains("\\x0a"))
    }

    @Test("A long value is cut")
    func long() {
        let text = line("m", [("v", String(repeating: "x", count: 100_000))]).text(
            program: "p", realtimeNanoseconds: 0)
        #expect(text.utf8.count < 5_000)
    }

    @Test("The journal gets the fields under our prefix, in its spelling")
    func journal() {
        let entries = line("m", [("exit-code", "7")]).journalEntries(program: "box-builder")
        #expect(entries.contains("MESSAGE=m exit-code=7"))
        #expect(entries.contains("PRIORITY=5"))
        #expect(entries.contains("SYSLOG_IDENTIFIER=celaut-box-builder"))
        #expect(entries.contains("CELAUT_EXIT_CODE=7"))
    }

    @Test("What looks like a secret by its name is not written")
    func secrets() {
        for name in ["token", "accessToken", "node-secret", "PASSWORD"] {
            #expect(LogLine.isSecret(name))
        }
        #expect(!LogLine.isSecret("instance"))
    }

    @Test("One place may write 20 lines in 10 seconds, and the lost ones are counted")
    func repeats() {
        var guardian = RepeatGuard()
        let passed = (0..<100).filter {
            guardian.admit(file: "a", line: 1, now: UInt64($0)) != nil
        }
        #expect(passed == Array(0..<20))
        #expect(guardian.admit(file: "a", line: 2, now: 100) == 0)
        #expect(guardian.admit(file: "a", line: 1, now: 10_000_000_000) == 80)
        #expect(guardian.admit(file: "a", line: 1, now: 10_000_000_001) == 0)
    }
}
