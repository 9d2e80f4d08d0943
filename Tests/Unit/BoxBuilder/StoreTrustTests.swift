// What of an earlier life, an earlier build or somebody else's hand the store relies on, and what not.

import GRDB
import Interfaces
import ServiceModel
import Synchronization
import Syscalls
import Testing
import box_builder

@Suite("The store's trust")
struct StoreTrustTests {
    // sha256 of "shared".
    private static let place =
        "a4/d26868017c0ccffe2efe50944ef4211834660cca834c6e9f86dec6a88246fa"

    private static func read(_ fixture: StoreFixture) throws -> [UInt8] {
        let folder = fixture.store.folder("objects")
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = try File.read(
            try File.open(at: folder.descriptor, place), into: &buffer, at: 0)
        return Array(buffer[..<count])
    }

    /// Lets somebody write to the content "shared".
    private static func alter(
        _ fixture: StoreFixture, _ body: (borrowing Descriptor) throws -> Void
    ) throws {
        let objects = fixture.store.folder("objects")
        try File.setMode(try File.open(at: objects.descriptor, place), 0o600)
        try body(try File.open(at: objects.descriptor, place, .readWrite))
    }

    @Test("does not reach to a content that was cut or grew: it is stored anew", arguments: [5, 7])
    func wrongLength(bytes: UInt64) throws {
        let fixture = try StoreFixture()
        let box = try fixture.add(.box("shared"))
        try Self.alter(fixture) { try File.setSize($0, bytes: bytes) }
        let other = try fixture.add(.box("shared", "more"))
        #expect(try Self.read(fixture) == Array("shared".utf8))
        #expect(try fixture.findings().isEmpty)
        for box in [box, other] { _ = try fixture.remove(box.hex) }
        #expect(try fixture.files().isEmpty)
    }

    @Test("does not reach to a content of the same length that somebody wrote to")
    func sameLength() throws {
        let fixture = try StoreFixture()
        let box = try fixture.add(.box("shared"))
        try Self.alter(fixture) { try File.writeAll($0, Array("sHared".utf8)) }
        #expect(try fixture.add(.box("shared")).alreadyPresent)
        #expect(try Self.read(fixture) == Array("shared".utf8))
        #expect(try fixture.findings().isEmpty)
        _ = try fixture.remove(box.hex)
    }

    @Test("reaches to a content of an earlier build, which had another time")
    func earlier() throws {
        let fixture = try StoreFixture()
        try fixture.add(.box("shared"))
        let objects = fixture.store.folder("objects")
        try File.setTimes(
            at: objects.descriptor, Self.place, nanoseconds: 1_700_000_000_000_000_000)
        let inode = try File.status(at: objects.descriptor, Self.place).inode
        #expect(try fixture.add(.box("shared")).alreadyPresent)
        #expect(try File.status(at: objects.descriptor, Self.place).inode == inode)
        #expect(try File.status(at: objects.descriptor, Self.place).modifiedNanoseconds == 0)
    }

    @Test("opens a folder of contents that a death left closed")
    func closedFolder() throws {
        let fixture = try StoreFixture()
        let objects = fixture.store.folder("objects")
        try File.makeDirectory(at: objects.descriptor, "a4", mode: 0o700)
        try fixture.add(.box("shared"))
        #expect(try File.status(at: objects.descriptor, "a4").permissions == 0o755)
    }

    private static func blob(_ field: UInt64, _ value: [UInt8]) -> [UInt8] {
        var writer = ProtoWriter()
        writer.always(field, blob: value)
        return writer.bytes
    }

