// The rim keeps what it says of the kernel's calls.

import Glibc
import Syscalls
import Testing

@Suite("System calls")
struct SystemCallTests {
    @Test("An interrupted call is made again, another failure is told")
    func interrupted() throws {
        var calls = 0
        let value = try Call.check { () -> Int in
            calls += 1
            guard calls < 3 else { return 42 }
            errno = EINTR
            return -1
        }
        #expect(value == 42 && calls == 3)
        let told = failure { () throws(Errno) in _ = try File.open("/nonexistent") }
        #expect(told == .noEntry)
        #expect(told?.name == "ENOENT")
        #expect(told?.description.contains("No such file") == true)
    }

    @Test("A name with a NUL is refused instead of cut")
    func nul() throws {
        let directory = try TemporaryDirectory()
        let error = failure { () throws(Errno) in
            _ = try File.open(directory.path + "/a\u{0}b", .writeOnly, .create)
        }
        #expect(error == .invalid)
        #expect(!File.exists(directory.path + "/a"))
    }

    @Test("A sealed memfd can be read by everyone and changed by no one")
    func sealed() throws {
        let memfd = try Memfd.sealed([1, 2, 3])
        let isSealed = Memfd.isSealed(memfd)
        #expect(isSealed)
        #expect(failure { () throws(Errno) in try File.writeAll(memfd, [9]) } == .permission)
        #expect(failure { () throws(Errno) in try File.setSize(memfd, bytes: 1) } == .permission)
        #expect(failure { () throws(Errno) in try File.setSize(memfd, bytes: 9) } == .permission)
        #expect(try File.readAll(memfd, limit: 3) == [1, 2, 3])
        let mapping = try Mapping(memfd, bytes: 3)
        // SAFETY: a byte has no invalid value.
        let last = mapping.withBytes { unsafe $0.unsafeLoad(fromByteOffset: 2, as: UInt8.self) }
        #expect(last == 3)
        let fresh = Memfd.isSealed(try Memfd.make(name: "open"))
        let file = Memfd.isSealed(try File.open("/dev/null"))
        #expect(!fresh && !file)
    }

