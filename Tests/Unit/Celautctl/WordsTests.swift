// Figures, written for people and read from them.

import Interfaces
import Testing
import celautctl

@Suite struct WordsTests {
    @Test(
        "Bytes are written in the largest unit that keeps them at 1 or more",
        arguments: [
            (0, "0 B"), (1_023, "1023 B"), (1_024, "1.0 KiB"), (1_536, "1.5 KiB"),
            (67_108_864, "64.0 MiB"), (1_048_575, "1.0 MiB"), (5_368_709_120, "5.0 GiB"),
            (UInt64.max, "16.0 EiB"),
        ] as [(UInt64, String)])
    func bytes(_ count: UInt64, _ text: String) {
        #expect(Words.bytes(count) == text)
    }

    @Test(
        "Sizes are read with their unit",
        arguments: [
            ("64M", 67_108_864), ("64MiB", 67_108_864), ("1.5G", 1_610_612_736), ("65536", 65_536),
            ("512k", 524_288), ("10MB", 10_000_000), ("0", 0),
        ] as [(String, UInt64)])
    func parsedBytes(_ text: String, _ bytes: UInt64) {
        #expect(Words.parseBytes(text) == bytes)
    }

    @Test(
        "What is no size is refused",
        arguments: [
            "", "M", "-1", "64X", "1..5M", "64 M", "99999999999G", "1e9", "٦٤M", "NaN", "inf",
        ])
    func refusedBytes(_ text: String) {
        #expect(Words.parseBytes(text) == nil)
    }

    @Test(
        "Times are read with their unit, in seconds without one",
        arguments: [
            ("30", 30_000), ("30s", 30_000), ("500ms", 500), ("2m", 120_000), ("1h", 3_600_000),
        ] as [(String, UInt64)])
    func parsedTimes(_ text: String, _ milliseconds: UInt64) {
        #expect(Words.parseMilliseconds(text) == milliseconds)
    }

    @Test("What is no time is refused", arguments: ["", "s", "-1s", "1.5s", "10d", "99999999999"])
    func refusedTimes(_ text: String) {
        #expect(Words.parseMilliseconds(text) == nil)
    }

    @Test(
        "Times are written in one or two units",
        arguments: [
            (0, "0 ms"), (950, "950 ms"), (2_500, "2.5 s"), (59_999, "59.9 s"),
            (200_000, "3 m 20 s"),
            (7_500_000, "2 h 5 m"), (349_200_000, "4 d 1 h"),
        ] as [(UInt64, String)])
    func times(_ milliseconds: UInt64, _ text: String) {
        #expect(Words.duration(milliseconds: milliseconds) == text)
    }

    @Test("A text of somebody else neither moves the cursor nor turns its own order around")
    func printable() {
        #expect(Words.printable("a\u{1B}[2Jb\nc") == "a\u{FFFD}[2Jb\u{FFFD}c")
        #expect(Words.printable("evil\u{202E}fdp.exe\u{2066}") == "evil\u{FFFD}fdp.exe\u{FFFD}")
        #expect(Words.printableLines("one\n\ttwo\u{200F}") == "one\n\ttwo\u{FFFD}")
        #expect(Words.printable("שלום é 👩‍🔬") == "שלום é 👩‍🔬")
    }

    @Test("Columns are aligned, and nothing stands after the last")
    func columns() {
        let rows = Printer.aligned([["NAME", "SIZE"], ["a", "1"], ["longer", "22"]])
        #expect(rows == ["NAME    SIZE", "a       1", "longer  22"])
    }

    @Test("A table that does not fit a terminal is shortened where it may be, as much as needed")
    func narrow() {
        let name = "registry.example/images/web-server:1.2"
        let rows = [
            ["ID", "TAGS", "SIZE", "ENTRYPOINT"], ["0123456789abcdef", name, "3 B", "/bin/serve"],
        ]
        #expect(Printer.aligned(rows, within: nil, yielding: [1, 3])[1].contains(name))
        #expect(Printer.aligned(rows, within: 74, yielding: [1, 3]) == Printer.aligned(rows))
        for columns in [51, 60, 73] {
            let lines = Printer.aligned(rows, within: columns, yielding: [1, 3])
            #expect(lines[1].count == columns, "\(lines)")
            #expect(lines[1].contains("registr") && lines[1].contains("1.2  3 B   /bin/serve"))
            #expect(lines[0].contains("  SIZE  ENTRYPOINT"))
        }
        // Nothing is left to be shortened: everything else stays whole.
        let least = Printer.aligned(rows, within: 10, yielding: [1, 3])[1]
        #expect(least == "0123456789abcdef  registr…ver:1.2  3 B   /bin/serve")
        let path = [["a", "/opt/application/bin/serve"]]
        #expect(Printer.aligned(path, within: 20, yielding: [0, 1]) == ["a  /opt/app…in/serve"])
    }

    @Test(
        "A command ends as its service did",
        arguments: [
            (EndCause.exited, 3, 0, 3), (.exited, 0, 0, 0), (.signalled, 0, 11, 139),
            (.outOfMemory, 0, 9, 137), (.stopped, 0, 15, 0), (.lost, 0, 0, 1),
            (.startFailed, 0, 0, 1),
        ] as [(EndCause, UInt32, UInt32, Int32)])
    func endings(_ cause: EndCause, _ code: UInt32, _ signal: UInt32, _ expected: Int32) {
        var ended = Ended()
        ended.cause = cause
        ended.exitCode = code
        ended.signal = signal
        #expect(EndReport(ended).processCode == expected)
        #expect(!EndReport(ended).words.isEmpty)
    }
}
