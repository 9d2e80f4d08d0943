// A descriptor has one owner and is closed once, also when it travels.

import Syscalls
import Testing

@Suite("Descriptors")
struct DescriptorTests {
    /// A file that only one test opens, so that others' descriptors do not count.
    private final class Watched {
        private let directory: TemporaryDirectory
        let path: String

        init() throws {
            directory = try TemporaryDirectory()
            path = try directory.write("file", "")
        }

        func open() throws -> Descriptor { try File.open(path) }

        /// How many descriptors of this process are open on the file.
        var count: Int {
            get throws {
                let all = try Directory.open("/proc/self/fd")
                return try Directory.list(all).count { entry in
                    (try? File.readLink(at: all, entry.name)) == Array(path.utf8)
                }
            }
        }
    }

    /// Whether there was one; it is closed by this.
    private static func takes(_ parcel: Parcel, _ index: Int) -> Bool {
        parcel.take(index)?.raw != nil
    }

    @Test("It is closed when its owner lets go")
    func closes() throws {
        let file = try Watched()
        do {
            let descriptor = try file.open()
            #expect(try file.count == 1)
            _ = descriptor.raw
        }
        #expect(try file.count == 0)
    }

    @Test("It stays open when ownership is given up")
    func releases() throws {
        let file = try Watched()
        let raw = try file.open().release()
        #expect(try file.count == 1)
        do { _ = Descriptor(adopting: raw) }
        #expect(try file.count == 0)
    }

    @Test("Closing it twice stops the process")
    func closedTwice() async {
        await #expect(processExitsWith: .failure) {
            let raw = try File.open("/dev/null").release()
            _ = Descriptor(adopting: raw)
            _ = Descriptor(adopting: raw)
        }
    }

    @Test("Using a number that is not open stops the process")
    func notOpen() async {
        await #expect(processExitsWith: .failure) {
            let raw = try File.open("/dev/null").release()
            let one = Descriptor(adopting: raw)
            _ = Descriptor(adopting: raw).raw
            _ = try File.read(one, max: 1)
        }
    }

    @Test("A shared one is closed with its last owner")
    func shared() throws {
        let file = try Watched()
        var first: SharedDescriptor? = SharedDescriptor(try file.open())
        var second = first
        first = nil
        #expect(try file.count == 1)
        #expect(second != nil)
        second = nil
        #expect(try file.count == 0)
    }

    @Test("A parcel gives each out once and closes what is left")
    func parcel() throws {
        let one = try Watched()
        let other = try Watched()
        do {
            let parcel = Parcel(try one.open())
            parcel.append(try other.open())
            #expect(parcel.count == 2)
            #expect(Self.takes(parcel, 0))
            #expect(try one.count == 0)
            #expect(!Self.takes(parcel, 0))
            #expect(!Self.takes(parcel, 2))
            #expect(parcel.inspect(1) { $0.raw } != nil)
            #expect(try other.count == 1)
        }
        #expect(try other.count == 0)
    }

    @Test("Descriptors pass with a packet, close-on-exec, and the sender keeps its own")
    func passing() throws {
        let pair = try SeqpacketSocket.pair()
        let pipe = try Pipe()
        try File.writeAll(pipe.writing, [1, 2, 3])
        let parcel = Parcel(try pipe.reading.duplicate())
        #expect(try SeqpacketSocket.send(pair.first, [9, 8], descriptors: parcel) == 2)
        #expect(parcel.count == 1)

        var buffer = [UInt8](repeating: 0, count: 16)
        let received = try SeqpacketSocket.receive(pair.second, into: &buffer)
        #expect(received.bytes == 2 && buffer[..<2] == [9, 8])
        #expect(!received.bytesCut && !received.descriptorsCut)
        let arrived = try #require(received.descriptors)
        #expect(arrived.count == 1)
        let taken = arrived.take(0)
        guard let taken else {
            Issue.record("nothing to take")
            return
        }
        #expect(try File.read(taken, max: 10) == [1, 2, 3])
        let flags = try File.readAll("/proc/self/fdinfo/\(taken.raw)", limit: 4_096)
        let octal = String(decoding: flags, as: UTF8.self).split(separator: "\n")
            .first { $0.hasPrefix("flags:") }?.split(separator: "\t").last
        // O_CLOEXEC is 0o2000000.
        #expect((Int(octal ?? "0", radix: 8) ?? 0) & 0o2000000 != 0)
    }

    @Test("A packet longer than the buffer is seen to be cut")
    func cut() throws {
        let pair = try SeqpacketSocket.pair()
        _ = try SeqpacketSocket.send(pair.first, [UInt8](repeating: 1, count: 100))
        var buffer = [UInt8](repeating: 0, count: 10)
        #expect(try SeqpacketSocket.receive(pair.second, into: &buffer).bytesCut)
    }

    @Test("16 descriptors pass, 17 are refused by the sender, and nothing is sent")
    func bounds() throws {
        let pair = try SeqpacketSocket.pair()
        let parcel = Parcel()
        for _ in 0..<16 { parcel.append(try File.open("/dev/null")) }
        _ = try SeqpacketSocket.send(pair.first, [1], descriptors: parcel)
        parcel.append(try File.open("/dev/null"))
        let refused = failure { () throws(Errno) in
            _ = try SeqpacketSocket.send(pair.first, [2], descriptors: parcel)
        }
        #expect(refused == .invalid)
        var buffer = [UInt8](repeating: 0, count: 10)
        #expect(try SeqpacketSocket.receive(pair.second, into: &buffer).descriptors?.count == 16)
        let nothing = failure { () throws(Errno) in
            _ = try SeqpacketSocket.receive(pair.second, into: &buffer)
        }
        #expect(nothing == .again)
    }

    @Test("A packet in two parts arrives as one")
    func parts() throws {
        let pair = try SeqpacketSocket.pair()
        let head: [UInt8] = [1, 2]
        let body: [UInt8] = [3, 4, 5]
        // SAFETY: bytes have no padding.
        _ = try unsafe SeqpacketSocket.send(pair.first, head.span.bytes, body.span.bytes)
        var buffer = [UInt8](repeating: 0, count: 16)
        #expect(try SeqpacketSocket.receive(pair.second, into: &buffer).bytes == 5)
        #expect(buffer[..<5] == [1, 2, 3, 4, 5])
    }
}