    @Test("Reading more than the limit is refused")
    func readLimit() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("f", "12345")
        #expect(try File.readAll(path, limit: 5).count == 5)
        #expect(
            failure { () throws(Errno) in _ = try File.readAll(path, limit: 4) } == .fileTooLarge)
    }

    @Test("A look-up beneath a directory cannot leave it, by dots or by link")
    func beneath() throws {
        let temporary = try TemporaryDirectory()
        let directory = try Directory.open(temporary.path)
        try File.symlink("/etc/passwd", at: directory, "out")
        for name in ["../etc", "/etc/passwd", "out"] {
            let error = failure { () throws(Errno) in
                _ = try File.open(at: directory, name, resolve: .beneath)
            }
            #expect(error == .crossDevice, "\(name)")
        }
    }

    @Test("A rename that may not replace does not")
    func rename() throws {
        let temporary = try TemporaryDirectory()
        _ = try temporary.write("a", "1")
        _ = try temporary.write("b", "2")
        let directory = try Directory.open(temporary.path)
        let error = failure { () throws(Errno) in
            try File.rename(at: directory, "a", to: directory, "b", replace: .refused)
        }
        #expect(error == .exists)
        #expect(try File.readAll(temporary.path + "/b", limit: 9) == Array("2".utf8))
    }

    @Test("A file without a name gets one when it is whole")
    func unnamed() throws {
        let temporary = try TemporaryDirectory()
        let directory = try Directory.open(temporary.path)
        let file = try File.open(temporary.path, .writeOnly, .unnamed)
        try File.writeAll(file, [1])
        #expect(try Directory.list(directory).isEmpty)
        try File.linkUnnamed(file, to: directory, "whole")
        #expect(try Directory.list(directory).map(\.name) == ["whole"])
    }

    @Test("Removing a tree removes links and leaves what they point to")
    func removeAll() throws {
        let temporary = try TemporaryDirectory()
        let kept = try temporary.write("kept", "1")
        let directory = try Directory.open(temporary.path)
        try File.makeDirectory(at: directory, "tree")
        let tree = try Directory.open(at: directory, "tree")
        try File.makeDirectory(at: tree, "deep")
        try File.symlink(temporary.path, at: tree, "up")
        try Directory.removeAll(at: directory, "tree")
        #expect(File.exists(kept))
        #expect(!File.exists(temporary.path + "/tree"))
    }

    @Test("A tree deeper than descriptors reach, with names of any bytes, is removed")
    func removeDeep() throws {
        let temporary = try TemporaryDirectory()
        let directory = try Directory.open(temporary.path)
        try File.makeDirectory(at: directory, "tree")
        var inner = try Directory.open(at: directory, "tree")
        for depth in 0..<3_000 {
            try File.makeDirectory(at: inner, "d")
            if depth % 100 == 0 { try File.symlink("x", at: inner, "l") }
            inner = try Directory.open(at: inner, "d")
        }
        let script = #"touch "$(printf '\377\376')"; mkdir "$(printf '\200')""#
        var plan = SpawnPlan(path: "/bin/sh", arguments: ["sh", "-c", script])
        plan.directory = temporary.path + "/tree"
        plan.environment = ["PATH=/usr/bin:/bin"]
        #expect(try Process.wait(pid: Process.spawn(plan)) == .exited(0))
        try Directory.removeAll(at: directory, "tree")
        #expect(try Directory.list(directory).isEmpty)
    }

    @Test("A Unix socket can be at a path longer than the kernel's 107 bytes")
    func longPath() throws {
        let temporary = try TemporaryDirectory()
        let deep = temporary.path + "/" + String(repeating: "d", count: 120)
        try File.makeDirectory(deep)
        let listener = try SeqpacketSocket.listen(deep + "/s.sock")
        let client = try SeqpacketSocket.connect(deep + "/s.sock")
        let accepted = try Socket.accept(listener)
        guard let accepted else {
            Issue.record("no connection")
            return
        }
        #expect(try Socket.peerCredentials(accepted).pid == Process.pid)
        #expect(try Socket.isListening(listener) && Socket.kind(client) == .seqpacket)
        #expect(try Socket.accept(listener)?.raw == nil)
    }

    @Test("Signals of an eventfd and a timer reach epoll under their token")
    func events() throws {
        let epoll = try Epoll()
        let event = try EventFD()
        let timer = try TimerFD()
        try epoll.add(event.descriptor.raw, .readable, token: 1)
        try epoll.add(timer.descriptor.raw, .readable, token: 2)
        #expect(try epoll.wait(timeoutNanoseconds: 0) { _ in } == 0)
        try event.signal()
        try timer.set(at: Clock.monotonicNanoseconds())
        var seen: Set<UInt64> = []
        while seen.count < 2 {
            let count = try epoll.wait(timeoutNanoseconds: 5_000_000_000) { seen.insert($0.token) }
            try #require(count > 0)
        }
        #expect(try event.drain() == 1 && event.drain() == 0)
        #expect(try timer.drain() && !timer.drain())
    }

    @Test("A queue between threads keeps the order, its bound, and gives all out before it ends")
    func queue() throws {
        let queue = WorkQueue<Int>(limit: 3)
        #expect(queue.push(1) && queue.push(2) && queue.push(3))
        #expect(!queue.push(4))
        queue.close()
        #expect(!queue.push(5))
        let done = Semaphore()
        let threads = try (0..<2).map { _ in
            try Thread(name: "test") {
                while queue.pop() != nil { done.signal() }
            }
        }
        for _ in 0..<3 { done.wait() }
        for thread in threads { thread.join() }
    }

    @Test(
        "An address is read strictly",
        arguments: ["1.2.3", "1.2.3.4.5", "256.1.1.1", "a.b.c.d", "1..2.3", "+1.2.3.4", ""])
    func address(text: String) {
        #expect(IPv4Endpoint(text, port: 1) == nil)
        #expect(IPv4Endpoint("127.0.0.1", port: 80) == .loopback(port: 80))
        #expect(IPv4Endpoint.loopback(port: 80).description == "127.0.0.1:80")
    }
}
