// The id of a service is the documented one, and its length is known before any content is read.

import ServiceModel
import Testing

private func digest(_ number: UInt8) -> ContentDigest {
    guard let digest = ContentDigest([UInt8](repeating: number, count: 32)) else {
        preconditionFailure("32 bytes are a digest")
    }
    return digest
}

private func entry(_ name: String, _ mode: UInt32, _ content: TreeEntry.Content) -> TreeEntry {
    let type =
        switch content {
        case .file: FileAttributes.typeRegular
        case .link: FileAttributes.typeLink
        case .directory: FileAttributes.typeDirectory
        }
    return TreeEntry(name: name, attributes: FileAttributes(mode: type | mode), content: content)
}

private func byName(_ one: TreeEntry, _ other: TreeEntry) -> Bool {
    one.name.utf8.lexicographicallyPrecedes(other.name.utf8)
}

private func service(_ json: String) throws -> Service {
    try ServiceDescription.read(Array(json.utf8)).service
}

/// Gives contents out of a table, in two pieces.
private struct Contents {
    var byDigest: [ContentDigest: [UInt8]] = [:]

    func read(_ digest: ContentDigest, _ take: (RawSpan) -> Void) {
        let bytes = byDigest[digest] ?? []
        for piece in [
            Array(bytes.prefix(bytes.count / 3)), Array(bytes.dropFirst(bytes.count / 3)),
        ]
        where !piece.isEmpty {
            // SAFETY: bytes have no padding.
            unsafe take(piece.span.bytes)
        }
    }
}

/// SplitMix64: the same trees for the same seed everywhere.
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

@Suite struct IdentityTests {
    // Both made with Tests/Python/identity.py (service_id and service of the same description and
    // tree), whose bytes protobuf's own deterministic writer repeats for Protocols/models.

    @Test("The smallest service has the documented id")
    func smallest() throws {
        let contents = Contents(byDigest: [digest(1): Array("hello\n".utf8)])
        let identity = CanonicalForm.identify(
            service: try service(
                #"{"architecture": "linux/amd64", "init": {"entry_path": ["start"]}}"#),
            tree: FileTree(entries: [entry("start", 0o755, .file(digest(1), bytes: 6))]),
            read: contents.read)
        let made = try #require(identity)
        #expect(
            Hexadecimal.text(made.id)
                == "478875e7354e2debda6cd6c5d5209a021fd8f8dd828004e30c9e735f29121a99")
        #expect(made.bytes == 152)
    }

    @Test("A service with every kind of entry, slots, variables and limits has the documented id")
    func everyKind() throws {
        let limits = #""cpu_period":100000,"cpu_quota":50000,"blkio_weight":500"#
        let described = try service(
            #"""
            {"architecture": "linux/arm64", "init": {"entry_path": ["usr", "bin", "start"]},
            "api": [{"port": 80, "transport": "tcp", "protocol": ["http", "tls"]},
            {"port": 53, "transport": "udp"}], "envs": ["B", "A"], "resources": {
            """#
                + #""at_init":{"mem_limit":67108864,"# + limits
                + #"},"at_most":{"mem_limit":134217728,"# + limits + "}}}")
        let usr: [TreeEntry] = [
            entry(
                "bin", 0o755, .directory([entry("start", 0o755, .file(digest(1), bytes: 200))])),
            entry("link", 0o777, .link(target: "/etc/empty")),
        ]
        let tree = FileTree(entries: [
            entry("etc", 0o700, .directory([entry("empty", 0o600, .file(digest(3), bytes: 0))])),
            entry("lib", 0o777, .link(target: "/usr/lib")), entry("usr", 0o755, .directory(usr)),
            entry("\u{E9}", 0o644, .file(digest(2), bytes: 2)),
        ])
        let contents = Contents(byDigest: [
            digest(1): [UInt8](repeating: UInt8(ascii: "x"), count: 200),
            digest(2): Array("\u{FC}".utf8),
        ])
        let made = try #require(
            CanonicalForm.identify(service: described, tree: tree, read: contents.read))
        #expect(
            Hexadecimal.text(made.id)
                == "f03b0031698efb9c13bea924e42989c1c49ff37364ef26928e62f98734b86477")
        #expect(made.bytes == 882)
    }

    @Test("A content of another length than the tree says gives no id", arguments: [0, 5, 7])
    func refusesLength(_ given: Int) throws {
        let contents = Contents(byDigest: [digest(1): [UInt8](repeating: 1, count: given)])
        let identity = CanonicalForm.identify(
            service: try service(#"{"architecture": "linux/amd64", "entrypoint": "/start"}"#),
            tree: FileTree(entries: [entry("start", 0o755, .file(digest(1), bytes: 6))]),
            read: contents.read)
        #expect(identity == nil)
    }

    @Test("The length of a generated tree is the number of bytes that are given")
    func lengths() throws {
        let seed = UInt64.random(in: .min ... .max)
        var chance = Seeded(state: seed)
        let described = try service(#"{"architecture": "arm64", "entrypoint": "/a/b"}"#)
        for _ in 0..<100 {
            var contents = Contents()
            let tree = FileTree(entries: generate(&chance, &contents, depth: 0))
            var service = described
            service.prose = String(repeating: "p", count: Int.random(in: 0...300, using: &chance))
            var count: UInt64 = 0
            CanonicalForm.emit(
                service, tree, literal: { count += UInt64($0.byteCount) },
                content: { digest, _ in count += UInt64(contents.byDigest[digest]?.count ?? 0) })
            #expect(CanonicalForm.length(of: service, tree) == count, "seed \(seed)")
        }
    }

    private func generate(
        _ chance: inout Seeded, _ contents: inout Contents, depth: Int
    ) -> [TreeEntry] {
        (0..<Int.random(in: 0...6, using: &chance)).map { number in
            let letter = ["a", "\u{E9}", "-"].randomElement(using: &chance) ?? "a"
            let name =
                String(repeating: letter, count: Int.random(in: 1...120, using: &chance))
                + "\(number)"
            switch Int.random(in: 0..<(depth < 4 ? 4 : 2), using: &chance) {
            case 0:
                let target = String(repeating: "/t", count: Int.random(in: 0...100, using: &chance))
                return entry(name, 0o777, .link(target: target))
            case 1:
                let bytes = [0, 1, 127, 128, 16_384, 70_000].randomElement(using: &chance) ?? 0
                let key = digest(UInt8.random(in: .min ... .max, using: &chance))
                let known = contents.byDigest[key]?.count ?? bytes
                contents.byDigest[key] = [UInt8](repeating: 7, count: known)
                return entry(name, 0o644, .file(key, bytes: UInt64(known)))
            default:
                return entry(
                    name, 0o755, .directory(generate(&chance, &contents, depth: depth + 1)))
            }
        }.sorted(by: byName)
    }
}
