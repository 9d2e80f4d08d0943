// The tree finds what is in it by the bytes of a name, and a digest is 32 bytes.

import ServiceModel
import Testing

private let digest: ContentDigest = {
    guard let digest = ContentDigest([UInt8](repeating: 0xAB, count: 32)) else {
        preconditionFailure("32 bytes are a digest")
    }
    return digest
}()

private func file(_ name: String, _ bytes: UInt64 = 1) -> TreeEntry {
    TreeEntry(
        name: name, attributes: FileAttributes(mode: FileAttributes.typeRegular | 0o644),
        content: .file(digest, bytes: bytes))
}

private func directory(_ name: String, _ entries: [TreeEntry]) -> TreeEntry {
    TreeEntry(name: name, attributes: .directory, content: .directory(entries))
}

private func link(_ name: String, _ target: String) -> TreeEntry {
    TreeEntry(
        name: name, attributes: FileAttributes(mode: FileAttributes.typeLink | 0o777),
        content: .link(target: target))
}

@Suite struct FileTreeTests {
    private let tree = FileTree(entries: [
        directory("a", [directory("b", [file("c", 5)]), file("d", 7)]), file("a.x", 0),
        link("l", "/a"),
    ])

    @Test("An entry is found at its path, and nothing beside, below or through it")
    func finds() {
        #expect(tree.entry(at: ["a", "b", "c"]) == file("c", 5))
        #expect(tree.entry(at: ["a", "d"]) == file("d", 7))
        #expect(tree.entry(at: ["l"]) == link("l", "/a"))
        for path in [
            [], ["b"], ["a", "c"], ["a.x", "d"], ["a", "d", "d"], ["l", "b"], [""], ["A"],
        ] {
            #expect(tree.entry(at: path) == nil, "\(path)")
        }
    }

    @Test("Every one of many names is found, sorted by bytes")
    func findsAll() {
        let names = (0..<300).map { "n\($0)" } + ["é", "z", "ü", "~", "-"]
        let sorted = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let tree = FileTree(entries: sorted.map { file($0) })
        for name in names { #expect(tree.entry(at: [name])?.name == name) }
        #expect(tree.entry(at: ["n300"]) == nil)
    }

    @Test("Two names that look the same and are other bytes are other names")
    func tellsSpellingsApart() {
        // U+0065 U+0301 sorts before U+00E9 by bytes; String finds them equal, a kernel does not.
        let tree = FileTree(entries: [file("e\u{301}", 1), file("\u{E9}", 2)])
        #expect(tree.entry(at: ["e\u{301}"])?.content == .file(digest, bytes: 1))
        #expect(tree.entry(at: ["\u{E9}"])?.content == .file(digest, bytes: 2))
        #expect(FileTree(entries: [file("e\u{301}")]).entry(at: ["\u{E9}"]) == nil)
    }

    @Test("Entries and bytes are counted once for each place they stand in")
    func counts() {
        #expect(tree.count == 6)
        #expect(tree.contentBytes == 12)
        #expect(FileTree().count == 0)
        var seen: [UInt64] = []
        tree.forEachFile { _, bytes in seen.append(bytes) }
        #expect(seen == [5, 7, 0])
    }

    @Test("A digest is 32 bytes, the same in every form")
    func digests() throws {
        for count in [0, 31, 33, 64] {
            #expect(ContentDigest([UInt8](repeating: 1, count: count)) == nil)
        }
        let bytes = [UInt8](0..<32)
        let one = try #require(ContentDigest(bytes))
        #expect(one.bytes == bytes)
        #expect(one.hex == Hexadecimal.text(bytes))
        #expect(one.objectPath == "00/" + Hexadecimal.text(bytes.dropFirst()))
        for index in bytes.indices {
            var other = bytes
            other[index] ^= 0x80
            #expect(ContentDigest(other) != one)
        }
        #expect(ContentDigest(([9] + bytes)[1...]) == one)
    }
}
