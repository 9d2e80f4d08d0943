// The gateway of a run: its real machines, and around them what `GatewayService` does with tasks.

import Channel
import Interfaces
import gateway_broker

/// Performs what the registry decides. What it decides, stores and remembers is the daemon's own
/// code: `RegistryMachine`, `Outbox`, `GrantBook`, `TokenBook`, `StartCheck`, `InstancePlan`.
final class GatewayNode: SimDaemon {
    let store: SimTable<InstanceID, InstanceRecord>
    let grantStore: SimTable<InstanceID, Grant>
    let limits: GatewayLimits
    let tokens = TokenBook(secret: [UInt8](repeating: 7, count: 32))
    unowned let node: SimNode

    private(set) var machine: RegistryMachine
    private(set) var outbox = Outbox()
    var grants = GrantBook()
    private(set) var sightings: [InstanceID: Sighting] = [:]
    private var watchers: [InstanceID: [SimWatcher]] = [:]
    private var refusals: [InstanceID: Fault] = [:]
    private var settlers: [(target: UInt64, body: () -> Void)] = []
    private var isStoring = false
    private var isRetryDue = false
    private var alarmAt: UInt64?
    private(set) var ports: [InstanceID: [UInt16]] = [:]
    /// Those that could not be opened, and are tried again.
    private(set) var portsRefused: Set<InstanceID> = []
    /// Connections through the relay: a descriptor each.
    private(set) var tunnels: [InstanceID: [Int]] = [:]
    private(set) var boxes: SimPeer?
    private(set) var sandbox: SimPeer?
    private var lastID: InstanceID?
    private var nextPort: UInt16 = 40_000

    init(_ world: World, _ node: SimNode) {
        self.node = node
        store = SimTable(world, "registry")
        grantStore = SimTable(world, "grants")
        var limits = GatewayLimits()
        limits.endedInstances = world.swarm.smallLimits ? 3 : 1_000
        limits.startsInProgress = world.swarm.smallLimits ? 2 : 16
        limits.instances = world.swarm.smallLimits ? 8 : 1_000
        limits.children = 4
        limits.familyDepth = 3
        self.limits = limits
        machine = RegistryMachine(limits: limits) { [tokens] in tokens.digest(of: $0) }
        super.init(
            world, "gateway", [GatewayBrokerInterface.descriptor],
            killRate: world.swarm.killGateway)
    }

    var moment: Moment {
        Moment(monotonic: world.now, wallMilliseconds: world.wallMilliseconds)
    }

    // MARK: Life

    override func begin() {
        machine = RegistryMachine(limits: limits) { [tokens] in tokens.digest(of: $0) }
        outbox = Outbox()
        sightings = [:]
        watchers = [:]
        refusals = [:]
        settlers = []
        isStoring = false
        isRetryDue = false
        alarmAt = nil
        ports = [:]
        portsRefused = []
        tunnels = [:]
        boxes = peer(.gatewayBroker) { [unowned node] in node.builder }
        sandbox = peer(.gatewayBroker) { [unowned node] in node.supervisor }
        grants = GrantBook(grantStore.durable.sorted { $0.key < $1.key }.map(\.value))
        var records = store.durable.sorted { $0.key < $1.key }.map(\.value)
        if world.has(.forgetParent) { records = records.map(\.withoutParent) }
        if world.has(.forgetKey) { records.removeAll { $0.stage == .ended } }
        _ = submit(machine.restore(records, now: moment))
        isListening = true
    }

    override func crashed(powerLoss: Bool) {
        store.crash(powerLoss: powerLoss)
        grantStore.crash(powerLoss: powerLoss)
    }

    override func serve(_ request: SimRequest) { answer(request) }

    /// The maintainer stops all there is.
    func stopAll() {
        for id in machine.activities.keys.sorted() { tell(.stopAsked(id, grace: 500)) }
    }

    // MARK: Steps

    func tell(_ event: RegistryEvent) {
        guard !life.isOver else { return }
        world.say { "gateway: \(event.short)" }
        _ = submit(machine.handle(event, now: moment))
    }

    @discardableResult
    func submit(_ step: Step) -> UInt64 {
        let target = outbox.append(step)
        world.after(0, life) { [self] in performSteps() }
        setAlarm()
        return target
    }

    func start(
        _ order: StartOrder, isMaintainer: Bool
    ) throws(Fault) -> (id: InstanceID, target: UInt64) {
        let (id, step) = try machine.start(order, isMaintainer: isMaintainer, now: moment)
        return (id, submit(step))
    }

