// What an archive becomes, and what it is refused for: paths and trees by table, archives as bytes.

import Interfaces
import ServiceModel
import Syscalls
import Testing
import box_builder

@Suite("A path in an archive")
struct EntryPathTests {
    @Test(
        "is the names it leads through",
        arguments: [
            ("a", ["a"]), ("./a", ["a"]), ("a/b/", ["a", "b"]), ("a//b", ["a", "b"]),
            ("a/./b", ["a", "b"]), ("./", []), (".", []), ("...", ["..."]), ("é/ü", ["é", "ü"]),
        ])
    func names(text: String, names: [String]) throws {
        #expect(try EntryPath(Array(text.utf8)).names == names)
    }

    @Test(
        "is refused for what is wrong with it",
        arguments: [
            ("", Fault.Reason.badName), ("/a", .pathAbsolute), ("/", .pathAbsolute),
            ("..", .pathEscapes), ("a/../b", .pathEscapes), ("../a", .pathEscapes),
            ("a\0b", .badName),
            (String(repeating: "n", count: 256), .nameTooLong),
            (String(repeating: "n", count: 70_000), .nameTooLong),
            (String(repeating: "d/", count: 65), .tooDeep),
        ])
    func refused(text: String, reason: Fault.Reason) {
        let fault = #expect(throws: Fault.self) { try EntryPath(Array(text.utf8)) }
        #expect(fault?.code == .invalid)
        #expect(fault?.reason == reason)
    }

    @Test("has the longest names and the deepest place that are allowed")
    func bounds() throws {
        #expect(try EntryPath(Array(repeating: 110, count: 255)).names.count == 1)
        let deepest = String(repeating: "d/", count: 64)
        #expect(try EntryPath(Array(deepest.utf8)).names.count == 64)
    }

    @Test("is refused where its bytes are no text")
    func noText() {
        let fault = #expect(throws: Fault.self) { try EntryPath([0x61, 0xff]) }
        #expect(fault?.reason == .badName)
    }

    @Test(
        "resolves a link's target inside the tree",
        arguments: [
            ("usr/lib/a", "b", "/usr/lib/b"), ("usr/lib/a", "../b", "/usr/b"),
            ("a", "/b/../c", "/c"),
            ("usr/a", "../../../../etc", "/etc"), ("a", ".", "/"), ("a/b", "./c//d/", "/a/c/d"),
        ])
    func links(path: String, target: String, resolved: String) throws {
        let path = try EntryPath(Array(path.utf8))
        #expect(try path.resolving(Array(target.utf8)) == resolved)
    }
}

@Suite("An archive")
struct TarTreeTests {
    @Test("becomes a sorted tree with its contents stored, whatever its order")
    func tree() throws {
        let archive = Tar()
            .file("./z", "last").directory("./bin/", mode: 0o700).file(
                "./bin/x", "run", mode: 0o4755
            )
            .link("./lib", "usr/lib").file("usr/lib/deep/y", "").directory("./", mode: 0o755)
        let (tree, stored) = try archive.read()
        #expect(tree.entries.map(\.name) == ["bin", "lib", "usr", "z"])
        #expect(tree.count == 8)
        #expect(stored == ["last", "run", ""])
        #expect(tree.entry(at: ["bin"])?.attributes.mode == 0o040700)
        // The bits that raise privileges are not kept.
        #expect(tree.entry(at: ["bin", "x"])?.attributes.mode == 0o100755)
        #expect(tree.entry(at: ["lib"])?.content == .link(target: "/usr/lib"))
        #expect(tree.entry(at: ["usr", "lib", "deep"])?.attributes == .directory)
    }

    @Test("gives a hard link the content of what it names")
    func hardLink() throws {
        let (tree, stored) = try Tar().file("a", "same").hardLink("b/c", "a").read()
        #expect(tree.entry(at: ["b", "c"])?.content == tree.entry(at: ["a"])?.content)
        #expect(stored == ["same"])
    }

