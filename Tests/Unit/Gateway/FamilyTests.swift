// Families in the registry: who ends with whom, who is told when, and what bounds them.

// Parents and children: what may be given, and what ends with whom.

import Interfaces
import SwiftProtobuf
import Testing
import gateway_broker

@Suite("families")
struct FamilyTests {
    static func child(_ number: UInt8, of parent: UInt8, owner: UInt32 = 1_000) -> StartOrder {
        StartOrder(
            id: RegistryFixture.id(number), owner: owner,
            key: [UInt8](repeating: number, count: 32),
            content: [UInt8](repeating: 1, count: 32), reference: "redis",
            parent: RegistryFixture.id(parent))
    }

    /// 1 started 2 and 3, and 2 started 4.
    static func family() throws -> RegistryFixture {
        var registry = RegistryFixture()
        try registry.makeReady(RegistryFixture.order(1))
        try registry.makeReady(child(2, of: 1))
        try registry.makeReady(child(3, of: 1))
        try registry.makeReady(child(4, of: 2))
        return registry
    }

    static func stops(_ step: Step) -> [InstanceID] {
        step.actions.compactMap { if case .stop(let id, _) = $0 { id } else { nil } }
    }

    static func announced(_ step: Step) -> [InstanceID] {
        step.actions.compactMap { action in
            if case .announce(let id, let view, _) = action, view.state.phase == .ended {
                id
            } else {
                nil
            }
        }
    }

    @Test("a stop reaches the deepest first, and each when its children ended")
    func depthFirst() throws {
        var registry = try Self.family()
        func ends(_ number: UInt8) -> [InstanceID] {
            let id = RegistryFixture.id(number)
            let state = RegistryFixture.state(id, .ended, .stopped)
            return Self.stops(registry.tell(.observed(id, state)))
        }
        let first = registry.tell(.stopAsked(RegistryFixture.id(1), grace: 100))
        #expect(Self.stops(first) == [4, 3].map { RegistryFixture.id($0) })
        #expect(ends(3).isEmpty)
        #expect(ends(4) == [RegistryFixture.id(2)])
        #expect(ends(2) == [RegistryFixture.id(1)])
    }

    @Test("a child that does not end holds up its parent for a bounded time")
    func bounded() throws {
        var registry = try Self.family()
        registry.tell(.stopAsked(RegistryFixture.id(2), grace: 100))
        registry.advance(milliseconds: 5_099)
        #expect(Self.stops(registry.tell(.timePassed)).isEmpty)
        registry.advance(milliseconds: 1)
        #expect(Self.stops(registry.tell(.timePassed)) == [RegistryFixture.id(2)])
    }

    @Test("a gateway that died while a parent waited for its children goes on waiting")
    func waitsAfterRestart() throws {
        var registry = try Self.family()
        registry.tell(.stopAsked(RegistryFixture.id(2), grace: 100))
        #expect(Self.stops(registry.restart()) == [RegistryFixture.id(4)])
        let child = RegistryFixture.id(4)
        let step = registry.tell(
            .observed(child, RegistryFixture.state(child, .ended, .stopped)))
        #expect(Self.stops(step) == [RegistryFixture.id(2)])
    }

    @Test("a parent that ends by itself takes its family along")
    func parentEnds() throws {
        var registry = try Self.family()
        let step = registry.tell(
            .observed(RegistryFixture.id(1), RegistryFixture.state(.zero, .ended, .exited)))
        #expect(Self.stops(step) == [4, 3].map { RegistryFixture.id($0) })
    }

    @Test("a parent's end is told when those of all its descendants were")
    func toldLast() throws {
        var registry = try Self.family()
        registry.tell(.stopAsked(RegistryFixture.id(1), grace: 100))
        var told: [InstanceID] = []
        for number: UInt8 in [1, 2, 3, 4] {
            let id = RegistryFixture.id(number)
            registry.tell(.observed(id, RegistryFixture.state(id, .ended, .stopped)))
            told += Self.announced(registry.tell(.released(id)))
        }
        #expect(told == [3, 4, 2, 1].map { RegistryFixture.id($0) })
    }

    @Test("a gateway that died before the children were told tells them when it is back")
    func afterRestart() throws {
        var registry = try Self.family()
        registry.tell(
            .observed(RegistryFixture.id(1), RegistryFixture.state(.zero, .ended, .exited)))
        // As if the process had died with the parent's end written, and nothing else.
        for number: UInt8 in [2, 3, 4] {
            registry.stored[RegistryFixture.id(number)]?.stopGrace = nil
        }
        let step = registry.restart()
        #expect(Set(Self.stops(step)) == Set([3, 4].map { RegistryFixture.id($0) }))
        #expect(registry.stored[RegistryFixture.id(2)]?.stopGrace != nil)
    }

