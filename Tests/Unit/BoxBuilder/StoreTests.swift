// The store on a real disk: what is kept once, what goes, and what a failure leaves.

import Interfaces
import ServiceModel
import Syscalls
import Testing
import box_builder

@Suite("The store")
struct StoreTests {
    @Test("keeps a content once, read-only, by its SHA-256")
    func dedup() throws {
        let fixture = try StoreFixture()
        let box = try fixture.add(.box("abc", "abc", ""))
        // sha256 of "abc", FIPS 180-2 appendix B.1; nothing is kept of the empty file.
        let place =
            "ba/7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        let files = try fixture.files()
        #expect(files.contains("objects/\(place)"))
        // A program, "abc" and the form of the box.
        #expect(files.count == 3)
        let status = try File.status(at: fixture.store.folder("objects").descriptor, place)
        #expect(status.permissions == 0o444)
        let folder = try File.status(at: fixture.store.folder("objects").descriptor, "ba")
        #expect(folder.permissions == 0o755)
        #expect(box.entries == 4 && box.contentBytes == 16)
        try fixture.add(.box("abc", "more"))
        #expect(try fixture.files().count == 5)
    }

    @Test("takes contents of any size, above and below what is held in memory")
    func sizes() throws {
        let fixture = try StoreFixture()
        for size in [1, 262_143, 262_144, 262_145, 1_000_000] {
            let content = String(repeating: "s", count: size)
            try fixture.add(.box(content))
            let sink = ImportedContents(fixture.store)
            defer { sink.end() }
            try sink.begin()
            // SAFETY: bytes have no padding.
            try unsafe sink.append(Array(content.utf8).span.bytes)
            let digest = try sink.finish()
            #expect(sink.made.isEmpty && sink.pinned == [digest])
            fixture.store.release(sink.pinned, doubtful: [], needed: { _ in [] })
            #expect(try fixture.store.hasObject(digest))
        }
    }

    @Test("says that a box was there, and merges tags")
    func again() throws {
        let fixture = try StoreFixture()
        let first = try fixture.add(
            .box("x"), description: StoreFixture.description(tag: "one"))
        let files = try fixture.files()
        let second = try fixture.add(.box("x"), tag: "two")
        #expect(!first.alreadyPresent && second.alreadyPresent)
        #expect(first.serviceID == second.serviceID)
        #expect(second.tags == ["one", "two"])
        #expect(try fixture.files() == files)
    }

    @Test("loses with a box what no other box needs")
    func removal() throws {
        let fixture = try StoreFixture()
        let first = try fixture.add(.box("shared"))
        let files = try fixture.files()
        let second = try fixture.add(.box("shared", "own"))
        let forms = try [first, second].map { try fixture.formBytes($0) }
        #expect(try fixture.remove(second.hex) == 3 + forms[1])
        #expect(try fixture.files() == files)
        #expect(try fixture.remove(first.hex) == 6 + 10 + forms[0])
        #expect(try fixture.files().isEmpty)
    }

    @Test("leaves what an import relies on that has not ended")
    func removalMeanwhile() throws {
        let fixture = try StoreFixture()
        let box = try fixture.add(.box("shared"))
        let sink = ImportedContents(fixture.store)
        defer { sink.end() }
        try sink.begin()
        // SAFETY: bytes have no padding.
        try unsafe sink.append(Array("shared".utf8).span.bytes)
        let digest = try sink.finish()
        let form = try fixture.formBytes(box)
        #expect(try fixture.remove(box.hex) == 10 + form)
        #expect(try fixture.store.hasObject(digest))
        fixture.store.release(
            sink.pinned, doubtful: sink.made, needed: fixture.index.needed(among:))
        #expect(try fixture.files().isEmpty)
    }

    @Test(
        "has nothing of an import that was refused or cancelled",
        arguments: [
            Tar.box("a", "b").file("../out", ""), Tar().file("start", "no program"),
        ])
    func refused(tree: Tar) throws {
        let fixture = try StoreFixture()
        #expect(throws: Fault.self) { try fixture.add(tree) }
        #expect(try fixture.files().isEmpty)
        var asked = 0
        #expect(throws: Fault.cancelled) {
            try fixture.add(.box("a", "b")) {
                asked += 1
                return asked > 4
            }
        }
        #expect(try fixture.files().isEmpty)
        #expect(try fixture.index.count() == 0)
    }

    @Test("keeps the last content of a name that comes twice, and not the first")
    func twice() throws {
        let fixture = try StoreFixture()
        let box = try fixture.add(Tar.box().file("a", "first").file("a", "second"))
        #expect(try fixture.files().count == 3)
        _ = try fixture.remove(box.hex)
        #expect(try fixture.files().isEmpty)
    }

    @Test(
        "that is full says so, keeps nothing half, and goes on",
        .enabled(if: StoreFixture.canMount()))
    func fullDisk() throws {
        let fixture = try StoreFixture(contentBytesMax: 1 << 20)
        let small = try fixture.add(.box("small"))
        let files = try fixture.files()
        let big = String(repeating: "b", count: 3 << 20)
        let many = (0..<400).map { String(repeating: "\($0) ", count: 2_000) }
        let trees = [
            Tar.box(big), many.reduce(Tar.box()) { $0.file("f\($1.prefix(4))", $1) },
        ]
        for tree in trees {
            let fault = #expect(throws: Fault.self) { try fixture.add(tree) }
            #expect(fault?.code == .storageFull)
            #expect(try fixture.files() == files)
        }
        #expect(try fixture.add(.box("small")).alreadyPresent)
        _ = try fixture.add(.box("another"))
        _ = try fixture.remove(small.hex)
    }

    @Test("is swept of what a death left, and of nothing else")
    func sweep() throws {
        let fixture = try StoreFixture()
        let box = try fixture.add(.box("kept"))
        let files = try fixture.files()
        let sink = ImportedContents(fixture.store)
        defer { sink.end() }
        for text in ["lost", "kept"] {
            try sink.begin()
            // SAFETY: bytes have no padding.
            try unsafe sink.append(Array(text.utf8).span.bytes)
            _ = try sink.finish()
        }
        let other = String(repeating: "0", count: 64)
        for (folder, name) in [
            ("staging", "half"), ("images", "\(other).erofs"), ("images", "README"),
        ] {
            _ = try File.open(
                at: fixture.store.folder(folder).descriptor, name, .writeOnly,
                [.create, .exclusive])
        }
        // The next process knows nothing of what this one pinned.
        let next = try fixture.reopened()
        let swept = try StoreSweep.run(next, fixture.index)
        #expect(swept == StoreSweep.Outcome(staged: 1, images: 1, objects: 1))
        #expect(try fixture.files() == files.union(["images/README"]))
        #expect(try StoreSweep.run(next, fixture.index).isEmpty)
        #expect(try fixture.index.has(try #require(ServiceID(box.serviceIDBytes))))
    }

    @Test("stores a form again that is missing when the same tree is imported")
    func missingForm() throws {
        let fixture = try StoreFixture()
        let box = try fixture.add(.box("x"))
        let files = try fixture.files()
        let form = try #require(try fixture.index.find(box.hex).0.form)
        try File.remove(
            at: fixture.store.folder("objects").descriptor, form.digest.objectPath)
        #expect(try fixture.add(.box("x")).alreadyPresent)
        #expect(try fixture.files() == files)
    }
}
