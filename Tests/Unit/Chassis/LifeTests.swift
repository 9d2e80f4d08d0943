// The record that a daemon keeps of its starts and ends.

import Chassis
import Testing

@Suite("What follows what in a daemon's life")
struct LifeTests {
    private let stopped = "b1 0000000003 stopped\n"
    private let running = "b1 0000000003 running\n"

    @Test("Starts are counted within one boot of the machine")
    func counting() throws {
        let previous = try #require(LifeRecord(line: stopped))
        #expect(LifeRecord(after: previous, bootID: "b1").starts == 4)
        #expect(LifeRecord(after: previous, bootID: "b2").starts == 1)
        #expect(LifeRecord(after: nil, bootID: "b1").starts == 1)
    }

    @Test("Only an end that was not asked for is told")
    func complaints() {
        func complaint(_ line: String?, _ boot: String) -> String {
            LifeRecord.complaint(about: line.flatMap { LifeRecord(line: $0) }, bootID: boot)
        }
        #expect(complaint(nil, "b1").isEmpty)
        #expect(complaint(stopped, "b1").isEmpty)
        #expect(complaint(running, "b1").contains("without being asked"))
        #expect(complaint(running, "b2").contains("machine went down"))
    }

    @Test("A record reads as it was written, and has one width", arguments: [1, 9_999, UInt32.max])
    func line(starts: UInt32) throws {
        var record = LifeRecord(after: nil, bootID: "b")
        record.starts = starts
        record.hasStopped = true
        #expect(LifeRecord(line: record.line) == record)
        #expect(record.line.utf8.count == stopped.utf8.count - 1)
    }

    @Test("A damaged record counts as none", arguments: ["", "b1", "b1 x running", "a b c d"])
    func damaged(line: String) {
        #expect(LifeRecord(line: line) == nil)
    }
}
