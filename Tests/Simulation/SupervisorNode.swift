// The supervisor of a run: its real machines, and around them what `SandboxService` does with tasks.

import Channel
import Interfaces
import LaunchPlan
import sandbox_supervisor

/// Performs what each instance's machine decides. `InstanceMachine`, `SaveQueue` and `StartCheck`
/// are the daemon's own code.
final class SupervisorNode: SimDaemon {
    /// What a living instance has in this process.
    struct Living {
        var pid: Int32 = 0
        var isProbing = false
        var isEnding = false
        var deadline: UInt64 = 0
        /// pidfd and namespace.
        var descriptors: [Int] = []
    }

    let store: SimTable<InstanceID, InstanceRecord>
    unowned let node: SimNode
    let instancesMax = 64
    private(set) var machines: [InstanceID: InstanceMachine] = [:]
    private(set) var living: [InstanceID: Living] = [:]
    private(set) var announced: [InstanceID: InstanceState] = [:]
    private(set) var saves = SaveQueue()
    private var waiters: [SaveQueue.Ticket: (Fault?) -> Void] = [:]
    private var changes: [InstanceID: [() -> Void]] = [:]

    init(_ world: World, _ node: SimNode) {
        self.node = node
        store = SimTable(world, "records")
        super.init(
            world, "supervisor", [SandboxSupervisorInterface.descriptor],
            killRate: world.swarm.killSupervisor)
    }

    var host: SimHost { node.host }

    // MARK: Life

    override func begin() {
        machines = [:]
        living = [:]
        announced = [:]
        saves = SaveQueue()
        waiters = [:]
        changes = [:]
        let records = store.durable.sorted { $0.key < $1.key }.map(\.value)
        for record in records {
            machines[record.id] = InstanceMachine(record)
            announced[record.id] = record.state
        }
        world.after(2_000_000, life) { [self] in
            sweep()
            for record in records where !record.hasEnded { resume(record, tries: 0) }
            isListening = true
        }
    }

    override func serve(_ request: SimRequest) { answer(request) }

    override func crashed(powerLoss: Bool) { store.crash(powerLoss: powerLoss) }

    /// What has a directory or a cgroup and no record, or has ended.
    private func sweep() {
        let present = host.directories.union(host.cgroups.keys).sorted {
            $0.lexicographicallyPrecedes($1)
        }
        for bytes in present {
            guard let id = InstanceID(bytes) else { continue }
            let record = machines[id]?.record
            guard record == nil || record?.hasEnded == true else { continue }
            if host.identities[bytes] != nil {
                for witness in host.instances(bytes) { host.signal(witness.pid, .destroy) }
            }
            _ = host.removeGroup(bytes)
            if record == nil { host.forget(bytes) }
        }
    }

    private func resume(_ record: InstanceRecord, tries: Int) {
        let id = record.id
        if tries == 0 { living[id] = Living() }
        let found = host.instances(id.bytes).first { $0.pid == host.identities[id.bytes] }
        let isHeld = !host.instances(id.bytes).isEmpty
        if found == nil, isHeld, tries < 200 {
            return world.after(10_000_000, life) { [self] in resume(record, tries: tries + 1) }
        }
        guard let found, !world.has(.adoptNobody) else { return finish(id) }
        world.say { "supervisor: \(found.pid) is found again" }
        adopt(id, found)
        if record.pid == 0 {
            tell(id, .launched(pid: found.pid, startTime: found.startTime))
        }
        if record.state.phase == .accepted || record.state.phase == .preparing {
            tell(id, .started)
            if machines[id]?.record.state.phase == .starting { armReadyDeadline(id) }
        } else {
            tell(id, .begin)
        }
    }

    private func adopt(_ id: InstanceID, _ instance: SimInstance) {
        living[id, default: Living()].pid = instance.pid
        living[id]?.descriptors.append(world.descriptors.make("pidfd", life))
        host.watchExit(instance.pid, life) { [self] in finish(id) }
    }

    // MARK: Events and actions

    func tell(_ id: InstanceID, _ event: InstanceMachine.Event) {
        guard !life.isOver, var machine = machines[id] else { return }
        let actions = machine.handle(event, nowMs: world.wallMilliseconds)
        machines[id] = machine
        world.say { "supervisor: \(host(id)) \(event.short) → \(machine.record.state.phase)" }
        for action in actions {
            guard goesOn() else { return }
            perform(action, id)
        }
    }

    private func host(_ id: InstanceID) -> String { SimHost.short(id.bytes) }

    private func perform(_ action: InstanceMachine.Action, _ id: InstanceID) {
        switch action {
        case .save:
            saves.save(id)
            save()
        case .armReadyDeadline: armReadyDeadline(id)
        case .armDeadline: break
        case .probe: probe(id)
        case .stopProbing: living[id]?.isProbing = false
        case .terminate: signalOnceSaved(id, .terminate)
        case .kill: signalOnceSaved(id, .kill)
        case .destroy: host.signal(living[id]?.pid ?? 0, .destroy)
        case .armGrace(let milliseconds):
            world.after(UInt64(milliseconds) * 1_000_000, life) { [self] in
                tell(id, .graceOver)
            }
        case .armKillOverdue:
            world.after(10_000_000_000, life) { [self] in tell(id, .killOverdue) }
        case .cleanUp: cleanUp(id)
        }
    }

    private func signalOnceSaved(_ id: InstanceID, _ signal: SimHost.Signal) {
        let send: (Bool) -> Void = { [self] isDurable in
            guard !life.isOver, let pid = living[id]?.pid, pid != 0 else { return }
            // A disk that refuses does not keep it alive, and the cause may be lost then.
            if isDurable { node.judge.signalled(id.bytes) }
            host.signal(pid, signal)
        }
        if world.has(.killBeforeRecord) { return send(true) }
        untilSaved { fault in send(fault == nil) }
    }

