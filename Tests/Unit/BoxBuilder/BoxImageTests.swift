// The image of a box is a cache: made when the box is first opened, and made again when it is gone.

import Interfaces
import ServiceModel
import Syscalls
import Testing
import box_builder

@Suite("The image of a box")
struct BoxImageTests {
    /// What the image says, byte for byte.
    private static func bytes(_ image: borrowing Descriptor) throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        let count = try File.read(image, into: &buffer, at: 0)
        return Array(buffer[..<count])
    }

    private static func digest(_ bytes: [UInt8], _ store: ObjectStore) throws -> ContentDigest {
        let sink = ImportedContents(store)
        defer { store.release(sink.pinned, doubtful: sink.made, needed: { _ in [] }) }
        try sink.begin()
        // SAFETY: bytes have no padding.
        try unsafe sink.append(bytes.span.bytes)
        return try sink.finish()
    }

    @Test("is not there before the box is opened, and is the tree's from then on")
    func first() throws {
        let fixture = try StoreFixture()
        let box = try fixture.add(.box("x"))
        #expect(try fixture.images().isEmpty)
        #expect(try fixture.index.find(box.hex).0.image == nil)
        let made = try Self.bytes(try fixture.open(box))
        #expect(try fixture.images() == ["images/\(box.hex).erofs"])
        #expect(try ErofsReader(made).walk().keys.sorted() == ["", "/file0", "/start"])
        #expect(try fixture.index.find(box.hex).0.image == Self.digest(made, fixture.store))
        #expect(try Self.bytes(try fixture.open(box)) == made)
        #expect(try fixture.findings().isEmpty)
    }

    @Test("is no damage when it is missing, and is made again")
    func missing() throws {
        let fixture = try StoreFixture()
        let box = try fixture.add(.box("x"))
        let made = try Self.bytes(try fixture.open(box))
        try File.remove(at: fixture.store.folder("images").descriptor, "\(box.hex).erofs")
        #expect(try fixture.findings().isEmpty)
        #expect(try Self.bytes(try fixture.open(box)) == made)
    }

    @Test("is found altered, and made again by the next opening; who has it open keeps the old")
    func altered() throws {
        let fixture = try StoreFixture()
        let box = try fixture.add(.box("x"))
        let made = try Self.bytes(try fixture.open(box))
        let held = try fixture.open(box)
        try File.setMode(held, 0o600)
        let writing = try File.open(
            at: fixture.store.folder("images").descriptor, "\(box.hex).erofs", .readWrite)
        try File.writeAll(writing, [made[0] ^ 1])
        #expect(try fixture.findings().map(\.kind) == [.imageAltered])
        #expect(try Self.bytes(try fixture.open(box)) == made)
        #expect(try Self.bytes(held)[0] == made[0] ^ 1)
        #expect(try fixture.findings().isEmpty)
    }

    @Test("is made once for all who open the box for the first time at once")
    func atOnce() async throws {
        let fixture = try StoreFixture()
        let box = try fixture.add(.box("x", "y"))
        let (record, image) = (
            try fixture.index.find(box.hex).0,
            BoxImage(store: fixture.store, index: fixture.index)
        )
        let inodes = await withTaskGroup(of: UInt64?.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    guard let opened = try? image.open(record) else { return nil }
                    return try? File.status(opened).inode
                }
            }
            return await group.reduce(into: Set<UInt64?>()) { $0.insert($1) }
        }
        // A second one would have taken the place of the first under another inode.
        #expect(inodes.count == 1 && !inodes.contains(nil))
        #expect(try fixture.files().count == 5)
    }

    @Test("goes with the box, also where the box went while it was made")
    func removal() throws {
        let fixture = try StoreFixture()
        let box = try fixture.add(.box("x"))
        let record = try fixture.index.find(box.hex).0
        _ = try fixture.open(box)
        _ = try fixture.remove(box.hex)
        #expect(try fixture.files().isEmpty)
        // The form of a box that went is not there: nothing can be made of it.
        #expect(throws: Fault.self) {
            _ = try BoxImage(store: fixture.store, index: fixture.index).open(record)
        }
        let again = try fixture.add(.box("x"))
        let other = try StoreFixture()
        // The box is in the store and not in this index: as if it had just been removed.
        _ = try BoxImage(store: fixture.store, index: other.index).open(record)
        #expect(try fixture.images().isEmpty)
        _ = try fixture.remove(again.hex)
    }

    @Test(
        "that finds no room is an error, and the box opens when there is some",
        .enabled(if: StoreFixture.canMount()))
    func fullDisk() throws {
        let fixture = try StoreFixture(contentBytesMax: 1 << 20)
        let box = try fixture.add(.box("x"))
        let staging = fixture.store.folder("staging")
        let filler = try File.open(
            at: staging.descriptor, "filler", .readWrite, [.create, .exclusive])
        #expect(throws: Errno.noSpace) {
            try File.writeAll(filler, [UInt8](repeating: 1, count: 2 << 20))
        }
        let fault = #expect(throws: Fault.self) { _ = try fixture.open(box) }
        #expect(fault?.code == .storageFull)
        #expect(try fixture.images().isEmpty)
        try File.remove(at: staging.descriptor, "filler")
        try File.setSize(filler, bytes: 0)
        _ = try fixture.open(box)
        #expect(try fixture.findings().isEmpty)
    }

    @Test("of an earlier build is used as it is")
    func earlier() throws {
        let fixture = try StoreFixture()
        let box = try fixture.add(.box("x"))
        let folder = fixture.store.folder("images")
        let former = try File.open(
            at: folder.descriptor, "\(box.hex).erofs", .readWrite, [.create, .exclusive])
        try File.writeAll(former, Array("another form".utf8))
        #expect(try Self.bytes(try fixture.open(box)) == Array("another form".utf8))
    }
}

extension StoreFixture {
    fileprivate func open(_ box: BoxSummary) throws(Fault) -> Descriptor {
        try BoxImage(store: store, index: index).open(try index.find(box.hex).0)
    }

    fileprivate func images() throws -> Set<String> {
        try files().filter { $0.hasPrefix("images/") }
    }
}
