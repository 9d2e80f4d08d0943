// What `observe` shows: figures that are true, and nothing that a terminal would obey.

import Interfaces
import SwiftProtobuf
import Testing
import celautctl

@Suite("The screen of observe") struct ObserveScreenTests {
    private func report(
        bytes: UInt64, cpuUs: UInt64 = 0, phase: Phase = .ready
    ) -> ObserveServiceItem {
        var item = ObserveServiceItem()
        item.report.instance.name = "cache"
        item.report.instance.state.phase = phase
        item.report.instance.state.usage.cpuUs = cpuUs
        var slot = SlotTraffic()
        slot.slot = 6_379
        slot.transport = .tcp
        slot.connections = 7
        slot.openConnections = 3
        slot.bytesToInstance = bytes
        item.report.traffic = [slot]
        return item
    }

    private func output(_ text: String) -> ObserveServiceItem {
        var item = ObserveServiceItem()
        item.output.data.append(contentsOf: text.utf8)
        return item
    }

    @Test("says how much passed, and how fast since the report before")
    func rates() throws {
        var screen = ObserveScreen()
        #expect(screen.lines(columns: 80, rows: 24).isEmpty)
        screen.take(report(bytes: 1_000), atMs: 10_000)
        let first = try #require(
            screen.lines(columns: 120, rows: 24).first { $0.hasPrefix("6379/tcp") })
        #expect(first.split(separator: " ").map(String.init)[2...3] == ["3", "7"])
        #expect(first.hasSuffix("-"))
        screen.take(report(bytes: 3_000, cpuUs: 1_000_000), atMs: 12_000)
        let lines = screen.lines(columns: 120, rows: 24)
        #expect(lines.contains { $0.hasPrefix("6379/tcp") && $0.contains("1000 B") })
        #expect(lines.contains { $0.hasPrefix("cpu") && $0.hasSuffix("50 % now") })
    }

    @Test("shows as much of the output as there is room for, the last of it")
    func output() {
        var screen = ObserveScreen()
        screen.take(report(bytes: 0), atMs: 1)
        for number in 0..<1_000 { screen.take(output("line \(number)\n"), atMs: 1) }
        screen.take(output("not ended"), atMs: 1)
        let lines = screen.lines(columns: 80, rows: 24)
        #expect(lines.count == 23)
        #expect(lines.last == "not ended")
        #expect(lines.contains("line 999") && !lines.contains("line 0"))
    }

    @Test("never has more lines than there is room for, nor wider ones", arguments: 0..<30)
    func room(_ rows: Int) {
        var screen = ObserveScreen()
        screen.take(report(bytes: 0), atMs: 1)
        screen.take(output(String(repeating: "x", count: 5_000) + "\n"), atMs: 1)
        let lines = screen.lines(columns: rows, rows: rows)
        #expect(lines.count <= max(0, rows - 1))
        #expect(lines.allSatisfy { $0.count <= rows })
    }

    @Test("passes nothing on that a terminal would act on")
    func controls() {
        var screen = ObserveScreen()
        screen.take(report(bytes: 0), atMs: 1)
        screen.take(output("a\u{1B}[2Jb\rc\u{7}d\u{202E}e\u{9B}31mf\tg\n"), atMs: 1)
        let line = screen.lines(columns: 80, rows: 24).last ?? ""
        #expect(line == "a\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}d\u{FFFD}e\u{FFFD}31mf g")
    }
}
