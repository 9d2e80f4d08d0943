// A service read from its bytes is the one they were written from, whatever the runs, and bytes that
// are none are refused by what is wrong with them.

import ServiceModel
import Testing

/// Reads bytes in runs; the digests of contents are computed from what is given.
struct RunReader {
    var literals: [UInt8] = []
    var all: [UInt8] = []
    var positions: [[UInt64]] = []

    mutating func read(
        _ bytes: [UInt8], runs: (Int) -> Int = { _ in 65_536 },
        root: CanonicalReader.Root = .service
    ) throws(CanonicalError) -> (service: Service, tree: FileTree, bytes: UInt64) {
        var reader = CanonicalReader(root)
        var content: [UInt8] = []
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + max(1, runs(start)))
            var rest = bytes[start..<end]
            while let event = try reader.next(&rest) {
                switch event {
                case .literal(let part):
                    literals += part
                    all += part
                case .contentBegins(_, let around):
                    positions.append(around)
                    content = []
                case .content(let part):
                    content += part
                    all += part
                case .contentEnds:
                    try reader.setContent(GeneratedService.digest(of: content))
                }
            }
            start = end
        }
        return try reader.finish()
    }
}

/// Fields written by hand.
private func blob(_ field: UInt8, _ content: [UInt8]) -> [UInt8] {
    var writer = ProtoWriter()
    writer.head(UInt64(field), length: UInt64(content.count))
    return writer.bytes + content
}

private func text(_ field: UInt8, _ text: String) -> [UInt8] { blob(field, Array(text.utf8)) }

private func pair(_ key: String, _ value: String, field: UInt8 = 5) -> [UInt8] {
    blob(field, text(1, key) + text(2, value))
}

private func file(_ name: String, _ more: [UInt8] = []) -> [UInt8] {
    blob(1, text(1, name) + text(2, "x") + more)
}

private func inBox(_ filesystem: [UInt8]) -> [UInt8] { blob(2, blob(2, filesystem)) }

@Suite("The reader of a service's bytes")
struct CanonicalReaderTests {
    @Test("gives what was written, and every byte once, in runs of any size", arguments: 1...40)
    func roundTrip(number: Int) throws {
        let seed = UInt64.random(in: .min ... .max)
        let made = GeneratedService(seed: seed)
        let bytes = made.bytes
        var chance = SeededGenerator(state: seed)
        var runs = RunReader()
        let read = try runs.read(bytes) { _ in
            number % 4 == 0 ? 1 : Int.random(in: 1...(number * 50), using: &chance)
        }
        #expect(read.service == made.service, "seed \(seed)")
        #expect(read.service.encoded() == made.service.encoded(), "seed \(seed)")
        #expect(read.tree == made.tree, "seed \(seed)")
        #expect(read.bytes == UInt64(bytes.count), "seed \(seed)")
        #expect(runs.all == bytes, "seed \(seed)")
        for around in runs.positions {
            // Each is the place of a length: the field's tag stands before it.
            #expect(around.count >= 4 && around == around.sorted(), "seed \(seed)")
        }
    }

    @Test("takes the name of a content instead of its bytes")
    func skips() throws {
        let digest = GeneratedService.digest(of: Array("hello".utf8))
        let tree = FileTree(entries: [
            TreeEntry(
                name: "f", attributes: FileAttributes(mode: 0o100644),
                content: .file(digest, bytes: 5))
        ])
        var reader = CanonicalReader()
        var isOpen = false
        CanonicalForm.emit(
            Service(), tree,
            literal: { piece in
                // SAFETY: the bytes are copied during the call.
                var rest = unsafe piece.withUnsafeBytes { unsafe Array($0) }[...]
                while let event = try? reader.next(&rest) {
                    if case .contentBegins(5, _) = event { isOpen = true }
                }
            }, content: { digest, _ in try? reader.skipContent(digest) })
        #expect(isOpen)
        let read = try reader.finish()
        #expect(read.tree == tree)
        #expect(read.bytes == CanonicalForm.length(of: Service(), tree))
    }