    private func armReadyDeadline(_ id: InstanceID) {
        guard let record = machines[id]?.record else { return }
        let left = record.readyTimeLeft(nowMs: world.wallMilliseconds)
        world.after(left * 1_000_000, life) { [self] in tell(id, .readyDeadline) }
    }

    private func probe(_ id: InstanceID) {
        living[id]?.isProbing = true
        lookAtSlots(id)
    }

    private func lookAtSlots(_ id: InstanceID) {
        guard living[id]?.isProbing == true, let record = machines[id]?.record else { return }
        if host.running[record.pid]?.isOpen == true {
            for slot in record.slots { tell(id, .open(slot)) }
            return
        }
        world.after(50_000_000, life) { [self] in lookAtSlots(id) }
    }

    private func cleanUp(_ id: InstanceID) {
        guard let left = living.removeValue(forKey: id) else { return }
        world.descriptors.close(left.descriptors)
        removeGroups(id, tries: 0)
        if announced[id] == nil { tellChange(id) }
    }

    private func removeGroups(_ id: InstanceID, tries: Int) {
        if host.removeGroup(id.bytes) || tries >= 50 { return }
        world.after(20_000_000, life) { [self] in removeGroups(id, tries: tries + 1) }
    }

    /// The witness has ended, or will never be: reads what it left.
    func finish(_ id: InstanceID, failed: LaunchFailure? = nil) {
        guard let left = living[id], !left.isEnding else { return }
        living[id]?.isEnding = true
        world.after(world.random.between(100_000...5_000_000), life) { [self] in
            let found = host.remains[id.bytes]
            var outcome: LaunchOutcome?
            switch found?.end {
            case .exited(let code)?: outcome = ended(.exited(code), found)
            case .signalled(let signal)?: outcome = ended(.signalled(signal), found)
            case .startFailed?: outcome = .failed(LaunchFailure(step: "exec", code: 2))
            case nil: break
            }
            if let failed { outcome = .failed(failed) }
            tell(
                id,
                .gone(
                    InstanceMachine.Remains(
                        outcome: outcome, outOfMemory: found?.outOfMemory ?? false,
                        usage: Usage(), lastLines: [])))
        }
    }

    private func ended(_ status: WitnessedEnd.Status, _ found: SimRemains?) -> LaunchOutcome {
        .ended(
            WitnessedEnd(
                status: status, outOfMemory: found?.outOfMemory ?? false, killed: false,
                timeNanoseconds: (found?.timeMs ?? 0) * 1_000_000))
    }

    // MARK: Durability

    func untilSaved(_ body: @escaping (Fault?) -> Void) {
        if saves.isSaved { return body(nil) }
        let ticket = saves.wait()
        waiters[ticket] = body
    }

    private func save() {
        guard !life.isOver, let batch = saves.next() else { return }
        let records = batch.put.compactMap { machines[$0]?.record }
        let puts = records.map { SimTable<InstanceID, InstanceRecord>.Operation.put($0.id, $0) }
        let deletes = batch.delete.map { SimTable<InstanceID, InstanceRecord>.Operation.delete($0) }
        store.apply(puts + deletes, life) { [self] failure in
            guard goesOn() else { return }
            if failure == nil { for record in records { announce(record) } }
            let isDurable = failure == nil
            let tickets = saves.stored(isDurable: isDurable) { machines[$0] != nil }
            let fault = isDurable ? nil : Fault(.storageFull, subject: "records")
            for ticket in tickets {
                guard !life.isOver else { return }
                waiters.removeValue(forKey: ticket)?(fault)
            }
            if isDurable { return save() }
            world.after(500_000_000, life) { [self] in save() }
        }
    }

    private func announce(_ record: InstanceRecord) {
        if machines[record.id] == nil { return }
        announced[record.id] = record.state
        node.judge.supervisorAnnounced(record)
        tellChange(record.id)
    }

    private func tellChange(_ id: InstanceID) {
        for body in changes.removeValue(forKey: id) ?? [] where !life.isOver { body() }
    }

    func onChange(_ id: InstanceID, _ body: @escaping () -> Void) {
        changes[id, default: []].append(body)
    }

    /// Forgets an ended instance, durably.
    func remove(_ id: InstanceID, _ done: @escaping (Fault?) -> Void) {
        machines[id] = nil
        saves.forget(id)
        save()
        untilSaved { [self] fault in
            if fault == nil {
                announced[id] = nil
                tellChange(id)
            }
            done(fault)
        }
    }

    func accept(_ record: InstanceRecord) {
        machines[record.id] = InstanceMachine(record)
        living[record.id] = Living()
        tell(record.id, .begin)
    }

    func launched(_ id: InstanceID, _ instance: SimInstance) {
        adopt(id, instance)
        tell(id, .launched(pid: instance.pid, startTime: instance.startTime))
    }
}

extension InstanceMachine.Event {
    /// For a line of a trace.
    var short: String {
        switch self {
        case .begin: "begins"
        case .prepared: "is prepared"
        case .prepareFailed: "is not prepared"
        case .launched(let pid, _): "is \(pid)"
        case .started: "is started"
        case .open: "has a slot open"
        case .readyDeadline: "has its ready deadline"
        case .stop(let grace): "is to stop within \(grace) ms"
        case .graceOver: "has no grace left"
        case .killOverdue: "does not end"
        case .gone: "is gone"
        default: "has an event"
        }
    }
}
