// The registry in a real database, and the node's secret in a real directory.

import GRDB
import Interfaces
import Syscalls
import Testing
import gateway_broker

/// A directory of its own, removed at the end.
final class Scratch {
    let path = "/tmp/celaut-gateway-\(Hexadecimal.text(Random.bytes(8)))"

    init() throws { try File.makeDirectory(path, mode: 0o700) }

    deinit {
        guard let parent = try? Directory.open("/tmp") else { return }
        try? Directory.removeAll(at: parent, String(path.dropFirst("/tmp/".count)))
    }
}

@Suite("The stored registry") struct StorageTests {
    static func registry() throws -> SQLiteRegistry {
        let queue = try DatabaseQueue()
        var migrator = DatabaseMigrator()
        SQLiteRegistry.migrate(&migrator)
        try migrator.migrate(queue)
        return SQLiteRegistry(queue)
    }

    static func full() -> InstanceRecord {
        let order = StartOrder(
            id: RegistryFixture.id(200), owner: .max, key: [1, 2, 3], content: [4, 5],
            reference: "redis",
            wishes: LaunchWishes(
                environment: [InstancePlanTests.variable("A", "ä\u{1}")], memoryBytes: 1 << 40),
            readyDeadline: 3_600_000)
        var record = InstanceRecord(order: order, name: "cache", acceptedAt: 1_800_000_000_000)
        record.serviceID = [UInt8](repeating: 9, count: 32)
        record.stage = .ended
        record.stopGrace = 600_000
        record.slots = [
            RelayedSlot(port: 65_535, transport: .tcp, hostPort: 40_000),
            RelayedSlot(port: 53, transport: .udp),
        ]
        record.state.ended.cause = .exited
        record.state.ended.lastLines = ["bye"]
        record.fault = Fault(
            .slotClosed, reason: .outOfRange, subject: "53/udp", limit: 1, actual: 2, lines: ["x"])
        record.endedAt = 1_800_000_000_001
        return record
    }

    @Test("gives back what was written, every field of it")
    func roundTrip() throws {
        let registry = try Self.registry()
        let plain = InstanceRecord(order: RegistryFixture.order(1), name: "n", acceptedAt: 5)
        try registry.apply([.put(Self.full()), .put(plain)])
        let loaded = try registry.load()
        #expect(loaded.count == 2)
        #expect(loaded.contains(Self.full()))
        #expect(loaded.contains(plain))
    }

    @Test("changes a row in place and removes it")
    func changes() throws {
        let registry = try Self.registry()
        var record = InstanceRecord(order: RegistryFixture.order(1), name: "n", acceptedAt: 5)
        try registry.apply([.put(record)])
        record.stage = .ready
        record.wishes = nil
        record.slots = RegistryFixture.slots(hostPort: 1)
        try registry.apply([.put(record)])
        #expect(try registry.load() == [record])
        try registry.apply([.delete(record.id)])
        #expect(try registry.load().isEmpty)
    }

    @Test("writes all of a group or nothing")
    func atomicity() throws {
        let registry = try Self.registry()
        let first = InstanceRecord(order: RegistryFixture.order(1), name: "n", acceptedAt: 5)
        let sameKey = InstanceRecord(
            order: RegistryFixture.order(2, key: 1), name: "m", acceptedAt: 5)
        #expect(throws: StorageFailure.self) { try registry.apply([.put(first), .put(sameKey)]) }
        #expect(try registry.load().isEmpty)
    }

    @Test(
        "reads no slots from text that has none",
        arguments: ["x", "1/tcp", "1/sctp/2", "70000/tcp/0"])
    func badSlots(_ text: String) {
        #expect(SlotText.slots(text) == nil)
    }
}

@Suite("The node's secret") struct NodeSecretTests {
    @Test("is made once, for its owner alone, and stays")
    func stays() throws {
        let scratch = try Scratch()
        let made = try NodeSecret.load(directory: scratch.path) { [UInt8](0..<32) }
        #expect(made == [UInt8](0..<32))
        let file = try File.open("\(scratch.path)/secret")
        #expect(try File.status(file).permissions == 0o600)
        let again = try NodeSecret.load(directory: scratch.path) {
            [UInt8](repeating: 9, count: 32)
        }
        #expect(again == made)
    }

    @Test("is refused when it was cut, and not replaced")
    func cut() throws {
        let scratch = try Scratch()
        let file = try File.open("\(scratch.path)/secret", .writeOnly, [.create])
        try File.writeAll(file, [1, 2, 3])
        #expect(throws: NodeSecret.Failure.wrongLength(3)) {
            try NodeSecret.load(directory: scratch.path) { [UInt8](0..<32) }
        }
    }

    @Test("is refused when others can read it")
    func open() throws {
        let scratch = try Scratch()
        _ = try NodeSecret.load(directory: scratch.path) { [UInt8](0..<32) }
        try File.setMode("\(scratch.path)/secret", 0o644)
        #expect(throws: NodeSecret.Failure.readableByOthers(mode: 0o644)) {
            try NodeSecret.load(directory: scratch.path) { [UInt8](0..<32) }
        }
    }
}
