// Families among faults: who is whose child, what each may have, and who ends before whom.

import Interfaces
import gateway_broker

extension RegistryChaos {
    /// Every other one is somebody's child; the same key always is the same one's.
    mutating func order(_ number: UInt8, isNew: Bool) -> StartOrder {
        let live = registry.machine.activities.keys.sorted()
        if isNew { parents[number] = chance(50) ? live.randomElement(using: &random) : nil }
        return StartOrder(
            id: RegistryFixture.id(nextID), owner: 1_000,
            key: [UInt8](repeating: number, count: 16),
            content: [UInt8](repeating: 1, count: 32), reference: "redis",
            parent: parents[number])
    }

    mutating func introduceSomebody() {
        let live = registry.machine.activities.keys.sorted()
        guard let one = live.randomElement(using: &random),
            let other = live.randomElement(using: &random)
        else { return }
        let family = registry.machine.records
        do throws(Fault) {
            let entrance = try registry.machine.introduction(of: one, to: other)
            check(family[one]?.parent == family[other]?.parent, "strangers were introduced")
            check(entrance.inside == other, "the wrong side was introduced")
            let step = registry.machine.introduced(one, to: other)
            registry.store(step.writes)
            take(step)
        } catch {
            let areSiblings =
                one != other && family[one]?.parent != nil
                && family[one]?.parent == family[other]?.parent
            let isServing = registry.machine.activities[one] == .serving
            check(!areSiblings || !isServing, "siblings were not introduced")
        }
    }

    /// Bounds of a live one change; the supervisor may refuse.
    mutating func changeSomething() {
        guard let id = registry.machine.activities.keys.sorted().randomElement(using: &random)
        else { return }
        let limits = Self.limits(memory: 100 + random.next() % 1_500)
        do throws(Fault) {
            let (before, step) = try registry.machine.regrant(id, limits, now: registry.now)
            registry.store(step.writes)
            take(step)
            invariants()
            tell(.bounded(id, chance(30) ? before : limits))
        } catch {
            check(
                error.reason == .outOfRange || error.code == .unavailable,
                "a change was refused with \(error)")
        }
    }

    static func limits(memory: UInt64) -> Limits {
        var limits = Limits()
        limits.memoryBytes = memory
        limits.diskBytes = memory
        limits.processes = UInt32(memory)
        return limits
    }

    /// It was ready, has live children, and was asked to end less than 5 s ago. A start that fails is
    /// not waited with: whatever there is of it goes at once.
    func isEarly(_ id: InstanceID) -> Bool {
        guard registry.machine.records[id]?.stage == .ready, let asked = askedAt[id] else {
            return false
        }
        return !registry.machine.liveChildren(of: id).isEmpty
            && registry.now.monotonic < asked + 5_000_000_000
    }

    mutating func familyInvariants() {
        let machine = registry.machine
        var numbers: Set<[String]> = []
        for (id, record) in machine.records {
            if record.stopGrace != nil {
                askedAt[id] = askedAt[id] ?? registry.now.monotonic
            }
            guard let parent = record.parent else { continue }
            let isNew = numbers.insert(["\(parent)", "\(record.number)"]).inserted
            check(isNew, "two children with one number")
            guard machine.activities[id] != nil else { continue }
            let isLeft = machine.activities[parent] == nil
            check(!isLeft || record.stopGrace != nil, "a child was left behind")
            check(
                record.granted == registry.stored[id]?.granted
                    && record.introducedTo == registry.stored[id]?.introducedTo,
                "what is granted or introduced is not what is stored")
        }
        for (id, record) in machine.records {
            guard machine.activities[id] != nil, let own = record.granted else { continue }
            let given = machine.liveChildren(of: id).compactMap { machine.records[$0]?.granted }
            check(
                given.map(\.memoryBytes).reduce(0, +) <= own.memoryBytes
                    && given.map(\.processes).reduce(0, +) <= own.processes,
                "children have more than their parent may give")
        }
    }
}
