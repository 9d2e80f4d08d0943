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
