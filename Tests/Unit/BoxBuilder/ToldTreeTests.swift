// What is told ahead of an archive: the same tree, or nothing.

import Interfaces
import ServiceModel
import Syscalls
import Testing
import box_builder

/// A stream of entries, as a sender writes it.
struct Told: Sendable {
    private(set) var bytes: [UInt8] = []

    static let end: [UInt8] = [0]

    func adding(_ change: (inout ToldEntry) -> Void) -> Told {
        var copy = self
        copy.add(change)
        return copy
    }

    mutating func add(_ change: (inout ToldEntry) -> Void) {
        var entry = ToldEntry()
        change(&entry)
        // The generated message, which is not what reads it.
        let message = (try? Body.encode(entry)) ?? []
        var length = message.count
        while length > 127 {
            bytes.append(UInt8(length & 127) | 128)
            length >>= 7
        }
        bytes += [UInt8(length)] + message
    }

    func file(_ path: String, _ bytes: UInt64, mode: UInt32 = 0o644) -> Told {
        adding {
            $0.pathBytes = Array(path.utf8)
            $0.kind = .file
            $0.mode = mode
            $0.contentBytes = bytes
        }
    }

    func directory(_ path: String, mode: UInt32 = 0o755) -> Told {
        adding {
            $0.pathBytes = Array(path.utf8)
            $0.kind = .directory
            $0.mode = mode
        }
    }

    func link(_ path: String, _ target: String, kind: ToldKind = .link) -> Told {
        adding {
            $0.pathBytes = Array(path.utf8)
            $0.kind = kind
            $0.mode = 0o777
            $0.targetBytes = Array(target.utf8)
        }
    }

    func read() throws -> FileTree? { try Self.read(bytes + Self.end) }

    static func read(_ bytes: [UInt8]) throws -> FileTree? {
        ToldTree.read(try Memfd.sealed(bytes), keepsOwners: false, isCancelled: { false })
    }
}

@Suite("A tree told ahead")
struct ToldTreeTests {
    private static let told = Told()
        .directory("./").directory("./bin/", mode: 0o1700).file("./bin/x", 3, mode: 0o4755)
        .file("./z", 0).link("./lib", "usr/lib").link("./hard", "./bin/x", kind: .hardLink)
        .file("./usr/lib/deep/é", 70_000)

    @Test("is the tree of the archive with those headers")
    func same() throws {
        let archive = Tar()
            .directory("./").directory("./bin/", mode: 0o1700).file("./bin/x", "run", mode: 0o4755)
            .file("./z", "").link("./lib", "usr/lib").hardLink("./hard", "./bin/x")
            .file("./usr/lib/deep/é", [UInt8](repeating: 7, count: 70_000))
        let tree = try #require(try Self.told.read())
        #expect(tree.isAlike(try archive.read().tree))
        #expect(tree.count == 9)
        #expect(tree.contentBytes == 70_006)
    }

    @Test("has owners and attributes as the archive's reading keeps them")
    func attributes() throws {
        let told = Told().adding {
            $0.pathBytes = Array("a".utf8)
            $0.kind = .file
            $0.uid = 70
            $0.gid = 65_535
            for (name, value) in [("user.b", [1, 0]), ("user.a", []), ("security.x", [UInt8(9)])] {
                var attribute = ToldAttribute()
                attribute.nameBytes = Array(name.utf8)
                attribute.valueBytes = value
                $0.attributes.append(attribute)
            }
        }
        let file = try Memfd.sealed(told.bytes + Told.end)
        let kept = ToldTree.read(file, keepsOwners: true, isCancelled: { false })
        let entry = try #require(kept?.entry(at: ["a"]))
        #expect(entry.attributes == FileAttributes(mode: 0o100000, uid: 70, gid: 65_535))
        #expect(entry.extended.map(\.name) == ["user.a", "user.b"])
        #expect(entry.extended.map(\.value) == [[], [1, 0]])
        #expect(try told.read()?.entry(at: ["a"])?.attributes.uid == 0)
    }

    @Test("that is cut at any byte is none")
    func cut() throws {
        let whole = Self.told.bytes + Told.end
        for count in 0..<whole.count {
            #expect(try Told.read(Array(whole.prefix(count))) == nil, "cut at \(count)")
        }
        #expect(try Told.read(whole) != nil)
    }

