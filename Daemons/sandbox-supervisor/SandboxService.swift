import Channel
import Chassis
import Interfaces
import LaunchPlan
import Logging
import Syscalls

/// Performs what each instance's machine decides, and answers who asks. Everything outsiders are told
/// comes from `announced`, which only ever has what is durable.
package actor SandboxService {
    nonisolated let loop: EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        // SAFETY: the loop outlives every actor on it: it is the process.
        unsafe loop.asUnownedSerialExecutor()
    }

    /// What a living instance has in this process.
    struct Living {
        var pidfd: SharedDescriptor?
        var network: SharedDescriptor?
        var exitWatch: WatchToken?
        var report: SharedDescriptor?
        var reportWatch: WatchToken?
        /// What the witness listens on before the start, and from then on until somebody asks for it.
        var listeners: [LaunchPlan.Listener] = []
        var listening: [LaunchPlan.Listener: SharedDescriptor] = [:]
        var heldTimer: TimerToken?
        var prober: Prober?
        var readyTimer: TimerToken?
        var deadlineTimer: TimerToken?
        var graceTimer: TimerToken?
        var killTimer: TimerToken?
        /// The witness is gone, or there never was one: its remains are being read.
        var isEnding = false
        /// The last figure of a root that is gone with its witness.
        var diskBytes: UInt64 = 0
        var memory = MemoryMeter()
    }

    let configuration: SupervisorConfiguration
    let workplace: Workplace
    let launcher: LauncherLink
    let gate: NetworkGate
    let storage: any RecordStorage
    let manager: ServiceManager
    let logger: Logger
    let nowMs: @Sendable () -> UInt64

    var machines: [InstanceID: InstanceMachine] = [:]
    var living: [InstanceID: Living] = [:]
    var announced: [InstanceID: InstanceState] = [:]
    var changes = StateNews()
    var outputs: OutputNews
    var isStopping = false
    var isMetering = false
    var isMakingNext = false
    var nextTimer: TimerToken?
    var isChangingLimits = false
    var limitWaiters: [Suspended<Void>] = []
    /// What the service manager gave at the start, until it is looked at, and then until all are found.
    var stored: [StoredDescriptor]
    var found: [InstanceID: KeptInstance] = [:]
    var kept: KeptInstances
    var isTellingManager = false

    private var saves = SaveQueue()
    private var isSaving = false
    private var savers: [SaveQueue.Ticket: Suspended<Fault?>] = [:]

    init(
        loop: EventLoop, configuration: SupervisorConfiguration, workplace: Workplace,
        launcher: sending LauncherLink, gate: NetworkGate, storage: any RecordStorage,
        manager: ServiceManager, stored: [StoredDescriptor], logger: Logger,
        nowMs: @escaping @Sendable () -> UInt64
    ) throws(Errno) {
        self.loop = loop
        self.configuration = configuration
        self.workplace = workplace
        self.launcher = launcher
        self.gate = gate
        self.storage = storage
        self.manager = manager
        self.stored = stored
        kept = KeptInstances(instancesMax: manager.descriptorsMax / 2)
        self.logger = logger
        self.nowMs = nowMs
        outputs = try OutputNews()
    }

    var facts: [String: String] {
        [
            "instances": "\(machines.values.count { !$0.record.hasEnded })",
            "instances-known": "\(machines.count)",
            "cgroups": workplace.cgroups.name,
            // Of the kernel's interface; 0: it has none, or none is in force.
            "landlock": "\(Landlock.version)",
            // What gives weights of block I/O a meaning; "none": nothing does.
            "block-io-weight": workplace.cgroups.sharing(below: workplace.path),
        ]
    }

    // MARK: Events and actions

    func tell(_ id: InstanceID, _ event: InstanceMachine.Event) {
        guard var machine = machines[id] else { return }
        let actions = machine.handle(event, nowMs: nowMs())
        machines[id] = machine
        for action in actions { perform(action, id) }
    }

    private func perform(_ action: InstanceMachine.Action, _ id: InstanceID) {
        switch action {
        case .save:
            saves.save(id)
            save()
        case .armReadyDeadline: armReadyDeadline(id)
        case .armDeadline: armDeadline(id)
        case .probe(let slots): probe(id, slots)
        case .stopProbing:
            living[id]?.prober?.stop()
            living[id]?.prober = nil
            cancel(&living[id, default: Living()].readyTimer)
        case .terminate: signalOnceSaved(id, .terminate)
        case .kill: signalOnceSaved(id, .user1)
        case .destroy: signal(id, .kill)
        case .armGrace(let milliseconds):
            living[id]?.graceTimer = after(.milliseconds(Int64(milliseconds)), id, .graceOver)
        case .armKillOverdue:
            living[id]?.killTimer = after(Self.killPatience, id, .killOverdue)
        case .cleanUp: cleanUp(id)
        }
    }

    // LIMIT: time for a witness to write down an end: two flushes of a slow disk. Then it is killed.
    private static let killPatience = Duration.seconds(10)

    /// Why it is to end is on the disk before it is told so: who comes after this process would
    /// otherwise find an end and no reason. A disk that refuses does not keep it alive.
    private func signalOnceSaved(_ id: InstanceID, _ signal: Signal) {
        Task {
            try? await untilSaved()
            self.signal(id, signal)
        }
    }

    private func signal(_ id: InstanceID, _ signal: Signal) {
        guard let pidfd = living[id]?.pidfd else { return }
        // It may have ended already: its pidfd says so soon.
        try? Pidfd.send(signal, to: pidfd.descriptor)
    }

    private func after(
        _ delay: Duration, _ id: InstanceID, _ event: InstanceMachine.Event
    ) -> TimerToken {
        loop.schedule(after: delay) { [weak self] in self?.assumeIsolated { $0.tell(id, event) } }
    }

    private func cancel(_ timer: inout TimerToken?) {
        if let token = timer { loop.cancel(token) }
        timer = nil
    }

    func armReadyDeadline(_ id: InstanceID) {
        guard let left = machines[id]?.record.readyTimeLeft(nowMs: nowMs()) else { return }
        living[id, default: Living()].readyTimer = after(
            .milliseconds(Int64(clamping: left)), id, .readyDeadline)
    }

    private func armDeadline(_ id: InstanceID) {
        cancel(&living[id, default: Living()].deadlineTimer)
        guard let left = machines[id]?.record.timeLeft(nowMs: nowMs()) else { return }
        living[id]?.deadlineTimer = after(
            .milliseconds(Int64(clamping: left)), id, .deadline)
    }

    private func probe(_ id: InstanceID, _ slots: [Interfaces.Slot]) {
        guard let pid = machines[id]?.record.pid, let network = living[id]?.network else { return }
        let prober = Prober(loop: loop, gate: gate, namespace: network, pid: pid) {
            [weak self] slot in self?.assumeIsolated { $0.tell(id, .open(slot)) }
        }
        living[id]?.prober?.stop()
        living[id]?.prober = prober
        prober.begin(slots)
    }

    private func cleanUp(_ id: InstanceID) {
        guard var left = living.removeValue(forKey: id) else { return }
        left.prober?.stop()
        // The next with this id has its own times: one that was lost is started again.
        cancel(&left.heldTimer)
        cancel(&left.readyTimer)
        cancel(&left.deadlineTimer)
        cancel(&left.graceTimer)
        cancel(&left.killTimer)
        unwatch(&left)
        removeGroups(id, tries: 0)
        forgetKept(id)
        if announced[id] == nil { changes.tell(id) }
    }

    func unwatch(_ left: inout Living) {
        if let token = left.exitWatch { loop.unwatch(token) }
        left.exitWatch = nil
        if let token = left.reportWatch { loop.unwatch(token) }
        left.reportWatch = nil
        left.report = nil
    }

    // LIMIT: tries to remove a cgroup, each 20 ms after the one before: the kernel lets one go a moment
    // after its last process. What is left after them goes at the next start.
    private static let groupTriesMax = 50

    private func removeGroups(_ id: InstanceID, tries: Int) {
        let workplace = workplace
        Task {
            let gone = await loop.runBlocking { workplace.cgroups.remove(id) }
            if gone || tries >= Self.groupTriesMax { return }
            await loop.sleep(.milliseconds(20))
            // One that was lost is started again, and has them.
            if living[id] != nil { return }
            removeGroups(id, tries: tries + 1)
        }
    }

    // MARK: Durability

    /// Forgets an ended instance, durably.
    func remove(_ id: InstanceID) async throws(Fault) {
        machines[id] = nil
        saves.forget(id)
        save()
        try await untilSaved()
        announced[id] = nil
        changes.tell(id)
    }

    /// Waits until all that was decided so far is on the disk.
    func untilSaved() async throws(Fault) {
        let fault: Fault? = await suspend(
            unless: { saves.isSaved ? .some(nil) : nil }, keep: { savers[saves.wait()] = $0 })
        if let fault { throw fault }
    }

    private func save() {
        if isSaving { return }
        isSaving = true
        Task { await saveAll() }
    }

    private func saveAll() async {
        while let batch = saves.next() {
            let records = batch.put.compactMap { machines[$0]?.record }
            let storage = storage
            var fault: Fault?
            do throws(StorageFailure) {
                try await loop.runBlocking { () throws(StorageFailure) in
                    try storage.apply(put: records, delete: batch.delete)
                }
                for record in records { announce(record) }
            } catch {
                logger.error("records cannot be written", metadata: ["why": "\(error)"])
                fault =
                    error == .full ? Fault(.storageFull, subject: "records") : Fault(.internal)
            }
            let told = saves.stored(isDurable: fault == nil) { machines[$0] != nil }
            for ticket in told { savers.removeValue(forKey: ticket)?.resume(fault) }
            if fault != nil { await loop.sleep(Self.storagePause) }
        }
        isSaving = false
    }

    // LIMIT: pause before a failed write is made again; nothing of it is announced meanwhile.
    private static let storagePause = Duration.milliseconds(500)

    private func announce(_ record: InstanceRecord) {
        if machines[record.id] == nil { return }
        let before = announced[record.id]?.phase
        announced[record.id] = record.state
        changes.tell(record.id)
        // Who follows its output asks what was announced: not before that.
        if record.hasEnded { outputs.wake(record.id) }
        if before != record.state.phase {
            logger.info(
                "instance",
                metadata: [
                    "instance": "\(record.id)", "phase": "\(record.state.phase)",
                    "cause": "\(record.state.ended.cause)",
                    "subject": "\(record.state.ended.subject)",
                ])
        }
    }
}
