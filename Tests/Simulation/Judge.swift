// Sees all of a run, and says what must be true of it.

import Channel
import Interfaces
import gateway_broker

/// A request that waits for its one final answer.
final class SimQuestion {
    let what: String
    let askedAt: UInt64
    let isPatient: Bool
    private(set) var due: UInt64?
    private(set) var answers = 0
    private unowned let world: World

    init(_ world: World, _ what: String, due: UInt64?, isPatient: Bool) {
        self.isPatient = isPatient
        self.world = world
        self.what = what
        self.due = due
        askedAt = world.now
    }

    func isDue(within time: UInt64) { due = min(due ?? .max, world.now + time) }

    func over() {
        answers += 1
        world.check(answers == 1, "\(what): a second final answer")
    }
}

/// What is known of the whole node, and what of it must hold after every step. It only looks: at
/// processes, files, stores and books, and at what was told to whom.
final class Judge {
    let world: World
    unowned let node: SimNode
    var questions: [SimQuestion] = []
    /// Whose instance is whose, also after the gateway has forgotten it.
    private var keys: [InstanceID: [UInt8]] = [:]
    private var parents: [InstanceID: InstanceID] = [:]
    private var signalledIDs: Set<[UInt8]> = []
    private var stopsAsked: Set<[UInt8]> = []
    var granted: [String: [UInt8]] = [:]
    var revokesAsked: Set<String> = []
    var revokedTokens: Set<String> = []
    private var removalsAsked: [Int: UInt64] = [:]
    private var looks = 0

    // LIMIT: simulated time after the last disturbance for what must happen by itself: the grace of
    // a family, a witness that has to be destroyed, a peer's patience, retries.
    static let stopBound: UInt64 = 60_000_000_000
    static let startBound: UInt64 = 80_000_000_000
    /// How long after its deadline a request may be answered: what the caller's machine waits.
    static let answerBound: UInt64 = 1_500_000_000

    init(_ world: World, _ node: SimNode) {
        self.world = world
        self.node = node
    }

    // MARK: What clients ask and hear

    /// - Parameter isPatient: it ends with what it is about, and not before.
    func asked(
        _ what: String, within time: Duration? = nil, isPatient: Bool = false
    ) -> SimQuestion {
        let due = time.map { world.now + $0.wholeNanoseconds }
        let question = SimQuestion(world, what, due: due, isPatient: isPatient)
        questions.append(question)
        return question
    }

    func anotherForKey(_ key: [UInt8], _ known: [UInt8], _ now: [UInt8]) {
        // A key is remembered as long as its ended instance is.
        if let id = InstanceID(known), wasForgotten(id) { return }
        world.fail("a key stands for \(SimHost.short(known)) and for \(SimHost.short(now))")
    }

    /// The gateway may forget what ended; what lives it may not.
    private func wasForgotten(_ id: InstanceID) -> Bool {
        node.gateway.store.durable[id] == nil && node.host.instances(id.bytes).isEmpty
            && world.swarm.smallLimits
    }

    func stopAsked(_ id: [UInt8]) { stopsAsked.insert(id) }

    func stopAnswered(_ id: [UInt8]) {
        world.check(
            node.host.instances(id).isEmpty,
            "a stop was answered and \(SimHost.short(id)) runs")
    }

    func imported(_ box: Int) {
        guard removalsAsked[box] == nil else { return }
        world.check(
            node.builder.boxes[box] != nil, "an import was acknowledged and box \(box) is not there"
        )
    }

    func removeAsked(_ box: Int) { removalsAsked[box] = world.now }

    func granted(_ token: String, _ id: [UInt8]) { granted[token] = id }
    func revokeAsked(_ token: String) { revokesAsked.insert(token) }
    func revoked(_ token: String) { revokedTokens.insert(token) }

    // MARK: What daemons say

    /// The gateway announces: who waits is told this.
    func announced(_ id: InstanceID, _ sighting: Sighting) {
        guard let record = node.gateway.machine.records[id] else { return }
        keys[id] = record.key
        parents[id] = record.parent
        guard let outcome = sighting.outcome else { return }
        let stored = node.gateway.store.durable[id]
        let least: InstanceRecord.Stage = outcome == .started ? .ready : .ended
        // While the disk refuses, ends go on: the supervisor has them, too.
        if least == .ended, node.gateway.outbox.needsRetry { return }
        world.check(
            (stored?.stage.rawValue ?? 0) >= least.rawValue,
            "\(id.short): an outcome was told that is not durable")
        if sighting.view.state.phase == .ended {
            for (child, parent) in parents where parent == id {
                world.check(
                    node.gateway.machine.activities[child] == nil,
                    "the end of \(id.short) was told before that of its child \(child.short)")
            }
        }
    }

