// Directories shared between a parent and its children: what a branch says of them, as bytes and back.

import ServiceModel
import Testing

@Suite("Shared directories") struct DirectoryShareTests {
    private static func directory(_ name: String, _ below: [TreeEntry] = []) -> TreeEntry {
        TreeEntry(name: name, attributes: .directory, content: .directory(below))
    }

    private static func tree() -> FileTree {
        FileTree(entries: [directory("data", [directory("in"), directory("out")])])
    }

    private static let both = [
        SharedDirectory(
            path: ["data", "in"],
            share: DirectoryShare(role: .inherited, access: .readOnly, tag: "notes")),
        SharedDirectory(path: ["data", "out"], share: DirectoryShare(role: .offered)),
    ]

    private static func shared() -> FileTree {
        var tree = tree()
        for one in both {
            let isThere = tree.share(one.share, at: one.path)
            #expect(isThere)
        }
        return tree
    }

    @Test("A directory of the tree is shared, nothing else is")
    func onlyDirectories() {
        var tree = Self.tree()
        tree.entries.append(
            TreeEntry(
                name: "file", attributes: FileAttributes(mode: 0o100644),
                content: .file(.ofNothing, bytes: 0)))
        for path in [["file"], ["none"], ["data", "none"], ["file", "x"], []] {
            let isThere = tree.share(DirectoryShare(role: .offered), at: path)
            #expect(!isThere, "\(path)")
        }
        #expect(tree.shares.isEmpty)
        #expect(Self.shared().shares == Self.both)
    }

    @Test("The attributes are those that existing nodes read, sorted by key")
    func attributes() throws {
        var bytes: [UInt8] = []
        CanonicalForm.emit(
            Service(), Self.shared(),
            literal: { run in
                // SAFETY: the run is only read, during this call.
                unsafe run.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
            }, content: { _, _ in })
        func pair(_ key: String, _ value: String) -> [UInt8] {
            let (key, value) = (Array(key.utf8), Array(value.utf8))
            let content =
                [0x0A, UInt8(key.count)] + key + [0x12, UInt8(value.count)] + value
            return [0x2A, UInt8(content.count)] + content
        }
        let pairs = [
            ("access", "ro"), ("gid", "0"), ("guest", "true"), ("mode", "16877"),
            ("mtime_ns", "0"), ("share_tag", "notes"), ("uid", "0"),
        ]
        let wanted = pairs.flatMap { pair($0.0, $0.1) }
        #expect(bytes.indices.contains { bytes[$0...].starts(with: wanted) })
    }

    @Test("Behind a service, they are read back, and the service is the same")
    func bytes() throws {
        var service = Service()
        service.container.initial.entryPath = ["bin", "sh"]
        let whole = service.encoded() + TreeTerms(shares: Self.both).bytes
        #expect(try TreeTerms(in: whole) == TreeTerms(shares: Self.both))
        #expect(try Service(decoding: whole) == service)
        #expect(TreeTerms().bytes.isEmpty)
        #expect(try TreeTerms(in: service.encoded()) == TreeTerms())
        for count in whole.indices {
            let cut = try? TreeTerms(in: Array(whole.prefix(count))).shares
            #expect(cut == nil || cut != Self.both)
        }
    }

    @Test("That nothing can be written is said with them, and alone", arguments: [[], both])
    func readOnly(_ shares: [SharedDirectory]) throws {
        var service = Service()
        service.container.initial.entryPath = ["bin", "sh"]
        let terms = TreeTerms(shares: shares, isReadOnly: true)
        let whole = service.encoded() + terms.bytes
        #expect(try TreeTerms(in: whole) == terms)
        #expect(try Service(decoding: whole) == service)
        for count in whole.indices {
            let cut = try? TreeTerms(in: Array(whole.prefix(count)))
            #expect(cut == nil || cut != terms)
        }
        var tree = Self.tree()
        #expect(terms.apply(to: &tree) == nil)
        #expect(TreeTerms(tree) == terms)
        // As existing nodes have it: of the root, and with no other value.
        let pair: [UInt8] = [0x12, 0x0F, 0x0A, 0x09] + Array("read_mode".utf8) + [0x12, 0x02]
        let value = try #require(
            whole.indices.first { whole[$0...].starts(with: pair + Array("ro".utf8)) })
        var other = whole
        other[value + pair.count + 1] = UInt8(ascii: "w")
        #expect(try TreeTerms(in: other) == TreeTerms(shares: shares))
    }

    @Test("One in another, or two of one name and role, are a conflict")
    func conflicts() {
        func one(
            _ path: [String], _ role: DirectoryShare.Role = .offered, _ tag: String = ""
        ) -> SharedDirectory {
            SharedDirectory(path: path, share: DirectoryShare(role: role, tag: tag))
        }
        let bad = [
            [one(["a"]), one(["a", "b"], .inherited)], [one(["a", "b"]), one(["a"])],
            [one(["a"]), one(["a"], .inherited)],
            [one(["a"], .offered, "t"), one(["b"], .offered, "t")],
            [one(["a"], .offered, "/b"), one(["b"])],
        ]
        for pair in bad { #expect(SharedDirectory.conflict(pair) == pair[1], "\(pair)") }
        let good = [
            [one(["a"]), one(["ab"])],
            [one(["a"], .offered, "t"), one(["b"], .inherited, "t")],
        ]
        for pair in good { #expect(SharedDirectory.conflict(pair) == nil, "\(pair)") }
    }
}