    @Test("a child that was never written down holds up no parent's end")
    func refusedChild() throws {
        var registry = RegistryFixture()
        let parent = RegistryFixture.id(1)
        try registry.makeReady(RegistryFixture.order(1))
        try registry.start(Self.child(2, of: 1))
        registry.tell(.observed(parent, RegistryFixture.state(parent, .ended, .exited)))
        #expect(Self.announced(registry.tell(.released(parent))).isEmpty)
        #expect(Self.announced(registry.tell(.notStored(RegistryFixture.id(2)))) == [parent])
    }

    @Test("a key of a change stands for one change")
    func changes() throws {
        var keys = ChangeKeys()
        try keys.check(key: [1], content: [1])
        try keys.check(key: [1], content: [1])
        #expect(throws: GatewayFault.keyReused()) { try keys.check(key: [1], content: [2]) }
        for number in 0..<ChangeKeys.max {
            try keys.check(key: [2, UInt8(number >> 8), UInt8(number & 255)], content: [1])
        }
        try keys.check(key: [1], content: [2])
    }

    @Test("nobody starts under an instance that ends, ended or was never there")
    func lateChild() throws {
        var registry = try Self.family()
        registry.tell(.stopAsked(RegistryFixture.id(3), grace: 100))
        for parent: UInt8 in [3, 9] {
            #expect(throws: Fault.self) { try registry.start(Self.child(7, of: parent)) }
        }
        #expect(registry.stored[RegistryFixture.id(7)] == nil)
    }