    @Test("with any byte altered is none or another one, and nothing traps")
    func altered() throws {
        let whole = Self.told.bytes + Told.end
        for place in whole.indices {
            for flip in [UInt8(1), 0x80, 0xFF] {
                var bytes = whole
                bytes[place] ^= flip
                if let tree = try Told.read(bytes) { #expect(tree.count < 100) }
            }
        }
    }

    @Test(
        "that no archive could have is none",
        arguments: [
            Told().file("../a", 0), Told().file("/a", 0), Told().file("", 0),
            Told().link("a", "b", kind: .unspecified), Told().link("a", "b", kind: .hardLink),
            Told().link("a", ""), Told().file("a", 0).file("a/b", 0),
            Told().file("a", 0, mode: 0o10000), Told().file("a", .max),
            Told().file("a", TarTree.contentBytesMax).file("b", 1),
            Told().file(String(repeating: "d/", count: 65), 0),
            Told().adding {
                $0.pathBytes = [0x61, 0xFF]
                $0.kind = .file
            },
            Told().adding {
                $0.pathBytes = [0x61]
                $0.kind = .file
                $0.uid = .max
            },
        ])
    func refused(told: Told) throws {
        #expect(try told.read() == nil)
    }

    @Test("is none past its bounds, and one at them")
    func bounds() throws {
        var names = Told()
        for number in 0..<ToldTree.entriesMax {
            names.add {
                $0.pathBytes = Array("\(number)".utf8)
                $0.kind = .directory
            }
        }
        #expect(try names.read()?.count == ToldTree.entriesMax)
        #expect(try names.file("more", 1).read() == nil)
        // Entries that are too long, and too many bytes of others.
        let long = String(repeating: "x", count: 15_000)
        #expect(try Told.read([0xFF, 0xFF, 0xFF, 0xFF, 0x7F]) == nil)
        #expect(try Told.read([0x81, 0x80, 0x01]) == nil)
        var many = Told()
        for number in 0...(ToldTree.bytesMax / 15_000) {
            many.add {
                $0.pathBytes = Array("\(number)".utf8)
                $0.kind = .directory
                $0.targetBytes = Array(long.utf8)
            }
        }
        #expect(try many.read() == nil)
        var attribute = ToldAttribute()
        attribute.nameBytes = Array("user.x".utf8)
        var noted = Told()
        for number in 0..<132 {
            noted.add {
                $0.pathBytes = Array("\(number)".utf8)
                $0.kind = .directory
                $0.attributes = Array(repeating: attribute, count: 500)
            }
        }
        #expect(try noted.read() == nil)
    }

    @Test("may come a byte at a time")
    func slow() throws {
        let pipe = try Pipe()
        let thread = try Self.trickle(
            Self.told.bytes + Told.end, into: try pipe.writing.duplicate())
        let reading = pipe.keepReading()
        let tree = ToldTree.read(reading, keepsOwners: false, isCancelled: { false })
        thread.join()
        #expect(tree == (try Self.told.read()))
    }

    /// The thread alone keeps the descriptor: its end is that of what is told.
    private static func trickle(
        _ bytes: [UInt8], into descriptor: consuming Descriptor
    ) throws -> Thread {
        let writing = SharedDescriptor(descriptor)
        return try Thread(name: "slow") {
            for byte in bytes { try? File.writeAll(writing.descriptor, [byte]) }
        }
    }

    @Test("whose sender is silent is none when nobody waits any more")
    func silent() throws {
        let pipe = try Pipe()
        try File.writeAll(pipe.writing, Array(Self.told.bytes.dropLast()))
        var asked = 0
        let tree = ToldTree.read(pipe.reading, keepsOwners: false) {
            asked += 1
            return asked > 3
        }
        #expect(tree == nil)
    }

    @Test("differs from one that differs in anything but digests")
    func likeness() throws {
        let tree = try #require(try Self.told.read())
        let others = [
            Self.told.directory("./", mode: 0o700), Self.told.file("z", 1),
            Self.told.file("z", 0, mode: 0o600), Self.told.link("lib", "/usr/lib"),
            Self.told.link("lib", "usr"), Self.told.directory("usr/lib/deep", mode: 0o700),
            Self.told.file("more", 0),
        ]
        for other in others {
            let other = try #require(try other.read())
            #expect(!tree.isAlike(other))
            #expect(!other.isAlike(tree))
        }
        var shared = tree
        shared.isReadOnly = true
        #expect(!tree.isAlike(shared))
        let (one, two) = (try Tar().file("a", "1").read(), try Tar().file("a", "2").read())
        #expect(one.tree.isAlike(two.tree))
    }
}

@Suite("An archive that is made while it is sent")
struct SealedArchiveTests {
    private static let archive = Tar().file("a", "content").bytes
    private static let word = ArchiveEnd.word

    private func read(_ bytes: [UInt8]) throws -> FileTree {
        try BoxSource.read(
            try Memfd.sealed(bytes), BoxSource.Options(kind: .tree, isSealed: true),
            into: MemorySink(),
            open: { _ throws(Fault) in throw Fault(.notFound) }, progress: { _, _ in },
            isCancelled: { false })
    }

    @Test("is whole with the end word behind it, whatever fills its last block")
    func whole() throws {
        for padding in [0, 1, 512, 300_000] {
            let zeros = [UInt8](repeating: 0, count: padding)
            #expect(try read(Self.archive + zeros + Self.word).count == 1)
        }
    }

    @Test(
        "is truncated without the end word at its very end",
        arguments: [
            archive, archive + word.dropLast(), archive + word + [0], word, word + archive,
            Array(archive.prefix(512)) + word,
        ])
    func truncated(bytes: [UInt8]) {
        let fault = #expect(throws: Fault.self) { try read(bytes) }
        #expect(fault?.code == .invalid)
    }

    @Test("may have its end word in pieces")
    func pieces() throws {
        let reading = try Self.sent(Self.archive + Self.word)
        let tree = try BoxSource.read(
            reading, BoxSource.Options(kind: .tree, isSealed: true), into: MemorySink(),
            open: { _ throws(Fault) in throw Fault(.notFound) }, progress: { _, _ in },
            isCancelled: { false })
        #expect(tree.count == 1)
    }

    /// A pipe into which bytes are written one by one. Nobody else has its other end, so that it ends.
    private static func sent(_ bytes: [UInt8]) throws -> Descriptor {
        let pipe = try Pipe()
        let writing = SharedDescriptor(try pipe.writing.duplicate())
        _ = try Thread(name: "pieces") {
            for byte in bytes { try? File.writeAll(writing.descriptor, [byte]) }
        }
        return pipe.keepReading()
    }
}
