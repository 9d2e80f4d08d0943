// What a daemon tells its service manager arrives there, with the descriptors it wants kept.

import Chassis
import Syscalls
import Testing

@Suite("Service manager")
struct ServiceManagerTests {
    // In a process of its own, because where to tell is in the environment.
    @Test("A descriptor to be kept arrives under its name, and can be let go of")
    func keeps() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let listener = try UnixSocket.listen(directory.path + "/notify", kind: .datagram)
            Process.setEnvironment("NOTIFY_SOCKET", directory.path + "/notify")
            let pipe = try Pipe()
            try File.writeAll(pipe.writing, [7])
            let reading = SharedDescriptor(try pipe.reading.duplicate())
            let kept = ServiceManager().keep([reading], name: "instance-1")
            try #require(kept)
            var buffer = [UInt8](repeating: 0, count: 4_096)
            let packet = try SeqpacketSocket.receive(listener, into: &buffer)
            let lines = String(decoding: buffer[..<packet.bytes], as: UTF8.self)
                .split(separator: "\n")
            #expect(lines == ["FDSTORE=1", "FDNAME=instance-1"])
            #expect(packet.descriptors?.count == 1)
            let content = try packet.descriptors?.inspect(0) { descriptor throws(Errno) in
                try File.read(descriptor, max: 9)
            }
            #expect(content == [7])

            ServiceManager().forget(name: "instance-1")
            let second = try SeqpacketSocket.receive(listener, into: &buffer)
            let words = String(decoding: buffer[..<second.bytes], as: UTF8.self)
            #expect(words == "FDSTOREREMOVE=1\nFDNAME=instance-1")
        }
    }

    @Test("Without a service manager nothing is kept, and nothing fails")
    func alone() async {
        await #expect(processExitsWith: .success) {
            Process.setEnvironment("NOTIFY_SOCKET", nil)
            let null = SharedDescriptor(try File.open("/dev/null"))
            #expect(!ServiceManager().keep([null], name: "x"))
            #expect(ServiceManager().descriptorsMax == 0)
            ServiceManager().status("nobody hears")
        }
    }
}