    @Test("a family is no deeper and no wider than its bounds")
    func bounds() throws {
        var limits = GatewayLimits()
        limits.familyDepth = 2
        limits.children = 1
        var registry = RegistryFixture(limits: limits)
        try registry.makeReady(RegistryFixture.order(1))
        try registry.makeReady(Self.child(2, of: 1))
        #expect(throws: GatewayFault.limitReached("depth", 2)) {
            try registry.start(Self.child(3, of: 2))
        }
        #expect(throws: GatewayFault.limitReached("children", 1)) {
            try registry.start(Self.child(3, of: 1))
        }
    }

    @Test("an instance finds its descendants, and neither itself nor its siblings")
    func kin() throws {
        let registry = try Self.family()
        func finds(_ number: UInt8, _ caller: UInt8) -> Bool {
            registry.machine.isOf(
                RegistryFixture.id(number), .instance(RegistryFixture.id(caller)))
        }
        #expect(finds(2, 1) && finds(4, 1) && finds(4, 2))
        #expect(!finds(1, 1) && !finds(3, 2) && !finds(1, 2) && !finds(2, 4))
    }

    @Test(
        "a child asks for no more than its parent has",
        arguments: [
            (Limits.with { $0.memoryBytes = 64 << 20 }, nil),
            (Limits.with { $0.memoryBytes = 65 << 20 }, "family.memory_bytes"),
            (Limits.with { $0.memoryBytes = 1 }, "family.cpu_millionths"),
            (Limits.with { $0.memoryBytes = 0 }, "family.memory_bytes"),
        ] as [(Limits, String?)])
    func ceiling(_ change: Limits, _ subject: String?) {
        let parent = Limits.with {
            $0.memoryBytes = 64 << 20
            $0.cpuQuotaUs = 50_000
        }
        var asked = change
        if subject != "family.cpu_millionths" { asked.cpuQuotaUs = 50_000 }
        var found: String?
        do throws(Fault) {
            try FamilyBudget(parent: parent).check(asked)
        } catch {
            found = error.subject
        }
        #expect(found == subject)
    }

    static func limits(_ memory: UInt64, processes: UInt32 = 0, deadline: UInt64 = 0) -> Limits {
        Limits.with {
            $0.memoryBytes = memory
            $0.processes = processes
            $0.deadlineMs = deadline
        }
    }

    @Test("all children together have no more than their parent, and what one had is given again")
    func sums() throws {
        var registry = try Self.family()
        func grant(_ number: UInt8, _ memory: UInt64) throws(Fault) {
            let id = RegistryFixture.id(number)
            registry.store(
                try registry.machine.grant(id, Self.limits(memory), now: registry.now).writes)
        }
        try grant(1, 100)
        try grant(2, 60)
        #expect(throws: GatewayFault.outOfRange("family.memory_bytes", limit: 40, actual: 41)) {
            try grant(3, 41)
        }
        try grant(3, 40)
        #expect(throws: GatewayFault.outOfRange("family.memory_bytes", limit: 60, actual: .max)) {
            try grant(4, 0)
        }
        try grant(4, 60)
        let third = RegistryFixture.id(3)
        registry.tell(.observed(third, RegistryFixture.state(third, .ended, .exited)))
        _ = registry.restart()
        try grant(2, 100)
        #expect(throws: GatewayFault.outOfRange("family.memory_bytes", limit: 59, actual: 60)) {
            _ = try registry.machine.regrant(
                RegistryFixture.id(2), Self.limits(59), now: registry.now)
        }
    }

    @Test("a change counts as the larger of both until it is over")
    func change() throws {
        var registry = try Self.family()
        let parent = RegistryFixture.id(1), child = RegistryFixture.id(2)
        _ = try registry.machine.grant(parent, Self.limits(100), now: registry.now)
        _ = try registry.machine.grant(child, Self.limits(80), now: registry.now)
        let (before, _) = try registry.machine.regrant(child, Self.limits(10), now: registry.now)
        #expect(before.memoryBytes == 80)
        let other = RegistryFixture.id(3)
        #expect(throws: Fault.self) {
            _ = try registry.machine.grant(other, Self.limits(30), now: registry.now)
        }
        registry.tell(.bounded(child, Self.limits(10)))
        _ = try registry.machine.grant(other, Self.limits(90), now: registry.now)
    }

    @Test("a child is not allowed to outlive its parent")
    func lifetime() throws {
        var registry = try Self.family()
        let parent = RegistryFixture.id(1), child = RegistryFixture.id(2)
        _ = try registry.machine.grant(
            parent, Self.limits(9, deadline: 60_000), now: registry.now)
        registry.advance(milliseconds: 20_000)
        let budget = try #require(registry.machine.budget(of: child, now: registry.now))
        #expect(budget.lifetimeLeft == 40_000)
        for deadline: UInt64 in [0, 40_001] {
            #expect(
                throws: GatewayFault.outOfRange(
                    "family.lifetime_ms", limit: 40_000, actual: deadline)
            ) { try budget.check(Self.limits(1, deadline: deadline)) }
        }
        try budget.check(Self.limits(1, deadline: 40_000))
    }

    @Test("shares of a CPU are summed whatever their periods")
    func cpu() throws {
        func limits(_ quota: UInt64, _ period: UInt64) -> Limits {
            Limits.with {
                $0.cpuQuotaUs = quota
                $0.cpuPeriodUs = period
            }
        }
        let budget = FamilyBudget(
            parent: limits(100_000, 0),
            siblings: [limits(5_000, 10_000), limits(250_000, 1_000_000)])
        try budget.check(limits(25_000, 0))
        #expect(throws: Fault.self) { try budget.check(limits(2_501, 10_000)) }
        #expect(throws: Fault.self) { try budget.check(limits(.max, 1_000)) }
    }

    @Test("a child's number is its own as long as anybody remembers it")
    func numbers() throws {
        var registry = try Self.family()
        func number(_ id: UInt8) -> UInt16? {
            registry.machine.records[RegistryFixture.id(id)]?.number
        }
        #expect(number(2) == 256 && number(3) == 257 && number(4) == 256)
        let third = RegistryFixture.id(3)
        registry.tell(.observed(third, RegistryFixture.state(third, .ended, .exited)))
        _ = registry.restart()
        try registry.makeReady(Self.child(5, of: 1))
        #expect(number(5) == 258)
        #expect(
            registry.machine.records[RegistryFixture.id(5)]?.entrances
                == [FamilyEntrance(inside: RegistryFixture.id(1), address: 0x0A40_0102)])
    }

    @Test(
        "only siblings are introduced, and the introduction outlives a restart and ends with either"
    )
    func introductions() throws {
        var registry = try Self.family()
        let two = RegistryFixture.id(2), three = RegistryFixture.id(3)
        for (one, other): (UInt8, UInt8) in [(2, 2), (2, 1), (1, 2), (2, 4), (4, 3)] {
            #expect(throws: Fault.self, "\(one) to \(other)") {
                try registry.machine.introduction(
                    of: RegistryFixture.id(one), to: RegistryFixture.id(other))
            }
        }
        let entrance = try registry.machine.introduction(of: two, to: three)
        #expect(entrance == FamilyEntrance(inside: three, address: 0x0A41_0100))
        registry.store(registry.machine.introduced(two, to: three).writes)
        let opened = registry.restart().actions.compactMap { action in
            if case .listen(two, let opening) = action { opening.entrances } else { nil }
        }
        let inParent = FamilyEntrance(inside: RegistryFixture.id(1), address: 0x0A40_0100)
        #expect(opened == [[inParent, entrance]])
        registry.tell(.observed(three, RegistryFixture.state(three, .ended, .exited)))
        #expect(registry.machine.records[two]?.entrances == [inParent])
    }

    @Test("what passed through slots is written down while it changes and at the end")
    func counts() throws {
        var registry = try Self.family()
        let id = RegistryFixture.id(4)
        var count = SlotCount(SlotKey(port: 6_379, transport: .tcp))
        count.toInstance = 5
        #expect(registry.tell(.counted([id: [count]])).writes.count == 1)
        #expect(registry.tell(.counted([id: [count]])).isEmpty)
        count.fromInstance = 7
        registry.tell(.lastCounted(id, [count]))
        registry.tell(.observed(id, RegistryFixture.state(id, .ended, .exited)))
        #expect(registry.stored[id]?.counts == [count])
    }
}