    @Test("keeps two names that people read as one, by their bytes")
    func spellings() throws {
        let (tree, _) = try Tar().file("\u{e9}", "one").file("e\u{301}", "two").read()
        #expect(tree.entries.map { Array($0.name.utf8) } == [[0x65, 0xcc, 0x81], [0xc3, 0xa9]])
    }

    @Test("keeps names of many spellings with no more work than as many others")
    func manySpellings() throws {
        // A text's own hash is the same for all of them: compared with each other they take minutes.
        let builder = TreeBuilder()
        for number in 0..<16_384 {
            let name = (0..<14).map { number >> $0 & 1 == 0 ? "\u{E9}" : "e\u{301}" }.joined()
            try builder.addFile(
                try EntryPath(Array(name.utf8)), FileAttributes(mode: 0o100644), digest: .ofNothing,
                bytes: 0)
        }
        #expect(builder.tree().count == 16_384)
    }

    @Test("keeps what a link says, beside where it leads")
    func linkText() throws {
        let (tree, _) = try Tar().link("usr/a", "../b").link("c", "/d").read()
        #expect(tree.entry(at: ["usr", "a"])?.content == .link(target: "/b"))
        #expect(tree.entry(at: ["usr", "a"])?.linkText == "../b")
        #expect(tree.entry(at: ["c"])?.linkText == nil)
    }

    @Test("takes the last of two entries of one kind, as extracting would")
    func replaced() throws {
        let (tree, stored) = try Tar().file("a", "first").file("a", "second").read()
        #expect(tree.count == 1)
        #expect(tree.contentBytes == 6)
        #expect(stored == ["first", "second"])
    }

    @Test(
        "is refused, and the entry is named",
        arguments: [
            (Tar().file("../a", ""), Fault.Reason.pathEscapes, "../a"),
            (Tar().file("/a", ""), .pathAbsolute, "/a"),
            (Tar().special("dev/null", type: "3"), .specialFile, "dev/null"),
            (Tar().special("pipe", type: "6"), .specialFile, "pipe"),
            (Tar().hardLink("l", "../../x"), .pathEscapes, "l"),
            (Tar().hardLink("l", "/x"), .pathAbsolute, "l"),
            (Tar().hardLink("l", "none"), .fileMissing, "none"),
            (Tar().directory("d").hardLink("l", "d"), .duplicate, "l"),
            (Tar().file("a", "").file("a/b", ""), .duplicate, "a"),
            (Tar().link("a", "/tmp").file("a/b", ""), .duplicate, "a"),
            (Tar().directory("a").file("a", ""), .duplicate, "a"),
            (Tar().file("a", "").link("a", "b"), .duplicate, "a"),
        ])
    func refused(archive: Tar, reason: Fault.Reason, subject: String) {
        let fault = #expect(throws: Fault.self) { try archive.read() }
        #expect(fault?.reason == reason)
        #expect(fault?.subject == subject)
    }

    @Test("cut at any byte is never taken for a smaller tree")
    func truncated() throws {
        let whole = Tar().file("a", String(repeating: "x", count: 700)).file("b", "y").bytes
        // The last block of the marker may be missing: the first says that this is the end.
        for count in stride(from: 1, through: whole.count - 1_024, by: 97) {
            let fault = #expect(throws: Fault.self) {
                try Tar.read(Array(whole.prefix(count)))
            }
            #expect(fault?.code == .invalid, "cut at \(count)")
        }
        #expect(try Tar.read(whole).tree.count == 2)
    }

    @Test("that is none is refused as malformed")
    func noArchive() {
        let noise = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
        let fault = #expect(throws: Fault.self) { try Tar.read(noise) }
        #expect(fault?.reason == .malformed)
    }

    @Test("whose sender is silent ends when the caller cancels")
    func cancelled() throws {
        let pipe = try Pipe()
        var asked = 0
        let fault = #expect(throws: Fault.self) {
            _ = try TarTree.read(
                pipe.reading, into: MemorySink(), progress: { _, _ in },
                isCancelled: {
                    asked += 1
                    return asked > 2
                })
        }
        #expect(fault?.code == .cancelled)
    }

    @Test("has at most as many entries as the bound")
    func entries() throws {
        let builder = TreeBuilder()
        let digest = try #require(ContentDigest([UInt8](repeating: 1, count: 32)))
        let fault = #expect(throws: Fault.self) {
            for number in 0...FileTree.entriesMax {
                let path = try EntryPath(Array("d\(number / 1_000)/\(number)".utf8))
                try builder.addFile(
                    path, FileAttributes(mode: 0o100644), digest: digest, bytes: 0)
            }
        }
        #expect(fault?.reason == .tooManyEntries)
        #expect(fault?.limit == UInt64(FileTree.entriesMax))
    }
}

