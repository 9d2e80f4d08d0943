// The hash that names services, against the standard's examples and another implementation.

import ServiceModel
import SharedCrypto
import Testing

@Suite("The hash of a service")
struct ServiceHashTests {
    private static func ours(_ bytes: [UInt8], in step: Int) -> [UInt8] {
        var hash = ServiceHash()
        var rest = bytes[...]
        while !rest.isEmpty {
            hash.update(data: Array(rest.prefix(step)))
            rest = rest.dropFirst(step)
        }
        return hash.finalize()
    }

    @Test(
        "is SHA3-256, as the examples of FIPS 202 have it",
        arguments: [
            ("", "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a"),
            ("abc", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
        ])
    func examples(text: String, digest: String) {
        let hash = Self.ours(Array(text.utf8), in: 1)
        let hex = hash.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(hex == digest)
    }

    @Test("is the same in whatever pieces the bytes come", arguments: [1, 7, 135, 136, 137, 1_000])
    func pieces(step: Int) {
        for count in [0, 1, 135, 136, 137, 271, 272, 273, 5_000] {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 5) }
            #expect(Self.ours(bytes, in: step) == Array(SHA3_256.hash(data: bytes)))
        }
    }

    @Test("can be asked in the middle and goes on")
    func middle() {
        var hash = ServiceHash()
        hash.update(data: Array("ab".utf8))
        _ = hash.finalize()
        hash.update(data: Array("c".utf8))
        #expect(hash.finalize() == Self.ours(Array("abc".utf8), in: 3))
    }
}
