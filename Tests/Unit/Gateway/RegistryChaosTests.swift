// The registry among peers that fail, restart and answer late, from one seed: what must be true
// after every step, and that everything settles when the faults stop.

import Interfaces
import Testing
import gateway_broker

/// A generator whose every number comes from its seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_F491_4F6C_DD1D
    }
}

/// The registry, its storage, a supervisor, a box-builder and callers, with faults between them.
struct RegistryChaos {
    var random: SeededGenerator
    var registry: RegistryFixture
    /// Work given out whose answer is still to come.
    private var pending: [RegistryAction] = []
    private var supervisor: [InstanceID: InstanceState] = [:]
    private var watched: Set<InstanceID> = []
    private var holds: Set<InstanceID> = []
    private var listening: Set<InstanceID> = []
    private var announced: [InstanceID: (phase: Phase, outcome: String?)] = [:]
    private var acknowledged: [UInt8: InstanceID] = [:]
    private var launches: [InstanceID: Int] = [:]
    /// Keys and ids differ, so that a key that was forgotten can come again.
    private var nextKey: UInt8 = 1
    var nextID: UInt8 = 1
    var parents: [UInt8: InstanceID] = [:]
    /// When somebody first asked an instance to end.
    var askedAt: [InstanceID: UInt64] = [:]
    private var faults = true
    private(set) var broken: [String] = []

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        var limits = GatewayLimits()
        limits.startsInProgress = 2
        limits.endedInstances = 4
        limits.familyDepth = 4
        limits.children = 3
        registry = RegistryFixture(limits: limits)
    }

    mutating func run(steps: Int) {
        take(registry.restart())
        for _ in 0..<steps { act() }
        faults = false
        // Faults are over: stop all and let it settle.
        for id in registry.machine.activities.keys { tell(.stopAsked(id, grace: 0)) }
        for _ in 0..<1_000 { act() }
        check(registry.machine.activities.isEmpty, "an instance never ended")
        check(holds.isEmpty, "a box is still held: \(holds)")
        check(listening.isEmpty, "a port is still open")
        check(supervisor.values.allSatisfy { $0.phase == .ended }, "an instance still runs")
        check(
            supervisor.count <= registry.machine.limits.endedInstances,
            "the supervisor still knows \(supervisor.count)")
    }

    mutating func chance(_ percent: UInt64) -> Bool {
        random.next() % 100 < percent
    }

    private mutating func act() {
        switch random.next() % 14 {
        case 12 where faults: introduceSomebody()
        case 13 where faults: changeSomething()
        case 0 where faults: startSomething()
        case 1 where faults: stopSomething()
        case 2 where faults: if chance(10) { restartGateway() }
        case 3 where faults: if chance(10) { restartSupervisor() }
        case 4: lifeGoesOn()
        case 5:
            registry.advance(milliseconds: random.next() % 2_000)
            tell(.timePassed)
        default: answerSomething()
        }
        invariants()
    }

    // MARK: The world

    private mutating func startSomething() {
        guard nextID < 255 else { return }
        // Sometimes an old key again.
        let isNew = acknowledged.isEmpty || chance(70)
        let number = isNew ? nextKey : acknowledged.keys.sorted()[0]
        if isNew { nextKey += 1 }
        nextID += 1
        let order = order(number, isNew: isNew)
        var machine = registry.machine
        guard let (id, step) = try? machine.start(order, isMaintainer: false, now: registry.now)
        else { return }
        if faults, step.accepting != nil, chance(10) {
            // The disk is full: nothing of the step happens but the refusal.
            registry.machine = machine
            take(registry.machine.handle(.notStored(id), now: registry.now))
            return
        }
        registry.machine = machine
        for write in step.writes {
            if case .put(let record) = write { registry.stored[record.id] = record }
        }
        if let known = acknowledged[number], registry.machine.records[known] != nil {
            check(known == id, "another instance for the same key")
        }
        acknowledged[number] = id
        take(step)
    }

    private mutating func stopSomething() {
        guard let id = registry.machine.activities.keys.sorted().randomElement(using: &random)
        else {
            return
        }
        tell(.stopAsked(id, grace: UInt32(random.next() % 3)))
    }

    /// Everything in memory is gone, and so is what was asked and not answered.
    private mutating func restartGateway() {
        pending = []
        watched = []
        listening = []
        take(registry.restart())
        for (id, known) in announced where known.outcome == "started" {
            check(registry.machine.records[id] != nil, "a started instance was forgotten")
        }
    }

    private mutating func restartSupervisor() {
        for id in watched { tell(.watchLost(id, Fault(.unavailable))) }
        watched = []
        // Sometimes the machine went down with it.
        guard chance(30) else { return }
        for (id, state) in supervisor where state.phase != .ended {
            supervisor[id]?.phase = .ended
            supervisor[id]?.ended.cause = .lost
        }
    }

    /// Instances go on in their lives by themselves.
    private mutating func lifeGoesOn() {
        guard let id = supervisor.keys.sorted().randomElement(using: &random),
            var state = supervisor[id], state.phase != .ended
        else { return }
        if state.phase == .accepted {
            state.phase = .starting
        } else if state.phase == .starting {
            state.phase = .ready
        }
        if chance(20) {
            state.phase = .ended
            state.ended.cause = .exited
        }
        supervisor[id] = state
        if watched.contains(id) { tellWatcher(id, state) }
    }

    private mutating func tellWatcher(_ id: InstanceID, _ state: InstanceState) {
        if state.phase == .ended { watched.remove(id) }
        tell(.observed(id, state))
    }

    // MARK: Answers

    private mutating func answerSomething() {
        guard !pending.isEmpty else { return }
        let action = pending.remove(at: Int(random.next() % UInt64(pending.count)))
        let fails = faults && chance(20)
        switch action {
        case .launch(let record): launch(record, fails)
        case .watch(let id):
            if fails { return tell(.watchLost(id, Fault(.unavailable))) }
            guard let state = supervisor[id] else {
                return tell(.watchLost(id, Fault(.notFound)))
            }
            watched.insert(id)
            tellWatcher(id, state)
        case .stop(let id, _):
            if fails { return tell(.stopFailed(id, Fault(.unavailable))) }
            guard var state = supervisor[id] else {
                return tell(.stopFailed(id, Fault(.notFound)))
            }
            if state.phase != .ended {
                state.phase = .ended
                state.ended.cause = .stopped
                supervisor[id] = state
                if watched.contains(id) { tellWatcher(id, state) }
            }
            tell(.observed(id, state))
        case .forget(let id):
            if fails { return tell(.forgetFailed(id)) }
            guard supervisor[id].map({ $0.phase == .ended }) ?? true else {
                return tell(.forgetFailed(id))
            }
            supervisor[id] = nil
        case .release(let id):
            if fails { return tell(.releaseFailed(id)) }
            holds.remove(id)
            tell(.released(id))
        case .listInstances:
            if fails { return tell(.listingFailed(.instances)) }
            tell(.supervisorListed(supervisor.keys.sorted().compactMap { supervisor[$0] }))
        case .listHolds:
            if fails { return tell(.listingFailed(.holds)) }
            tell(.holdsListed(holds.sorted().map(\.description)))
        default: break
        }
    }

    private mutating func launch(_ record: InstanceRecord, _ fails: Bool) {
        if fails, chance(30) {
            return tell(.launchFailed(record.id, Fault(.notFound, subject: "box")))
        }
        holds.insert(record.id)
        do throws(Fault) {
            let memory = record.parent == nil ? 1_000 : 100 + random.next() % 500
            let limits = record.granted ?? Self.limits(memory: memory)
            let step = try registry.machine.grant(record.id, limits, now: registry.now)
            registry.store(step.writes)
            take(step)
        } catch {
            return tell(.launchFailed(record.id, error))
        }
        if fails, chance(50) {
            return tell(.launchFailed(record.id, Fault(.unavailable)))
        }
        if let known = supervisor[record.id], known.phase == .ended, known.ended.cause == .lost {
            supervisor[record.id] = nil
        }
        if supervisor[record.id] == nil {
            launches[record.id, default: 0] += 1
            supervisor[record.id] = RegistryFixture.state(record.id, .accepted)
        }
        // The answer can be lost on its way.
        if fails { return tell(.launchFailed(record.id, Fault(.unavailable))) }
        guard let state = supervisor[record.id] else { return }
        tell(
            .launched(
                record.id,
                Launch(
                    serviceID: [UInt8](repeating: 5, count: 32), slots: RegistryFixture.slots(),
                    state: state)))
    }

    // MARK: Steps

    mutating func tell(_ event: RegistryEvent) {
        take(registry.tell(event))
    }

    mutating func take(_ step: Step) {
        for action in step.actions {
            switch action {
            case .announce(let id, let view, let outcome):
                if view.state.phase == .ended {
                    let hasNobody = registry.machine.liveChildren(of: id).isEmpty
                    check(hasNobody, "an end was told before those of its children")
                }
                announced[id] = (view.state.phase, outcome?.kind)
                let isForgotten = step.writes.contains(.delete(id))
                if outcome != nil, !isForgotten {
                    check(registry.stored[id] != nil, "an outcome was told that is not stored")
                }
            case .retract(let id): announced[id] = nil
            case .stop(let id, _) where isEarly(id):
                check(false, "a parent was told to end before its children had")
                pending.append(action)
            case .listen(let id, let opening):
                if faults, chance(5) {
                    tell(.listenFailed(id, Fault(.internal)))
                } else {
                    listening.insert(id)
                    let opened = opening.slots.map {
                        RelayedSlot(
                            port: $0.port, transport: $0.transport,
                            hostPort: $0.hostPort == 0 ? 40_000 : $0.hostPort)
                    }
                    tell(.listening(id, opened))
                }
            case .close(let id): listening.remove(id)
            default: pending.append(action)
            }
        }
    }

    // MARK: What must be true

    mutating func check(_ holds: Bool, _ what: String) {
        if !holds, !broken.contains(what) { broken.append(what) }
    }

    mutating func invariants() {
        familyInvariants()
        let machine = registry.machine
        for (id, record) in machine.records {
            guard record.stage != .ended else {
                check(machine.activities[id] == nil, "an ended instance has something going on")
                continue
            }
            check(machine.activities[id] != nil, "a live instance has nothing going on")
            check(registry.stored[id] != nil, "a live instance is not stored")
        }
        for (id, stored) in registry.stored {
            check(machine.records[id]?.stage == stored.stage, "stored and held differ")
        }
        for id in listening { check(machine.activities[id] != nil, "a port of nobody is open") }
        for count in launches.values { check(count <= 10, "an instance is launched for ever") }
        let names = machine.activities.keys.compactMap { machine.records[$0]?.name }
        check(Set(names).count == names.count, "two live instances with one name")
        check(pending.count < 2_000, "work without bound")
    }
}

@Suite("The registry among faults") struct RegistryChaosTests {
    @Test("keeps its promises after every step, and settles", arguments: [UInt64](1...400))
    func seeds(_ seed: UInt64) {
        var chaos = RegistryChaos(seed: seed)
        chaos.run(steps: 600)
        let broken = chaos.broken.prefix(3).joined(separator: "; ")
        #expect(broken == "", "seed \(seed)")
    }
}