/// Keeps contents as text; a content's "digest" is its number.
final class MemorySink: ContentSink {
    private(set) var contents: [String] = []
    private var open: [UInt8]?

    func begin() throws(Fault) {
        precondition(open == nil, "one content at a time")
        open = []
    }

    func append(_ bytes: RawSpan) throws(Fault) {
        for offset in 0..<bytes.byteCount {
            // SAFETY: inside the span.
            open?.append(unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self))
        }
    }

    func finish() throws(Fault) -> ContentDigest {
        contents.append(String(decoding: open ?? [], as: UTF8.self))
        open = nil
        guard let digest = ContentDigest([UInt8](repeating: UInt8(contents.count), count: 32))
        else {
            throw Fault(.internal)
        }
        return digest
    }

    func discard() { open = nil }
}

/// A tar, made block by block.
struct Tar: Sendable {
    private var blocks: [UInt8] = []

    var bytes: [UInt8] { blocks + [UInt8](repeating: 0, count: 1_024) }

    func file(_ name: String, _ content: String, mode: Int = 0o644) -> Tar {
        file(name, Array(content.utf8), mode: mode)
    }

    func file(_ name: String, _ content: [UInt8], mode: Int = 0o644) -> Tar {
        entry(name, type: "0", mode: mode, content: content)
    }

    func directory(_ name: String, mode: Int = 0o755) -> Tar { entry(name, type: "5", mode: mode) }
    func link(_ name: String, _ target: String) -> Tar { entry(name, type: "2", target: target) }
    func hardLink(_ name: String, _ target: String) -> Tar {
        entry(name, type: "1", target: target)
    }
    func special(_ name: String, type: Character) -> Tar { entry(name, type: type) }

    func read() throws -> (tree: FileTree, stored: [String]) { try Self.read(bytes) }

    static func read(_ bytes: [UInt8]) throws -> (tree: FileTree, stored: [String]) {
        let file = try Memfd.sealed(bytes)
        let sink = MemorySink()
        let tree = try TarTree.read(
            file, into: sink, progress: { _, _ in }, isCancelled: { false })
        return (tree, sink.contents)
    }

    private func entry(
        _ name: String, type: Character, mode: Int = 0o644, target: String = "",
        content: [UInt8] = []
    ) -> Tar {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            header.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
        }
        func octal(_ number: Int, _ digits: Int) -> String {
            let text = String(number, radix: 8)
            return String(repeating: "0", count: digits - text.count) + text
        }
        put(name, at: 0)
        put(octal(mode, 7), at: 100)
        put(octal(0, 7), at: 108)
        put(octal(0, 7), at: 116)
        put(octal(content.count, 11), at: 124)
        put(octal(0, 11), at: 136)
        put("        ", at: 148)
        put(String(type), at: 156)
        put(target, at: 157)
        put("ustar", at: 257)
        put("00", at: 263)
        put(octal(header.reduce(0) { $0 + Int($1) }, 6) + "\0 ", at: 148)
        var copy = self
        let padding = [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
        copy.blocks += header + content + padding
        return copy
    }
}
