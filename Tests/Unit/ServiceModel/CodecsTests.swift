// The digests a service is known by, the codecs two nodes share, and what a zip cannot say of a tree.

import ServiceModel
import Syscalls
import Testing

private func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8($0 % 251) } }

private func blake2b(_ content: [UInt8], pieces: Int = .max) -> String {
    var hash = Blake2b()
    var rest = content[...]
    while !rest.isEmpty {
        let piece = Array(rest.prefix(pieces))
        // SAFETY: the bytes are read during the call.
        unsafe piece.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
        rest = rest.dropFirst(piece.count)
    }
    return Hexadecimal.text(hash.finalize())
}

@Suite("Digests")
struct DigestTests {
    // Made with Python's hashlib.blake2b(digest_size=32) over bytes 0 to 250, again and again.
    @Test(
        "BLAKE2b-256 is that of another implementation",
        arguments: [
            (0, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"),
            (1, "03170a2e7597b7b7e3d84c05391d139a62b157e78786d8c082f29dcf4c111314"),
            (3, "3d8c3d594928271f44aad7a04b177154806867bcf918e1549c0bc16f9da2b09b"),
            (127, "f2fe67ff342e21b8f45e8f2e0bcd1d9243245d50ee6c78042e9c491388791c72"),
            (128, "c3582f71ebb2be66fa5dd750f80baae97554f3b015663c8be377cfcb2488c1d1"),
            (129, "f7f3c46ba2564ff4c4c162da1f5b605f9f1c4aa6a20652a9f9a337c1a2f5b9c9"),
            (255, "d9ef0fc521b4266d16df662bec231bc2ec3989e7adeaf63169c295dc239dbbea"),
            (256, "582f782226018ec33076bd8d1c42413530ac7e1126260ffc0f306ba3befc3f24"),
            (257, "227e15ed64ee8e93eb7bc53828f76eed974f2c4ab1408c3d08f212b7f8d69904"),
            (1000, "b372d0608f720c8c3dd41e9c8eecb10143b41abe520b616607e754bf79c08331"),
        ])
    func blake(count: Int, hex: String) {
        #expect(blake2b(bytes(count)) == hex)
        for pieces in [1, 64, 127, 128, 129] {
            #expect(blake2b(bytes(count), pieces: pieces) == hex)
        }
    }

    @Test("Each type of hash is the algorithm's digest of nothing, and its value that of the bytes")
    func types() {
        let nothing = ServiceDigests().finalize()
        #expect(nothing.map(\.type) == nothing.map(\.value))
        #expect(nothing.map(\.type) == Hash.Algorithm.allCases.map(\.type))
        var digests = ServiceDigests()
        for piece in [bytes(200), bytes(1_000)] {
            // SAFETY: bytes have no padding.
            unsafe digests.update(piece.span.bytes)
        }
        let metadata = Metadata(hashes: digests.finalize(), tags: ["t"], codec: .json)
        var id = ServiceHash()
        id.update(data: bytes(200) + bytes(1_000))
        #expect(metadata.digest(.sha3) == id.finalize())
        #expect(
            metadata.digest(.sha2)
                == GeneratedService.digest(of: bytes(200) + bytes(1_000)).bytes)
        #expect(
            metadata.digest(.blake2b).map { Hexadecimal.text($0) }
                == blake2b(bytes(200) + bytes(1_000)))
        #expect(metadata.codec == .json && Metadata().codec == .proto3)
    }
}

@Suite("Codecs")
struct CodecsTests {
    @Test("Two nodes find the one that the first prefers among those both have")
    func common() {
        let both = Codecs(codecs: ["cbor", "json", "proto3"], hashes: [])
        #expect(Codecs.common(.ours, both) == .proto3)
        #expect(Codecs.common(both, .ours) == .json)
        #expect(Codecs.common(both, Codecs(codecs: ["cbor"], hashes: [])) == nil)
        #expect(Codecs.common(Codecs(codecs: [], hashes: []), .ours) == nil)
    }

    @Test("The file is read as what was written, with names nobody knows")
    func file() {
        for codecs in [Codecs.ours, Codecs(codecs: ["x", "\u{E9}"], hashes: [])] {
            #expect(Codecs(codecs.encoded) == codecs)
        }
        let later = #"{"version":1,"codecs":["json"],"hashes":["00"],"more":{}}"#
        #expect(Codecs(Array(later.utf8)) == Codecs(codecs: ["json"], hashes: ["00"]))
    }

    @Test(
        "What is no such file is refused",
        arguments: [
            "", "[]", "{}", #"{"version":2,"codecs":[],"hashes":[]}"#,
            #"{"version":1,"codecs":"json","hashes":[]}"#,
            #"{"version":1,"codecs":[1],"hashes":[]}"#,
            #"{"version":1,"codecs":[],"codecs":[],"hashes":[]}"#,
        ])
    func refused(text: String) {
        #expect(Codecs(Array(text.utf8)) == nil)
    }

    @Test("The file of this repository is what this program understands")
    func ours() throws {
        let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        let bytes = try File.readAll("/\(root)/Protocols/models/codecs.json", limit: 4_096)
        #expect(bytes == Codecs.ours.encoded + [0x0A])
    }

    @Test("One with more names than the bound is refused")
    func bounded() {
        let names = (0...Codecs.namesMax).map { "c\($0)" }
        #expect(Codecs(Codecs(codecs: names, hashes: []).encoded) == nil)
    }
}

@Suite("What a zip cannot say of a tree")
struct TreeAttributesTests {
    /// As a zip gives it back.
    private func plain(_ entries: [TreeEntry]) -> [TreeEntry] {
        entries.map { entry in
            var entry = entry
            entry.attributes = FileAttributes(mode: entry.attributes.mode)
            entry.extended = []
            entry.share = nil
            if case .directory(let below) = entry.content {
                entry.content = .directory(plain(below))
            }
            return entry
        }
    }

    @Test("is said beside it", arguments: 1...20)
    func roundTrip(number: Int) throws {
        let seed = UInt64.random(in: .min ... .max)
        let tree = GeneratedService(seed: seed).tree
        let text = try TreeAttributesJSON.write(tree)
        var read = FileTree(entries: plain(tree.entries))
        try TreeAttributesJSON.apply(text, to: &read)
        #expect(read == tree, "seed \(seed)")
        #expect(JSONWriter.bytes(try JSONReader.read(text)) == text, "seed \(seed)")
    }

    @Test(
        "is refused where it cannot be",
        arguments: [
            (#"{"b":{"uid":1}}"#, CanonicalError.Condition.incomplete),
            (#"{"a":{"mode":16877}}"#, .badAttribute), (#"{"a":{"uid":-1}}"#, .badAttribute),
            (#"{"a":{"xattrs":{"security.capability":""}}}"#, .badAttribute),
            (#"{"a":{"readMode":"ro"}}"#, .malformed), (#"{"a":1}"#, .malformed),
            (#"{"a":{"colour":1}}"#, .malformed), ("[]", .malformed),
            (#"{"a":{},"a":{}}"#, .duplicate),
        ])
    func refused(text: String, condition: CanonicalError.Condition) {
        var tree = FileTree(entries: [
            TreeEntry(
                name: "a", attributes: FileAttributes(mode: 0o100644),
                content: .file(.ofNothing, bytes: 0))
        ])
        do throws(CanonicalError) {
            try TreeAttributesJSON.apply(Array(text.utf8), to: &tree)
            Issue.record("accepted")
        } catch {
            #expect(error.condition == condition)
        }
    }
}
