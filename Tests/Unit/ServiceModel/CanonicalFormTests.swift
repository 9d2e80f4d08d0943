// The id of a service depends on its bytes alone, and they are the documented ones.

import ServiceModel
import Syscalls
import Testing

@Suite("The canonical form")
struct CanonicalFormTests {
    private let contents: [ContentDigest: [UInt8]] = Dictionary(
        uniqueKeysWithValues: (0..<4).compactMap { index in
            ContentDigest([UInt8](repeating: UInt8(index), count: 32)).map {
                ($0, [UInt8](repeating: UInt8(index), count: index * 100_000))
            }
        })

    private func tree(_ generator: inout some RandomNumberGenerator, depth: Int) -> [TreeEntry] {
        let digests = contents.keys.sorted { $0.hex < $1.hex }
        return (0..<Int.random(in: 0...6, using: &generator)).map { index in
            let name = "n\(index)" + String(repeating: "x", count: index * 30)
            switch Int.random(in: 0...2, using: &generator) {
            case 0:
                return TreeEntry(
                    name: name, attributes: FileAttributes(mode: 0o120777),
                    content: .link(target: "/a/b"))
            case 1 where depth > 0:
                return TreeEntry(
                    name: name, attributes: .directory,
                    content: .directory(tree(&generator, depth: depth - 1)))
            default:
                let digest = digests[Int.random(in: 0..<4, using: &generator)]
                return TreeEntry(
                    name: name, attributes: FileAttributes(mode: 0o100644),
                    content: .file(digest, bytes: UInt64(contents[digest]?.count ?? 0)))
            }
        }
    }

    private func emitted(_ service: Service, _ tree: FileTree) -> [UInt8] {
        var bytes: [UInt8] = []
        CanonicalForm.emit(
            service, tree, literal: { bytes.append(contentsOf: Self.array($0)) },
            content: { digest, _ in bytes += contents[digest] ?? [] })
        return bytes
    }

    private static func array(_ piece: RawSpan) -> [UInt8] {
        // SAFETY: the bytes are copied during the call.
        unsafe piece.withUnsafeBytes { unsafe Array($0) }
    }

    @Test("is as long as its lengths say, for trees from a seed", arguments: UInt64(1)...40)
    func lengths(seed: UInt64) {
        var generator = Seeded(state: seed)
        let tree = FileTree(entries: tree(&generator, depth: 4))
        var service = Service()
        service.prose = "prose"
        service.container.initial = EntryPoint(entryPath: ["n0"])
        let bytes = emitted(service, tree)
        #expect(UInt64(bytes.count) == CanonicalForm.length(of: service, tree))
    }

    @Test("of one small file is these bytes")
    func bytes() throws {
        let digest = try #require(ContentDigest([UInt8](repeating: 1, count: 32)))
        let tree = FileTree(entries: [
            TreeEntry(
                name: "f", attributes: FileAttributes(mode: 0o100644),
                content: .file(digest, bytes: 0))
        ])
        var service = Service()
        service.container.architecture = Architecture(tags: ["a"])
        var bytes: [UInt8] = []
        CanonicalForm.emit(
            service, tree, literal: { bytes.append(contentsOf: Self.array($0)) },
            content: { _, _ in })
        // container { architecture { tags: "a" } filesystem { branch { name: "f" file: "" xattrs
        // gid, mode, mtime_ns, uid } } }, written by hand from the field numbers.
        func entry(_ key: String, _ value: String) -> [UInt8] {
            let inner =
                [0x0A, UInt8(key.utf8.count)] + key.utf8 + [0x12, UInt8(value.utf8.count)]
                + value.utf8
            return [0x2A, UInt8(inner.count)] + inner
        }
        let branch =
            [0x0A, 1, UInt8(ascii: "f"), 0x12, 0] + entry("gid", "0") + entry("mode", "33188")
            + entry("mtime_ns", "0") + entry("uid", "0")
        let fileSystem = [0x0A, UInt8(branch.count)] + branch
        let container =
            [0x0A, 3, 0x0A, 1, UInt8(ascii: "a"), 0x12, UInt8(fileSystem.count)] + fileSystem
        #expect(bytes == [0x12, UInt8(container.count)] + container)
    }

    /// SplitMix64.
    private struct Seeded: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }
}