    /// Charges bounds to the parent.
    func grant(_ id: InstanceID, _ limits: Limits) throws(Fault) -> UInt64 {
        submit(try machine.grant(id, limits, now: moment))
    }

    /// When a step is durable and performed.
    func settle(_ target: UInt64, _ body: @escaping () -> Void) {
        if outbox.performed >= target { return body() }
        settlers.append((target, body))
    }

    private func setAlarm() {
        guard let due = machine.nextDue else { return }
        if let alarmAt, alarmAt <= due, alarmAt > world.now { return }
        alarmAt = due
        world.after(due - min(due, world.now), life) { [self] in
            guard alarmAt == due else { return }
            alarmAt = nil
            tell(.timePassed)
        }
    }

    private func performSteps() {
        guard !isStoring, goesOn() else { return }
        guard let writes = outbox.next() else {
            resumeSettled()
            if outbox.needsRetry { retryLater() }
            return
        }
        isStoring = true
        if world.has(.tellBeforeDurable) {
            // As if the write had returned when it was only queued.
            store.apply(writes.map(\.operation), life) { _ in }
            return stored(nil)
        }
        guard !writes.isEmpty else { return stored(nil) }
        store.apply(writes.map(\.operation), life) { [self] failure in
            stored(failure.map { _ in .full })
        }
    }

    private func stored(_ failure: StorageFailure?) {
        guard goesOn() else { return }
        isStoring = false
        if failure != nil { world.say { "gateway: the disk is full" } }
        for work in outbox.stored(failure) {
            switch work {
            case .perform(let step): perform(step)
            case .refuse(let id, _):
                refusals[id] = Fault(.storageFull)
                tell(.notStored(id))
            }
            guard !life.isOver else { return }
        }
        resumeSettled()
        performSteps()
    }

    private func resumeSettled() {
        let ready = settlers.filter { $0.target <= outbox.performed }
        settlers.removeAll { $0.target <= outbox.performed }
        for settler in ready where !life.isOver { settler.body() }
    }

    private func retryLater() {
        guard !isRetryDue, !world.has(.retryLoses) else { return }
        isRetryDue = true
        world.after(1_000_000_000, life) { [self] in
            isRetryDue = false
            outbox.retry()
            performSteps()
        }
    }

    func takeRefusal(_ id: InstanceID) -> Fault? { refusals.removeValue(forKey: id) }

    private func perform(_ step: Step) {
        for action in order(step) {
            guard goesOn() else { return }
            switch action {
            case .announce(let id, let view, let outcome):
                announce(id, Sighting(view: view, outcome: outcome))
            case .retract(let id):
                sightings[id] = nil
                for watcher in watchers[id] ?? [] { watcher.end(Fault(.notFound)) }
            case .listen(let id, let opening):
                listen(id, opening.slots, isChild: opening.isChild)
            case .close(let id): close(id)
            default: ask(action)
            }
        }
    }

    /// The actions of a step, where a planted bug changes them.
    private func order(_ step: Step) -> [RegistryAction] {
        switch world.plant {
        case .forgetRelease?:
            return step.actions.filter { if case .release = $0 { false } else { true } }
        case .skipStop?:
            return step.actions.filter { action in
                guard case .stop(let id, GatewayLimits.familyGrace) = action else { return true }
                return machine.records[id]?.parent == nil
            }
        case .parentEndsFirst?:
            return step.actions
                + step.writes.compactMap { write in
                    guard case .put(let record) = write, record.stage == .ended else { return nil }
                    return .announce(record.id, record.view, .ended)
                }
        default:
            return step.actions
        }
    }

    private func announce(_ id: InstanceID, _ sighting: Sighting) {
        world.say {
            "gateway: \(id.short) is \(sighting.view.state.phase) \(sighting.outcome?.word ?? "")"
        }
        sightings[id] = sighting
        node.judge.announced(id, sighting)
        for watcher in watchers[id] ?? [] { watcher.tell(sighting) }
        if world.has(.releaseEarly), sighting.outcome == .started { ask(.release(id)) }
    }

    // MARK: The relay

    private func listen(_ id: InstanceID, _ slots: [RelayedSlot], isChild: Bool) {
        portsRefused.remove(id)
        if world.fault(percent: world.swarm.startFails) {
            portsRefused.insert(id)
            return tell(.listenFailed(id, Fault(.internal, subject: "listen")))
        }
        let taken = Set(ports.values.joined())
        var opened = slots
        // A child is reached through its family.
        for place in opened.indices where !isChild {
            var port = opened[place].hostPort
            if port == 0 || taken.contains(port) {
                nextPort += 1
                port = nextPort
            }
            opened[place].hostPort = port
        }
        ports[id] = opened.map(\.hostPort)
        tell(.listening(id, opened))
    }

