// Which boxes there are, how they are named, and who holds them.

import Interfaces
import ServiceModel
import Testing
import box_builder

@Suite("The index")
struct IndexTests {
    private static func record(_ bytes: [UInt8], tags: [String] = []) throws -> BoxRecord {
        let whole = bytes + [UInt8](repeating: 0, count: 32 - bytes.count)
        return BoxRecord(
            id: try #require(ServiceID(whole)), tags: tags, architecture: "linux/amd64",
            entrypoint: "/start", entries: 1, contentBytes: 2, canonicalBytes: 3, importedAt: 4,
            slots: ["6379/tcp", "53/udp"], service: [1, 2, 3])
    }

    @Test("gives back what was put in, every field of it")
    func roundTrip() throws {
        let fixture = try StoreFixture()
        let record = try Self.record([7], tags: ["a", "b"])
        #expect(try fixture.index.add(record, objects: [:]).0 == record)
        let (found, holders) = try fixture.index.find("a")
        #expect(found == record && holders.isEmpty)
        #expect(found.summary.slots.map(\.port) == [6379, 53])
        #expect(found.summary.slots.map(\.transport) == ["tcp", "udp"])
    }

    @Test("finds a box by id, by the start of one, and by tag")
    func resolve() throws {
        let fixture = try StoreFixture()
        for (bytes, tag) in [
            ([0xaa, 0xaa, 0xaa, 0xaa, 0x11], "one"), ([0xaa, 0xaa, 0xaa, 0xaa, 0x22], "two"),
            ([0xff, 0xff, 0xff, 0xff, 0xff], "aaaaaaaa22"),
        ] as [([UInt8], String)] {
            _ = try fixture.index.add(try Self.record(bytes, tags: [tag]), objects: [:])
        }
        func found(_ text: String) throws -> UInt8 {
            try fixture.index.find(text).0.id.bytes[4]
        }
        #expect(try found("one") == 0x11)
        #expect(try found("aaaaaaaa11") == 0x11)
        #expect(try found("aaaaaaaa1") == 0x11)
        #expect(try found("ffffffff") == 0xff)
        #expect(try found("aaaaaaaa11" + String(repeating: "0", count: 54)) == 0x11)
        for text in ["three", "aaaaaaaa3", "aaaaaaa", String(repeating: "b", count: 64)] {
            #expect(throws: Fault(.notFound, subject: text)) { try found(text) }
        }
        // A start of several ids, and a text that is one box's tag and the start of another's id.
        for text in ["aaaaaaaa", "aaaaaaaa22"] {
            let fault = #expect(throws: Fault.self) { try found(text) }
            #expect(fault?.reason == .duplicate && fault?.subject == text)
            #expect(fault?.lines.count == 2)
        }
    }

    @Test("gives a tag to the last box that was imported under it")
    func tagMoves() throws {
        let fixture = try StoreFixture()
        _ = try fixture.index.add(try Self.record([1], tags: ["web", "old"]), objects: [:])
        _ = try fixture.index.add(try Self.record([2], tags: ["web"]), objects: [:])
        #expect(try fixture.index.find("web").0.id.bytes[0] == 2)
        #expect(try fixture.index.find("old").0.tags == ["old"])
    }

    @Test("refuses more tags than the bound, and changes nothing then")
    func tags() throws {
        let fixture = try StoreFixture()
        let tags = (0...BoxIndex.tagsMax).map { "t\($0)" }
        let fault = #expect(throws: Fault.self) {
            try fixture.index.add(try Self.record([1], tags: tags), objects: [:])
        }
        #expect(fault?.code == .limitReached && fault?.subject == "tags")
        #expect(try fixture.index.count() == 0)
    }

    @Test("does not remove a held box, and says who holds it")
    func holds() throws {
        let fixture = try StoreFixture()
        _ = try fixture.index.add(try Self.record([1], tags: ["web"]), objects: [:])
        #expect(try fixture.index.hold("web", for: "i1").isNew)
        #expect(try !fixture.index.hold("web", for: "i1").isNew)
        #expect(try fixture.index.hold("web", for: "i2").isNew)
        let fault = #expect(throws: Fault.self) { try fixture.index.remove("web") }
        #expect(fault?.code == .inUse && fault?.lines == ["i1", "i2"])
        #expect(try fixture.index.holds(after: "", max: 10).map(\.holder) == ["i1", "i2"])
        #expect(try fixture.index.holds(after: "i1", max: 10).map(\.holder) == ["i2"])
        for holder in ["i1", "i2", "i1", "never"] { try fixture.index.release(holder) }
        _ = try fixture.index.remove("web")
        #expect(try fixture.index.count() == 0)
    }

    @Test("gives a holder its box again, also when the tag has moved, and no second one")
    func heldAgain() throws {
        let fixture = try StoreFixture()
        _ = try fixture.index.add(try Self.record([1], tags: ["web"]), objects: [:])
        _ = try fixture.index.hold("web", for: "i1")
        _ = try fixture.index.add(try Self.record([2], tags: ["web", "other"]), objects: [:])
        #expect(try fixture.index.hold("web", for: "i1").0.id.bytes[0] == 1)
        #expect(throws: Fault.invalid(.keyReused, subject: "holder")) {
            try fixture.index.hold("other", for: "i1")
        }
        #expect(throws: Fault.self) { try fixture.index.hold("web", for: "") }
        #expect(throws: Fault.self) {
            try fixture.index.hold("web", for: String(repeating: "h", count: 65))
        }
    }

    @Test("lists boxes by id, in pages")
    func pages() throws {
        let fixture = try StoreFixture()
        for byte in [9, 3, 200, 1] as [UInt8] {
            _ = try fixture.index.add(try Self.record([byte]), objects: [:])
        }
        let first = try fixture.index.boxes(after: nil, max: 3)
        #expect(first.map { $0.id.bytes[0] } == [1, 3, 9])
        let rest = try fixture.index.boxes(after: first.last?.id, max: 3)
        #expect(rest.map { $0.id.bytes[0] } == [200])
    }

    @Test("knows which contents are needed, also those at the end of the order")
    func needed() throws {
        let fixture = try StoreFixture()
        let digests = try [0, 0x7f, 0xff].map {
            try #require(ContentDigest([UInt8](repeating: $0, count: 32)))
        }
        let objects = Dictionary(uniqueKeysWithValues: digests.map { ($0, UInt64(1)) })
        let (box, _) = try fixture.index.add(try Self.record([1]), objects: objects)
        let other = try #require(ContentDigest([UInt8](repeating: 5, count: 32)))
        #expect(try fixture.index.needed(among: digests + [other]) == Set(digests))
        #expect(try fixture.index.needed(startingWith: 0xff) == [digests[2]])
        #expect(try fixture.index.needed(startingWith: 0) == [digests[0]])
        #expect(try fixture.index.needed(startingWith: 1).isEmpty)
        #expect(try fixture.index.remove(box.id.description).1 == objects)
        #expect(try fixture.index.needed(among: digests).isEmpty)
    }
}