    @Test(
        "says what a box of an earlier build is past, and that a form that is none is damaged",
        arguments: [(70, Fault.Code.unsupported), (0, .corrupt)])
    func deepForm(depth: Int, code: Fault.Code) throws {
        let fixture = try StoreFixture()
        var tree = depth == 0 ? [UInt8](repeating: 0xFF, count: 40) : []
        for _ in 0..<depth {
            tree = Self.blob(1, Self.blob(1, Array("d".utf8)) + Self.blob(4, tree))
        }
        var form = BoxFormWriter()
        form.literal(Self.blob(2, Self.blob(2, tree)))
        form.finish()
        let bytes = form.take()
        let sink = ImportedContents(fixture.store)
        try sink.begin()
        // SAFETY: bytes have no padding.
        try unsafe sink.append(bytes.span.bytes)
        let digest = try sink.finish()
        var record = BoxRecord(
            id: try #require(ServiceID([UInt8](repeating: 9, count: 32))), tags: [],
            architecture: "linux/amd64", entrypoint: "/a", entries: 1, contentBytes: 0,
            canonicalBytes: 0, importedAt: 0, slots: [], service: [])
        record.form = StoredForm(digest: digest, bytes: UInt64(bytes.count))
        let fault = #expect(throws: Fault.self) {
            _ = try BoxImage(store: fixture.store, index: fixture.index).open(record)
        }
        #expect(fault?.code == code)
        if code == .unsupported {
            #expect(fault?.reason == .tooDeep && fault?.limit == UInt64(FileTree.depthMax))
        }
    }

    /// Changes the index behind its back.
    private static func change(_ fixture: StoreFixture, _ statement: String) throws {
        var configuration = GRDB.Configuration()
        configuration.foreignKeysEnabled = false
        let queue = try DatabaseQueue(
            path: "\(fixture.path)/box-builder/index.sqlite", configuration: configuration)
        try queue.write { try $0.execute(sql: statement) }
        try queue.close()
    }

    @Test("ends where the index is damaged: nothing is swept that it may have named")
    func damagedIndex() throws {
        let fixture = try StoreFixture()
        try fixture.add(.box("shared"))
        let files = try fixture.files()
        try Self.change(fixture, "DELETE FROM object")
        let fault = #expect(throws: Fault.self) {
            try StoreSweep.run(try fixture.reopened(), fixture.index)
        }
        #expect(fault == Fault(.corrupt, subject: "index"))
        #expect(try fixture.files() == files)
        let findings = try fixture.findings()
        #expect(!findings.isEmpty && findings.allSatisfy { $0.kind == .indexDamaged })
    }

    @Test(
        "does not reach to a row whose values are others: it is named with its box",
        arguments: [
            "UPDATE box SET entrypoint = '/other'", "UPDATE box SET service = x'00'",
            "UPDATE box SET entries = -1", "UPDATE box SET imported_at = imported_at + 1",
            "UPDATE hold SET reference = 'other'",
        ])
    func alteredRow(statement: String) throws {
        let fixture = try StoreFixture()
        let box = try fixture.add(.box("shared"))
        _ = try fixture.index.hold(box.hex, for: "somebody")
        #expect(try fixture.findings().isEmpty)
        try Self.change(fixture, statement)
        let findings = try fixture.findings()
        #expect(findings.map(\.kind) == [.indexDamaged])
        #expect(findings.first?.places.map(\.serviceIDBytes) == [box.serviceIDBytes])
    }

    @Test("lets two boxes be made at once, and each by one", .timeLimit(.minutes(10)))
    func turns() throws {
        let fixture = try StoreFixture()
        let store = fixture.store
        let ids = try [1, 2].map { try #require(ServiceID([UInt8](repeating: $0, count: 32))) }
        let made = Mutex<[ServiceID]>([])
        let (other, same) = (Semaphore(), Semaphore())
        try store.withTurn(toMake: ids[0]) { () throws(Fault) in
            for (id, done) in [(ids[1], other), (ids[0], same)] {
                let thread = try? Thread(name: "turn") {
                    try? store.withTurn(toMake: id) { () throws(Fault) in
                        made.withLock { $0.append(id) }
                    }
                    done.signal()
                }
                #expect(thread != nil)
            }
            // It does not wait for this one.
            other.wait()
            #expect(made.withLock { $0 } == [ids[1]])
        }
        same.wait()
        #expect(made.withLock { $0 } == [ids[1], ids[0]])
    }
}
