// The metadata image says exactly what the tree says, and is what the format allows.

import Testing
import box_builder

@Suite struct ErofsImageTests {
    private typealias Attributes = ErofsTree.Attributes

    private static func image(_ tree: ErofsTree) throws -> [UInt8] {
        let image = try ErofsImage(tree)
        var bytes: [UInt8] = []
        image.write { (piece: [UInt8]) in bytes += piece }
        #expect(bytes.count == image.byteCount)
        return bytes
    }

    private static func plain(_ permissions: UInt32 = 0o644) -> Attributes {
        Attributes(permissions: permissions)
    }

    @Test("Every attribute of every kind of node is kept")
    func attributes() throws {
        var tree = try ErofsTree(root: Attributes(permissions: 0o1777, uid: 1, gid: 2))
        let folder = try tree.addDirectory(
            Array("folder".utf8), in: .root,
            Attributes(permissions: 0o750, uid: 70_000, gid: 4_000_000_000, modifiedSeconds: 9))
        try tree.addFile(
            Array("file".utf8), in: folder, bytes: 1 << 40, content: Array("/ab/cdef".utf8),
            Attributes(
                permissions: 0o755, uid: 3, gid: 4, modifiedSeconds: 5, modifiedNanoseconds: 6,
                extended: [(Array("user.a".utf8), [1, 2, 3, 4, 5])]))
        try tree.addFile(
            Array("empty".utf8), in: folder, bytes: 0, content: [], Self.plain())
        try tree.addSymlink(
            Array("link".utf8), in: .root, to: Array("/folder/file".utf8), Self.plain(0o777))

        let reader = try ErofsReader(try Self.image(tree))
        let all = try reader.walk()
        #expect(Set(all.keys) == ["", "/folder", "/folder/file", "/folder/empty", "/link"])
        #expect(reader.inodeCount == 5)
        let root = try #require(all[""])
        #expect(root.mode == 0o041_777 && root.uid == 1 && root.gid == 2 && root.links == 3)
        let directory = try #require(all["/folder"])
        #expect(directory.mode == 0o040_750 && directory.uid == 70_000)
        #expect(directory.gid == 4_000_000_000 && directory.seconds == 9 && directory.links == 2)
        let file = try #require(all["/folder/file"])
        #expect(file.mode == 0o100_755 && file.size == 1 << 40 && file.links == 1)
        #expect(file.uid == 3 && file.gid == 4 && file.seconds == 5 && file.nanoseconds == 6)
        #expect(file.layout == 4 && file.block == 31)
        #expect(reader.number(file.bodyOffset, 4) == 0xFFFF_FFFF, "the file is one hole")
        #expect(
            file.attributes == [
                "user.a": [1, 2, 3, 4, 5], "trusted.overlay.metacopy": [],
                "trusted.overlay.redirect": Array("/ab/cdef".utf8),
            ])
        let empty = try #require(all["/folder/empty"])
        #expect(empty.size == 0 && empty.attributes.isEmpty && empty.layout == 0)
        let link = try #require(all["/link"])
        #expect(link.mode == 0o120_777)
        #expect(try reader.data(link) == Array("/folder/file".utf8))
    }

    @Test(
        "A directory of any size is complete and sorted, dots among the names",
        arguments: [0, 1, 100, 227, 228, 229, 5_000])
    func directories(_ count: Int) throws {
        var tree = try ErofsTree(root: Self.plain(0o755))
        var names: Set<String> = ["/!first", "/.-between", "/~last"]
        for name in names {
            try tree.addFile(
                Array(name.utf8.dropFirst()), in: .root, bytes: 0, content: [], Self.plain())
        }
        for index in 0..<count {
            let name =
                "\(index &* 7_919 % max(count, 1))-" + String(repeating: "x", count: index % 240)
            names.insert("/" + name)
            try tree.addFile(
                Array(name.utf8), in: .root, bytes: 1, content: Array("/ab/c".utf8), Self.plain())
        }
        let all = try ErofsReader(try Self.image(tree)).walk()
        #expect(Set(all.keys) == names.union([""]))
    }

    @Test(
        "A target of any length is kept, wherever its inode falls",
        arguments: [1, 31, 4_000, 4_031, 4_032, 4_033, 4_064, 4_095])
    func targets(_ length: Int) throws {
        var tree = try ErofsTree(root: Self.plain(0o755))
        for index in 0..<70 {
            let target = Array(repeating: UInt8(ascii: "a") + UInt8(index % 26), count: length)
            try tree.addSymlink(Array("\(index)".utf8), in: .root, to: target, Self.plain(0o777))
            try tree.addFile(
                Array("f\(index)".utf8), in: .root, bytes: 1,
                content: Array(repeating: UInt8(ascii: "/"), count: index), Self.plain())
        }
        let reader = try ErofsReader(try Self.image(tree))
        let all = try reader.walk()
        for index in 0..<70 {
            let link = try #require(all["/\(index)"])
            let data = try reader.data(link)
            #expect(data.count == length && Set(data) == [UInt8(ascii: "a") + UInt8(index % 26)])
        }
    }

    @Test("The same tree gives the same bytes, in whatever order it was made")
    func reproducible() throws {
        func build(_ order: [Int]) throws -> [UInt8] {
            var tree = try ErofsTree(root: Self.plain(0o755))
            for index in order {
                let folder = try tree.addDirectory(
                    Array("d\(index)".utf8), in: .root, Self.plain(0o755))
                try tree.addFile(
                    Array("f".utf8), in: folder, bytes: UInt64(index + 1),
                    content: Array("/ab/\(index)".utf8), Self.plain())
            }
            return try Self.image(tree)
        }
        let forward = try build(Array(0..<50))
        let again = try build(Array(0..<50))
        #expect(forward == again)
        #expect(try build((0..<50).reversed()) == forward)
    }

    @Test("What no directory can hold is refused by its name")
    func refusals() throws {
        var tree = try ErofsTree(root: Self.plain(0o755))
        for name in ["", ".", "..", "a/b", "a\0b", String(repeating: "n", count: 256)] {
            #expect(throws: ErofsTree.Failure.badName(Array(name.utf8))) {
                try tree.addFile(
                    Array(name.utf8), in: .root, bytes: 0, content: [], Self.plain())
            }
        }
        #expect(throws: ErofsTree.Failure.badTarget([])) {
            try tree.addSymlink([0x61], in: .root, to: [], Self.plain(0o777))
        }
        for _ in 0..<2 {
            try tree.addFile([0x62], in: .root, bytes: 0, content: [], Self.plain())
        }
        #expect(throws: ErofsTree.Failure.duplicateName([0x62])) { _ = try ErofsImage(tree) }
    }
}
