// The other end of an exchange of boxes may be anything, also nobody any more.

import Interfaces
import Syscalls
import Testing
import celautctl

@Suite("A stream to another node")
struct ExchangeStreamTests {
    private static let idleMilliseconds: Int32 = 100

    @Test("gives what is written at its other end")
    func whole() throws {
        let pipe = try Pipe()
        let stream = ExchangeStream(
            try pipe.reading.duplicate(), try pipe.writing.duplicate())
        var end = ExchangeEnd()
        end.fault = Fault(.storageFull, subject: "objects").message
        try stream.write(.end(end))
        #expect(try stream.read() == .end(end))
    }

    @Test("ends where nothing comes of a frame that was begun", arguments: [0, 3, 4, 9])
    func silent(bytes: Int) throws {
        let pipe = try Pipe()
        try File.writeAll(pipe.writing, Array([0, 0, 0, 200, 1, 2, 3, 4, 5].prefix(bytes)))
        let stream = ExchangeStream(
            try pipe.reading.duplicate(), try pipe.writing.duplicate(),
            idleMilliseconds: Self.idleMilliseconds)
        let complaint = #expect(throws: Complaint.self) { try stream.read() }
        #expect(complaint?.text.contains("said nothing") == true)
        #expect(complaint?.code == .unavailable)
    }

    @Test("is left in the midst of a frame for what the other side says and does not read")
    func news() throws {
        let to = try Pipe()
        let from = try Pipe()
        let stream = ExchangeStream(try from.reading.duplicate(), try to.writing.duplicate())
        var outcome = ExchangeOutcome()
        outcome.alreadyPresent = true
        let other = ExchangeStream(try to.reading.duplicate(), try from.writing.duplicate())
        try other.write(.outcome(outcome))
        while try stream.write(.piece(.init(repeating: 7, count: 60_000)), unlessNews: true) {}
        #expect(try stream.read() == .outcome(outcome))
        guard case .piece? = try other.read() else {
            Issue.record("what was written whole is read whole")
            return
        }
    }

    @Test("ends where nothing of what it says is taken")
    func unread() throws {
        let pipe = try Pipe()
        let stream = ExchangeStream(
            try pipe.reading.duplicate(), try pipe.writing.duplicate(),
            idleMilliseconds: Self.idleMilliseconds)
        let complaint = #expect(throws: Complaint.self) {
            while true { try stream.write(.piece(.init(repeating: 7, count: 60_000))) }
        }
        #expect(complaint?.text.contains("taken nothing") == true)
        #expect(complaint?.code == .unavailable)
    }
}