    private func close(_ id: InstanceID) {
        if !world.has(.keepPort) { ports[id] = nil }
        world.descriptors.close(tunnels.removeValue(forKey: id) ?? [])
    }

    func openTunnel(_ id: InstanceID) -> Int? {
        guard ports[id] != nil else { return nil }
        let near = world.descriptors.make("tunnel to \(id.short)", life)
        tunnels[id, default: []].append(near)
        return world.descriptors.make("tunnel end", life)
    }

    // MARK: Watchers

    func addWatcher(_ id: InstanceID) throws(Fault) -> SimWatcher {
        guard watchers[id, default: []].count < limits.watchers else {
            throw .limitReached(subject: "watchers", limit: UInt64(limits.watchers))
        }
        let watcher = SimWatcher()
        watchers[id, default: []].append(watcher)
        return watcher
    }

    func removeWatcher(_ id: InstanceID, _ watcher: SimWatcher) {
        watchers[id]?.removeAll { $0 === watcher }
        if watchers[id]?.isEmpty == true { watchers[id] = nil }
    }

    var watcherCount: Int { watchers.values.reduce(0) { $0 + $1.count } }

    /// A random id, as the service draws it.
    ///
    /// - Parameter isChild: a planted bug makes nobody its own ancestor.
    func freshID(isChild: Bool = false) -> InstanceID {
        if world.has(.reuseID), !isChild, let lastID, world.random.below(3) == 0 { return lastID }
        while true {
            guard let id = InstanceID(world.random.bytes(16)) else { continue }
            lastID = id
            return id
        }
    }
}

/// Who waits for news of an instance.
final class SimWatcher {
    var onNews: ((Sighting) -> Void)?
    var onEnd: ((Fault) -> Void)?

    func tell(_ sighting: Sighting) { onNews?(sighting) }
    func end(_ fault: Fault) { onEnd?(fault) }
}

extension RegistryWrite {
    var operation: SimTable<InstanceID, InstanceRecord>.Operation {
        switch self {
        case .put(let record): .put(record.id, record)
        case .delete(let id): .delete(id)
        }
    }
}

extension InstanceRecord {
    var withoutParent: InstanceRecord {
        var copy = InstanceRecord(
            id: id, owner: owner, key: key, content: content, name: name, reference: reference,
            acceptedAt: acceptedAt, readyDeadline: readyDeadline)
        copy.wishes = wishes
        copy.serviceID = serviceID
        copy.stage = stage
        copy.stopGrace = stopGrace
        copy.slots = slots
        copy.state = state
        copy.fault = fault
        copy.endedAt = endedAt
        return copy
    }
}

extension InstanceID {
    var short: String { String(description.prefix(6)) }
}

extension Outcome {
    var word: String {
        switch self {
        case .started: "(started)"
        case .failed(let fault): "(failed: \(fault.code) \(fault.subject))"
        case .ended: "(ended)"
        }
    }
}

extension RegistryEvent {
    /// For a line of a trace.
    var short: String {
        switch self {
        case .notStored(let id): "the start of \(id.short) is not stored"
        case .launched(let id, let launch): "\(id.short) is launched: \(launch.state.phase)"
        case .launchFailed(let id, let fault): "\(id.short) is not launched: \(fault.code)"
        case .observed(let id, let state): "\(id.short) is \(state.phase) \(state.ended.cause)"
        case .watchLost(let id, let fault): "the watch of \(id.short) is lost: \(fault.code)"
        case .listening(let id, _): "the ports of \(id.short) are open"
        case .listenFailed(let id, _): "the ports of \(id.short) cannot be opened"
        case .stopAsked(let id, let grace): "\(id.short) is to stop within \(grace) ms"
        case .stopFailed(let id, let fault): "\(id.short) is not stopped: \(fault.code)"
        case .forgetFailed(let id): "\(id.short) is not forgotten"
        case .released(let id): "the box of \(id.short) is released"
        case .releaseFailed(let id): "the box of \(id.short) is not released"
        case .supervisorListed(let states): "the supervisor lists \(states.count)"
        case .holdsListed(let holders): "the box-builder lists \(holders.count) holds"
        case .listingFailed: "no list"
        default: "time passed"
        }
    }
}