    @Test("takes branches in another order and fields nobody knows, and shows that they are there")
    func foreign() throws {
        let canonical = inBox(
            file("a", attributes("100600")) + file("b", attributes("100644")))
        let foreign =
            inBox(
                blob(1, text(2, "x") + attributes("100644") + text(1, "b")) + text(90, "new")
                    + file("a", attributes("100600"))) + text(77, "later") + [0xD8, 0x04, 1]
        var one = RunReader()
        var other = RunReader()
        let first = try one.read(canonical)
        let second = try other.read(foreign) { _ in 3 }
        #expect(first.tree == second.tree && first.tree.count == 2)
        #expect(second.bytes == UInt64(foreign.count))
        #expect(other.all == foreign)
        #expect(other.literals != one.literals)
    }

    private func attributes(_ octal: String) -> [UInt8] {
        pair("gid", "0") + pair("mode", String(Int(octal, radix: 8) ?? 0)) + pair("mtime_ns", "0")
            + pair("uid", "0")
    }

    private static let deep = (0...FileTree.depthMax).reduce([UInt8]()) { inner, _ in
        blob(1, text(1, "d") + blob(4, inner))
    }

    private static func directory(
        _ name: String, _ more: [UInt8], _ below: [[UInt8]] = []
    ) -> [UInt8] {
        blob(1, text(1, name) + blob(4, below.flatMap { $0 }) + more)
    }