    func tellsAccepted(_ id: InstanceID) {
        world.check(
            node.gateway.store.durable[id] != nil || node.gateway.machine.records[id] == nil,
            "\(id.short) was acknowledged and is not durable")
    }

    func tellsStarted(_ id: InstanceID, _ view: ServiceInstance) {
        // Its end may be known and not told yet, while its box is being let go.
        guard view.state.phase == .ready, node.gateway.machine.records[id]?.stage == .ready else {
            return
        }
        world.check(
            node.gateway.ports[id] != nil || node.gateway.portsRefused.contains(id),
            "\(id.short) was told to be ready and nobody listens for it")
    }

    func tellsEnded(_ id: InstanceID) {
        world.check(
            node.gateway.ports[id] == nil, "the end of \(id.short) was told and its port is open")
    }

    func signalled(_ id: [UInt8]) { signalledIDs.insert(id) }

    /// The supervisor's announcement of an instance, by its end's cause.
    func supervisorAnnounced(_ id: [UInt8], _ ended: EndCause?) {
        guard let ended, signalledIDs.contains(id) else { return }
        let isOwn = ended == .exited || ended == .signalled || ended == .outOfMemory
        world.check(
            !isOwn, "\(SimHost.short(id)) was told to end, and is said to have ended by itself")
    }

    // MARK: After every step

    func look() {
        looks += 1
        let isWhole =
            node.gateway.isListening && node.supervisor.isListening && node.builder.isListening
        if !isWhole || node.hasFullDisk { world.disturb() }
        lookAtInstances()
        lookAtBounds()
        if looks & 7 == 0 { lookAtQuestions() }
        if looks & 15 == 0 {
            lookAtStores()
            lookAtTokens()
            lookAtHolds()
            for daemon in [node.gateway, node.supervisor, node.builder] as [SimDaemon] {
                daemon.lookAtRequests()
            }
        }
        if looks & 127 == 0 { lookAtRebuilt() }
    }

    private func lookAtInstances() {
        var liveKeys: Set<[UInt8]> = []
        var liveIDs: Set<[UInt8]> = []
        for instance in node.host.running.values {
            world.check(
                liveIDs.insert(instance.id).inserted,
                "two instances run as \(SimHost.short(instance.id))")
            world.check(
                node.host.cgroups[instance.id] == instance.memoryBytes,
                "memory held by \(SimHost.short(instance.id)) is not what is charged")
            guard let id = InstanceID(instance.id) else { continue }
            if let key = keys[id] {
                world.check(
                    liveKeys.insert(key).inserted, "two live instances for one key: \(id.short)")
            }
            if let parent = parents[id] { lookAtFamily(id, parent) }
        }
    }

    /// Whoever runs, and is known to run, has its box.
    private func lookAtHolds() {
        for instance in node.host.running.values {
            guard let id = InstanceID(instance.id),
                node.gateway.machine.activities[id] == .serving
            else { continue }
            world.check(
                node.builder.hasHold(Hex.text(instance.id)), "\(id.short) runs without its box")
        }
    }

    private func lookAtFamily(_ id: InstanceID, _ parent: InstanceID) {
        guard let ended = node.host.endedAt[parent.bytes],
            node.host.instances(parent.bytes).isEmpty
        else { return }
        world.check(
            world.now <= max(ended, world.disturbedAt) + Self.stopBound,
            "\(id.short) outlives its parent \(parent.short)")
    }

    private func lookAtBounds() {
        let gateway = node.gateway
        let launching = gateway.machine.activities.values.count {
            if case .launching = $0 { true } else { false }
        }
        world.check(
            launching <= gateway.limits.instances, "\(launching) starts are on their way at once")
        world.check(
            gateway.machine.activities.count <= gateway.limits.instances,
            "\(gateway.machine.activities.count) live instances")
        node.builder.lookAtBounds()
    }

    private func lookAtQuestions() {
        questions.removeAll { $0.answers > 0 }
        for question in questions {
            if let due = question.due {
                world.check(
                    world.now <= due + Self.answerBound, "\(question.what): no answer in time")
            } else if !question.isPatient {
                world.check(
                    world.now <= max(question.askedAt, world.disturbedAt) + Self.startBound,
                    "\(question.what): no answer")
            }
        }
    }
}
