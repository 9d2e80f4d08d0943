// Who imports, and what an import relies on: decisions without files.

import Interfaces
import ServiceModel
import Testing
import box_builder

@Suite("The queue of imports")
struct ImportQueueTests {
    @Test("runs two at once and the others in the order they came")
    func order() {
        var queue = ImportQueueMachine()
        #expect(queue.arrive() == .runs(1))
        #expect(queue.arrive() == .runs(2))
        #expect(queue.arrive() == .waits(3))
        #expect(queue.arrive() == .waits(4))
        #expect(queue.leave(2) == 3)
        #expect(queue.leave(1) == 4)
        #expect(queue.leave(3) == nil)
        #expect(queue.arrive() == .runs(5))
    }

    @Test("refuses whoever finds it full, until somebody leaves")
    func full() {
        var queue = ImportQueueMachine()
        let all = ImportQueueMachine.runningMax + ImportQueueMachine.waitingMax
        for _ in 0..<all { #expect(queue.arrive() != .refused) }
        #expect(queue.arrive() == .refused)
        #expect(queue.leave(3) == nil)
        #expect(queue.arrive() == .waits(UInt64(all) + 1))
        #expect(queue.arrive() == .refused)
    }

    @Test("never runs more than two, and forgets nobody, in any order of comings and goings")
    func random() {
        var state: UInt64 = 7
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        var queue = ImportQueueMachine()
        var running: [UInt64] = []
        var waiting: [UInt64] = []
        for _ in 0..<20_000 {
            if next(2) == 0 {
                switch queue.arrive() {
                case .runs(let ticket): running.append(ticket)
                case .waits(let ticket): waiting.append(ticket)
                case .refused: #expect(waiting.count == ImportQueueMachine.waitingMax)
                }
            } else if !running.isEmpty, next(3) > 0 {
                let expected = waiting.first
                #expect(queue.leave(running.remove(at: next(running.count))) == expected)
                if let expected {
                    waiting.removeFirst()
                    running.append(expected)
                }
            } else if !waiting.isEmpty {
                #expect(queue.leave(waiting.remove(at: next(waiting.count))) == nil)
            }
            #expect(queue.runningCount == running.count && running.count <= 2)
            #expect(queue.waitingCount == waiting.count)
            #expect(waiting.isEmpty || running.count == 2)
        }
    }
}

@Suite("A pinned content")
struct PinTests {
    @Test("is not deleted by a removal, and is asked about again when its last import ends")
    func removal() {
        var pins = PinMachine<Int>()
        pins.pin(1)
        pins.pin(1)
        #expect(pins.abandon(1) == false)
        #expect(pins.release(1, isDoubtful: false) == false)
        #expect(pins.release(1, isDoubtful: false) == true)
        #expect(pins.isEmpty)
    }

    @Test("of an import that ended well is left alone")
    func success() {
        var pins = PinMachine<Int>()
        pins.pin(1)
        #expect(pins.release(1, isDoubtful: false) == false)
        #expect(pins.abandon(1) == true)
        #expect(pins.isEmpty)
    }

    @Test("of an import that failed stays while another relies on it")
    func failure() {
        var pins = PinMachine<Int>()
        pins.pin(1)
        pins.pin(1)
        #expect(pins.release(1, isDoubtful: true) == false)
        #expect(pins.release(1, isDoubtful: false) == true)
        pins.pin(2)
        #expect(pins.release(2, isDoubtful: true) == true)
        #expect(pins.isEmpty)
    }
}

@Suite("A reference to a box")
struct BoxReferenceTests {
    @Test("is an id, a start of one, or a tag, by its form")
    func forms() throws {
        let hex = String(repeating: "ab", count: 32)
        let id = try #require(ServiceID([UInt8](repeating: 0xab, count: 32)))
        #expect(try BoxReference(hex) == .id(id))
        #expect(try BoxReference("abababab") == .prefixOrTag("abababab"))
        #expect(try BoxReference("abababa") == .tag("abababa"))
        #expect(try BoxReference("ABABABAB") == .tag("ABABABAB"))
        #expect(try BoxReference("redis") == .tag("redis"))
    }

    @Test("is refused where it is empty or longer than a tag")
    func refused() {
        #expect(throws: Fault.invalid(.missingKey, subject: "box")) { try BoxReference("") }
        let fault = #expect(throws: Fault.self) {
            try BoxReference(String(repeating: "t", count: 129))
        }
        #expect(fault?.reason == .nameTooLong)
    }
}

@Suite("The entrypoint of a tree")
struct EntrypointTests {
    private func followed(_ tar: Tar, _ path: String) throws -> Fault? {
        let tree = try tar.read().tree
        let names = path.split(separator: "/").map(String.init)
        do throws(Fault) {
            try Importer.checkEntrypoint(EntryPoint(entryPath: names), in: tree)
            return nil
        } catch {
            return error
        }
    }

    @Test("may be reached through links, which stay inside")
    func links() throws {
        let tar = Tar().file("usr/bin/run", "x", mode: 0o755).link("bin", "usr/bin")
            .link("usr/sbin", "../../../../bin").link("start", "bin/run")
        for path in ["usr/bin/run", "bin/run", "usr/sbin/run", "start"] {
            #expect(try followed(tar, path) == nil, "\(path)")
        }
    }

    @Test("that is not there, or not to be executed, is refused by its path")
    func refused() throws {
        let tar = Tar().file("plain", "x").directory("folder").link("a", "b").link("b", "a")
            .link("out", "../../etc/passwd")
        let missing = { (path: String) in Fault.invalid(.fileMissing, subject: path) }
        #expect(try followed(tar, "absent") == missing("/absent"))
        #expect(try followed(tar, "plain/x") == missing("/plain/x"))
        #expect(try followed(tar, "a") == missing("/a"))
        #expect(try followed(tar, "out") == missing("/out"))
        #expect(try followed(tar, "plain") == .invalid(.notExecutable, subject: "/plain"))
        #expect(try followed(tar, "folder") == .invalid(.notExecutable, subject: "/folder"))
    }
}