    @Test("takes what existing nodes say of shared directories, and what is no role as nothing")
    func shares() throws {
        func branch(_ name: String, _ pairs: [(String, String)]) -> [UInt8] {
            Self.directory(name, pairs.flatMap { pair($0.0, $0.1) })
        }
        let bytes = inBox(
            branch("a", [("shared", "YES"), ("access", "ro"), ("share_tag", "x")])
                + branch("b", [("guest", "on"), ("share_env", "SET")])
                + branch("c", [("shared", "false"), ("guest", "0"), ("access", "wo")]))
        var runs = RunReader()
        let shares = try runs.read(bytes) { _ in 7 }.tree.shares
        #expect(
            shares == [
                SharedDirectory(
                    path: ["a"],
                    share: DirectoryShare(role: .offered, access: .readOnly, tag: "x")),
                SharedDirectory(
                    path: ["b"], share: DirectoryShare(role: .inherited, variable: "SET")),
            ])
    }

    static let refused: [(bytes: [UInt8], CanonicalError.Condition, path: String)] = [
        (inBox(file("a/b")), .badName, "?"),
        (inBox(file("")), .badName, "?"),
        (inBox(file(".")), .badName, "?"),
        (inBox(file("..")), .badName, "?"),
        (inBox(file("a\0")), .badName, "?"),
        (inBox(blob(1, blob(1, [0xFF]) + text(2, "x"))), .badName, "?"),
        (inBox(file(String(repeating: "n", count: 256))), .tooLarge, "?"),
        (inBox(file("a") + file("b") + file("a")), .duplicate, "a"),
        (inBox(blob(1, text(1, "d") + blob(4, file("b") + file("b")))), .duplicate, "d/b"),
        (inBox(file("a", text(2, "again"))), .duplicate, "a"),
        (inBox(file("a", text(1, "b"))), .duplicate, "a"),
        (blob(2, blob(2, file("a")) + blob(2, file("b"))), .duplicate, ""),
        (inBox(file("a")) + inBox(file("b")), .duplicate, ""),
        (inBox(blob(1, text(1, "a"))), .incomplete, "a"),
        (inBox(blob(1, text(2, "x"))), .incomplete, "?"),
        (inBox(file("a", pair("mode", "-1"))), .badAttribute, "a"),
        (inBox(file("a", pair("mode", "16877"))), .badAttribute, "a"),
        (inBox(file("a", pair("uid", "4294967296"))), .badAttribute, "a"),
        (inBox(file("a", pair("xattr.security.capability", "x"))), .badAttribute, "a"),
        (inBox(file("a", pair("device.major", "1"))), .unsupported, "a"),
        (inBox(file("a", pair("link", "/x"))), .badLink, "a"),
        (inBox(file("a", pair("shared", "true"))), .badAttribute, "a"),
        (inBox(directory("d", pair("shared", "maybe"))), .badAttribute, "d"),
        (inBox(directory("d", pair("shared", "1") + pair("guest", "true"))), .badAttribute, "d"),
        (inBox(directory("d", pair("guest", "true") + pair("access", "x"))), .badAttribute, "d"),
        (
            inBox(directory("d", pair("guest", "true") + pair("share_tag", "a b"))), .badAttribute,
            "d"
        ),
        (
            inBox(
                directory("d", pair("guest", "true"), [directory("e", pair("shared", "true"))])),
            .badAttribute, "d/e"
        ),
        (inBox(blob(1, text(1, "l") + blob(3, text(1, "relative")))), .badLink, "l"),
        (inBox(blob(1, text(1, "l") + blob(3, text(1, "/a")) + pair("link", "b"))), .badLink, "l"),
        (inBox(deep), .tooDeep, (0..<FileTree.depthMax).map { _ in "d" }.joined(separator: "/")),
        ([0x12, 10, 0x12, 11], .lengthPastEnd, ""),
        ([0x12, 10, 0x12], .truncated, ""),
        ([0x12, 1, 0x92, 0x01], .truncated, ""),
        ([0x10, 1], .wrongType, ""),
        ([0x13], .wrongType, ""),
        ([0x7B], .malformed, ""),
        ([0x02, 0], .malformed, ""),
        ([0x12] + [UInt8](repeating: 0xFF, count: 9) + [2], .malformed, ""),
        ([0x0A, 0xFF, 0xFF, 0xFF, 0x7F], .tooLarge, ""),
        ([0xFA, 0x07, 0xFF, 0xFF, 0xFF, 0x7F], .tooLarge, ""),
    ]

    @Test("refuses by what is wrong and where", arguments: refused)
    func refusals(bytes: [UInt8], condition: CanonicalError.Condition, path: String) {
        for size in [1, 65_536] {
            var runs = RunReader()
            do throws(CanonicalError) {
                _ = try runs.read(bytes) { _ in size }
                Issue.record("accepted")
            } catch {
                #expect(error.condition == condition)
                #expect(error.path == path)
            }
        }
    }

    @Test("takes directories inside each other up to its bound")
    func depth() throws {
        let most = (1..<FileTree.depthMax).reduce(file("f")) { inner, _ in
            blob(1, text(1, "d") + blob(4, inner))
        }
        var runs = RunReader()
        let tree = try runs.read(inBox(most)).tree
        #expect(tree.count == FileTree.depthMax)
    }

    @Test("No cut and no flipped bit traps, and what is accepted has its bytes")
    func mutations() throws {
        let seed = UInt64.random(in: .min ... .max)
        let bytes = GeneratedService(seed: seed, depth: 2).bytes
        var chance = SeededGenerator(state: seed)
        for end in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 3_000)) {
            var runs = RunReader()
            _ = try? runs.read(Array(bytes[..<end]))
            #expect(runs.all.count <= end, "seed \(seed)")
        }
        for _ in 0..<3_000 where !bytes.isEmpty {
            var other = bytes
            other[Int.random(in: 0..<other.count, using: &chance)] ^=
                1 << UInt8.random(in: 0...7, using: &chance)
            var runs = RunReader()
            guard let read = try? runs.read(other) else { continue }
            #expect(read.bytes == UInt64(other.count) && runs.all == other, "seed \(seed)")
        }
    }
}
