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

    @Test("a stop reaches the deepest first")
    func depthFirst() throws {
        var registry = try Self.family()
        let step = registry.tell(.stopAsked(RegistryFixture.id(1), grace: 100))
        #expect(Self.stops(step) == [4, 2, 3, 1].map { RegistryFixture.id($0) })
    }

    @Test("a parent that ends by itself takes its family along")
    func parentEnds() throws {
        var registry = try Self.family()
        let step = registry.tell(
            .observed(RegistryFixture.id(1), RegistryFixture.state(.zero, .ended, .exited)))
        #expect(Self.stops(step) == [4, 2, 3].map { RegistryFixture.id($0) })
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
        #expect(Set(Self.stops(step)) == Set([2, 3, 4].map { RegistryFixture.id($0) }))
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
            (Limits.with { $0.cpuQuotaUs = 0 }, "family.cpu_quota_us"),
        ] as [(Limits, String?)])
    func ceiling(_ change: Limits, _ subject: String?) {
        let parent = Limits.with {
            $0.memoryBytes = 64 << 20
            $0.cpuQuotaUs = 50_000
        }
        var asked = change
        if subject != "family.cpu_quota_us" { asked.cpuQuotaUs = 50_000 }
        var found: String?
        do throws(Fault) {
            try InstancePlan.check(asked, within: parent)
        } catch {
            found = error.subject
        }
        #expect(found == subject)
    }
}
