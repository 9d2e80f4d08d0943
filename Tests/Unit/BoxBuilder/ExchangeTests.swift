import Interfaces
import ServiceModel
import Synchronization
import Syscalls
import Testing
import box_builder

/// A description and a tree of a few kilobytes, with a content large enough to be a block.
private func fixtureWithBox() throws -> (StoreFixture, BoxSummary) {
    let fixture = try StoreFixture()
    let large = String(repeating: "0123456789abcdef", count: 512)
    return (fixture, try fixture.add(.box(large, "small")))
}

extension StoreFixture {
    /// The content's name in the store, where it is there.
    fileprivate func digest(of text: String) -> ContentDigest? {
        let sink = ImportedContents(store)
        defer { sink.end() }
        return try? {
            try sink.begin()
            // SAFETY: bytes have no padding.
            try unsafe sink.append(Array(text.utf8).span.bytes)
            defer { sink.discard() }
            return try sink.finish()
        }()
    }

    fileprivate func export(
        _ codec: Interfaces.Codec, _ id: String, known: Set<ContentDigest> = []
    ) throws(Fault) -> (bytes: [UInt8], summary: ExportSummary) {
        var request = ExportBoxRequest()
        request.box = id
        request.codec = codec
        request.blockBytesMin = 4_096
        var bytes: [UInt8] = []
        let summary = try BoxExporter(store: store, index: index).run(
            request, known: known, to: { bytes += $0 }, progress: { _ in })
        return (bytes, summary)
    }

    @discardableResult
    fileprivate func take(
        _ package: [UInt8], expected: [UInt8] = []
    ) throws(Fault) -> BoxSummary {
        var request = ImportPackageRequest()
        request.expectedIDBytes = expected
        let source: Descriptor
        do throws(Errno) {
            source = try Memfd.sealed(package)
        } catch {
            throw Fault(.internal, subject: "\(error)")
        }
        return try PackageImporter(store: store, index: index).run(
            source, request, now: 1_800_000_000, progress: { _ in }, isCancelled: { false })
    }
}

