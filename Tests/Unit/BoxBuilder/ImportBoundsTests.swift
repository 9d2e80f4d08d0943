// What an import holds, whatever its archive says of its own names.

import Interfaces
import ServiceModel
import Syscalls
import Testing
import box_builder

@Suite("An import")
struct ImportBoundsTests {
    @Test("holds no more than a tree's contents while what is told ahead never comes")
    func neverTold() throws {
        let fixture = try StoreFixture()
        let pipe = try Pipe()
        let described = try ServiceDescription.read(Array(StoreFixture.description().utf8))
        let contents = ImportedContents(fixture.store, isQueued: true)
        contents.hashAhead(
            described, told: SharedDescriptor(try pipe.reading.duplicate()), keepsOwners: false)
        let ahead = try #require(contents.ahead)
        let digest = try Self.add([1], to: contents)
        for _ in 0..<(2 * HashAhead.waitingMax) { contents.again(digest, bytes: 1) }
        #expect(ahead.waiting == HashAhead.waitingMax)
        // Nobody waits for who tells: all is hashed from the store.
        let none = FileTree(attributes: .directory, entries: [])
        #expect(try ahead.finish(none, step: { _ in }) == nil)
        contents.end()
        #expect(ahead.waiting == 0)
        withExtendedLifetime(pipe) {}
    }

    @Test("refuses a content past its bound, and leaves nothing of those before")
    func contents() throws {
        let fixture = try StoreFixture()
        let contents = ImportedContents(fixture.store, isQueued: true, contentsMax: 3)
        for byte: UInt8 in [1, 2, 1, 3, 2, 3, 1] { _ = try Self.add([byte], to: contents) }
        let large = [UInt8](repeating: 7, count: 600_000)
        for content in [[4], large] {
            let fault = #expect(throws: Fault.self) { try Self.add(content, to: contents) }
            #expect(fault?.reason == .tooManyEntries)
            #expect(fault?.subject == "contents" && fault?.limit == 3 && fault?.actual == 4)
        }
        #expect(try Self.add([], to: contents) == .ofNothing)
        contents.end()
        #expect(contents.pinned.count == 3)
        fixture.store.release(contents.pinned, doubtful: contents.made, needed: { _ in [] })
        #expect(try fixture.files().isEmpty)
    }

    private static var impatient: PeerWait { PeerWait(idleMilliseconds: 300) }

    @Test(
        "gives up a sender that stops in the midst, and leaves nothing",
        arguments: ["archive", "description"])
    func silent(part: String) throws {
        let fixture = try StoreFixture()
        let pipe = try Pipe()
        // Of the archive a whole entry, of which the store has the content by then.
        let archive = Tar.box("content").bytes
        let description = Array(StoreFixture.description().utf8)
        let sent =
            part == "archive" ? Array(archive.dropLast(1_024)) : Array(description.dropLast())
        try File.writeAll(pipe.writing, sent)
        let whole = try Memfd.sealed(part == "archive" ? description : archive)
        let importer = Importer(
            store: fixture.store, index: fixture.index, wait: Self.impatient)
        let fault = #expect(throws: Fault.self) {
            if part == "archive" {
                try importer.run(
                    archive: pipe.reading, description: whole, ImportBoxRequest(), now: 0,
                    progress: { _ in }, isCancelled: { false })
            } else {
                try importer.run(
                    archive: whole, description: pipe.reading, ImportBoxRequest(), now: 0,
                    progress: { _ in }, isCancelled: { false })
            }
        }
        #expect(fault?.code == .deadlineExceeded && fault?.subject == part)
        #expect(try fixture.files().isEmpty && fixture.index.count() == 0)
    }

    @Test("of a package gives up a sender that stops in the midst, and leaves nothing")
    func silentPackage() throws {
        let fixture = try StoreFixture()
        let box = try fixture.add(.box("content"))
        var request = ExportBoxRequest()
        request.box = box.hex
        request.codec = .proto3
        var package: [UInt8] = []
        _ = try BoxExporter(store: fixture.store, index: fixture.index).run(
            request, known: [], to: { package += $0 }, progress: { _ in })
        _ = try fixture.remove(box.hex)
        let pipe = try Pipe()
        try File.writeAll(pipe.writing, Array(package.dropLast()))
        let fault = #expect(throws: Fault.self) {
            try PackageImporter(store: fixture.store, index: fixture.index, wait: Self.impatient)
                .run(
                    pipe.reading, ImportPackageRequest(), now: 0, progress: { _ in },
                    isCancelled: { false })
        }
        #expect(fault?.code == .deadlineExceeded && fault?.subject == "package")
        #expect(try fixture.files().isEmpty && fixture.index.count() == 0)
    }

    @Test("is left by its caller at once, however patient it is with the sender")
    func cancelled() throws {
        let pipe = try Pipe()
        var asked = 0
        let fault = #expect(throws: Fault.self) {
            try PeerWait().reading(pipe.reading, "archive") {
                asked += 1
                return asked == 2
            }
        }
        #expect(fault?.code == .cancelled)
    }

    @Test("An export gives up a reader that reads no more, and one that reads gets all")
    func unread() throws {
        let pipe = try Pipe()
        let bytes = [UInt8](repeating: 7, count: 1 << 20)
        let stuck = ExchangeOutput(try pipe.writing.duplicate(), wait: Self.impatient)
        let fault = #expect(throws: Fault.self) { try stuck.write(bytes) { false } }
        #expect(fault?.code == .deadlineExceeded && fault?.subject == "target")
        let fresh = try Pipe()
        let output = ExchangeOutput(try fresh.writing.duplicate())
        let reading = SharedDescriptor(fresh.keepReading())
        let thread = try Thread(name: "reader") {
            var left = bytes.count
            while left > 0, let run = try? File.read(reading.descriptor, max: 65_536) {
                left -= run.count
            }
        }
        try output.write(bytes) { false }
        thread.join()
    }

    @discardableResult
    private static func add(
        _ content: [UInt8], to contents: ImportedContents
    ) throws(Fault) -> ContentDigest {
        try contents.begin()
        // SAFETY: bytes have no padding.
        try unsafe contents.append(content.span.bytes)
        do throws(Fault) {
            return try contents.finish()
        } catch {
            contents.discard()
            throw error
        }
    }
}