@Suite("Boxes travel between stores")
struct ExchangeTests {
    @Test(
        "A box that was exported is the same box elsewhere",
        arguments: [Interfaces.Codec.proto3, .bee, .json])
    func roundTrip(codec: Interfaces.Codec) throws {
        let (here, box) = try fixtureWithBox()
        let (bytes, _) = try here.export(codec, box.hex)
        let there = try StoreFixture()
        let taken = try there.take(bytes, expected: box.serviceIDBytes)
        #expect(taken.hex == box.hex)
        #expect(taken.contentBytes == box.contentBytes)
        #expect(taken.canonicalBytes == box.canonicalBytes)
        #expect(try there.export(codec, box.hex).bytes == bytes)
        #expect(
            try there.files().filter { !$0.hasPrefix("images") }
                == here.files().filter { !$0.hasPrefix("images") })
    }

    @Test("The id is the same whether contents are read ahead or taken as they come")
    func readAhead() throws {
        // Around what is read in one run, empty ones between, and more than all runs together.
        var tree = Tar.box()
        for (number, size) in [524_288, 0, 524_277, 1, 524_289, 3_000_000, 7].enumerated() {
            let content = String(repeating: "\(number)", count: size)
            tree = tree.file("f\(number)", content).file("g\(number)", content)
        }
        let (here, there) = (try StoreFixture(), try StoreFixture())
        let box = try here.add(tree)
        let bytes = try here.export(.proto3, box.hex).bytes
        #expect(try there.take(bytes, expected: box.serviceIDBytes).hex == box.hex)
    }

    @Test("A removed box leaves nothing of its form")
    func removal() throws {
        let (fixture, box) = try fixtureWithBox()
        _ = try fixture.remove(box.hex)
        #expect(try fixture.files().isEmpty)
    }

    @Test("A block that is named by two is computed once, remembered, and forgotten with its box")
    func names() throws {
        let (fixture, box) = try fixtureWithBox()
        let contents = try fixture.index.find(box.hex)
        let package = try fixture.export(.bee, box.hex).bytes
        let there = try StoreFixture()
        try there.take(package)
        let large = String(repeating: "0123456789abcdef", count: 512)
        let digest = try #require(fixture.digest(of: large))
        let name = try #require(try fixture.index.blockName(of: digest))
        #expect(try there.index.blockName(of: digest) == name)
        #expect(try there.index.content(ofBlock: name) == digest)
        _ = try there.remove(contents.0.id.description)
        #expect(try there.index.blockName(of: digest) == nil)
    }

    @Test("What the receiver has is left out, and is missed where it has not")
    func known() throws {
        let (here, box) = try fixtureWithBox()
        let large = String(repeating: "0123456789abcdef", count: 512)
        let digest = try #require(here.digest(of: large))
        let (bytes, summary) = try here.export(.bee, box.hex, known: [digest])
        #expect(summary.blocksSkipped == 1)
        #expect(summary.bytesSkipped == 8_192)
        #expect(bytes.count < 4_096)
        let there = try StoreFixture()
        try there.add(.box(large, "something else"))
        #expect(try there.take(bytes, expected: box.serviceIDBytes).hex == box.hex)
        let empty = try StoreFixture()
        #expect(throws: Fault.self) { try empty.take(bytes) }
        #expect(try empty.files().isEmpty)
    }

    @Test("A package cut at any byte is refused and leaves nothing")
    func cuts() throws {
        let (here, box) = try fixtureWithBox()
        let (bytes, _) = try here.export(.bee, box.hex)
        let there = try StoreFixture()
        for count in stride(from: 0, to: bytes.count, by: 7) {
            #expect(throws: Fault.self, "cut at \(count)") {
                try there.take(Array(bytes[..<count]))
            }
        }
        #expect(try there.files().isEmpty)
        #expect(try there.index.count() == 0)
    }

    @Test("A package or form with a byte altered is refused or another box, and never traps")
    func alterations() throws {
        let (here, box) = try fixtureWithBox()
        for codec in [Interfaces.Codec.bee, .proto3, .json] {
            let (bytes, _) = try here.export(codec, box.hex)
            let there = try StoreFixture()
            var refused = 0
            for index in stride(from: 0, to: bytes.count, by: 13) {
                var altered = bytes
                altered[index] ^= UInt8(1 << (index % 8))
                do throws(Fault) {
                    try there.take(altered, expected: box.serviceIDBytes)
                    // Only what is said beside the service may have changed.
                    #expect(codec != .proto3)
                } catch {
                    refused += 1
                    #expect(error.code != .internal, "\(index): \(error)")
                }
            }
            #expect(refused > bytes.count / 13 / 4)
            if try there.index.count() > 0 { _ = try there.remove(box.hex) }
            #expect(try there.files().isEmpty)
        }
    }

    @Test("Two boxes differ in what their trees and descriptions differ in")
    func comparison() throws {
        let fixture = try StoreFixture()
        let one = try fixture.add(
            Tar().file("start", "#!/bin/sh\n", mode: 0o755).file("a", "1").file("gone", "x"))
        let other = try fixture.add(
            Tar().file("start", "#!/bin/sh\n", mode: 0o755).file("a", "1", mode: 0o600)
                .file("new", "y"))
        let left = try fixture.index.find(one.hex).0
        let right = try fixture.index.find(other.hex).0
        let found = try BoxComparison(left, right, in: fixture.store).differences()
        #expect(
            found.map { "\($0.kind) \($0.path) \($0.attribute)" } == [
                "changed /a mode", "removed /gone ", "added /new ",
            ])
        #expect(try BoxComparison(left, left, in: fixture.store).differences().isEmpty)
    }

    @Test("Two boxes of equal values in other bytes differ in their canonical form")
    func otherBytes() throws {
        let (here, box) = try fixtureWithBox()
        let (bytes, _) = try here.export(.proto3, box.hex)
        // A field of the service that nobody here knows: 99, with the number 1.
        let other = try here.take(bytes + [0x98, 0x06, 0x01])
        let left = try here.index.find(box.hex).0
        let right = try here.index.find(other.hex).0
        let found = try BoxComparison(left, right, in: here.store).differences()
        #expect(found.map(\.path) == ["canonical form"])
        #expect(found.map(\.left) == [box.hex] && found.map(\.right) == [other.hex])
    }
}
