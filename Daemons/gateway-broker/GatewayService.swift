package import Channel
package import Interfaces
package import Logging
import Syscalls

/// Performs what the registry decides, and answers who asks. Everything outsiders are told comes
/// from `sightings`, which only ever has what is durable.
package actor GatewayService {
    nonisolated let loop: EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        // SAFETY: the loop outlives every actor on it: it is the process.
        unsafe loop.asUnownedSerialExecutor()
    }

    let limits: GatewayLimits
    let tokens: TokenBook
    let boxes: BoxBuilderClient
    let sandbox: SandboxSupervisorClient
    // LIMIT: 16 connections for what the gateway itself follows, which is 1,600 instances watched
    // and stopped at once; 4 for callers who read output.
    let lanes: SupervisorLanes
    let readers: SupervisorLanes
    let logger: Logger
    let storage: any RegistryStorage & GrantStorage & NetworkStorage
    var grants = GrantBook()
    var networks: NetworkBook
    /// Over, and still written down.
    var networksLeft: Set<InstanceID> = []
    var ways = NetworkWays()
    var door: HTTPDoor?
    var doorsOnTheirWay: Set<InstanceID> = []
    var changes = ChangeKeys()
    var uploads: UploadBook
    private let relayLimits: RelayLimits
    private let policy: PublishPolicy
    var countAlarm: TimerToken?

    var machine: RegistryMachine
    private(set) var sightings: [InstanceID: Sighting] = [:]
    private var watchers: [InstanceID: [Watcher]] = [:]
    private var outbox = Outbox()
    private var refusals: [InstanceID: Fault] = [:]
    private var settlers: [(target: UInt64, waiter: Suspended<Void>)] = []
    private var wakeUp: Suspended<Void>?
    private var errands: [Errand] = []
    private var alarm: TimerToken?
    private var storageAlarm: TimerToken?
    private var isStopping = false
    lazy var relay = Relay(loop: loop, limits: relayLimits, policy: policy) {
        [weak self] id, transport, count in
        self?.assumeIsolated { $0.begin(.openSockets(id, transport, count)) }
    }

    /// Work with a peer, one task each. Their number is bounded by that of instances and of kinds.
    enum Errand: Sendable {
        case peer(RegistryAction)
        case openSockets(InstanceID, Transport, Int)
        case openWays(InstanceID)
        case openDoor(InstanceID)
        case lookAgain
        case enter(InstanceID, [RelayedSlot], [FamilyEntrance])
    }

    package struct Peers: Sendable {
        package var boxes: BoxBuilderClient
        package var sandbox: SandboxSupervisorClient
        /// Makes another connection to the supervisor, for more watches than one can carry.
        package var moreSandbox: @Sendable () -> SandboxSupervisorClient

        package init(
            boxes: BoxBuilderClient, sandbox: SandboxSupervisorClient,
            moreSandbox: @escaping @Sendable () -> SandboxSupervisorClient
        ) {
            self.boxes = boxes
            self.sandbox = sandbox
            self.moreSandbox = moreSandbox
        }
    }

    package init(
        loop: EventLoop, limits: GatewayLimits, relayLimits: RelayLimits,
        policy: PublishPolicy = PublishPolicy(), networks: NetworkPolicy = NetworkPolicy(),
        tokens: TokenBook, peers: Peers,
        storage: any RegistryStorage & GrantStorage & NetworkStorage, logger: Logger
    ) {
        self.loop = loop
        self.limits = limits
        uploads = UploadBook(limits: limits)
        self.relayLimits = relayLimits
        self.policy = policy
        self.networks = NetworkBook(policy: networks)
        self.tokens = tokens
        self.storage = storage
        self.logger = logger
        boxes = peers.boxes
        sandbox = peers.sandbox
        lanes = SupervisorLanes(max: 16, peers.moreSandbox)
        readers = SupervisorLanes(max: 4, peers.moreSandbox)
        machine = RegistryMachine(limits: limits) { tokens.digest(of: $0) }
    }

    nonisolated var moment: Moment {
        Moment(
            monotonic: Clock.monotonicNanoseconds(),
            wallMilliseconds: Clock.realtimeNanoseconds() / 1_000_000)
    }

    // MARK: Life

    /// Takes up what was stored. To be called before requests are taken.
    package func restore() throws(StorageFailure) {
        grants = GrantBook(try storage.loadGrants())
        _ = submit(machine.restore(try storage.load(), now: moment))
        try restoreNetworks()
    }

    /// Performs until `stop`, or until the task is cancelled.
    package func serve() async {
        await withDiscardingTaskGroup { group in
            while !isStopping {
                await performSteps()
                while !errands.isEmpty {
                    let errand = errands.removeFirst()
                    group.addTask { await self.run(errand) }
                }
                await suspend(
                    unless: { !outbox.isEmpty || !errands.isEmpty || isStopping },
                    keep: { wakeUp = $0 })
            }
            await performSteps()
            group.cancelAll()
        }
    }

    /// Lets callers go and closes the doors. Instances go on.
    package func stop() {
        count()
        isStopping = true
        for list in watchers.values {
            for watcher in list { watcher.end(GatewayFault.stopping()) }
        }
        relay.closeAll()
        wake()
    }

    private func wake() {
        wakeUp?.resume()
        wakeUp = nil
    }

    func begin(_ errand: Errand) {
        errands.append(errand)
        wake()
    }

    // MARK: Steps

    /// What happened goes to the machine, and what it decides is queued.
    func tell(_ event: RegistryEvent) {
        // What ends because this process does is no event: the next one asks again.
        guard !isStopping else { return }
        if let id = event.endsRelay, let counts = relay.close(id) {
            _ = submit(machine.handle(.lastCounted(id, counts), now: moment))
        }
        _ = submit(machine.handle(event, now: moment))
        if case .observed(let id, let state) = event {
            openDoor(id, state.phase)
            reachOut(id, state.phase)
        }
    }

    /// - Returns: what to `settle` on.
    func submit(_ step: Step) -> UInt64 {
        let target = outbox.append(step)
        if !step.isEmpty { wake() }
        setAlarm()
        return target
    }

    /// Waits until a step is durable and performed.
    func settle(_ target: UInt64) async {
        await suspend(
            unless: { outbox.performed >= target || isStopping },
            keep: { settlers.append((target, $0)) })
    }

    private func setAlarm() {
        if let alarm { loop.cancel(alarm) }
        alarm = machine.nextDue.map { due in
            loop.schedule(at: Instant(nanoseconds: due)) { [weak self] in
                self?.assumeIsolated { $0.tell(.timePassed) }
            }
        }
    }

    private func performSteps() async {
        while let writes = outbox.next() {
            let failure = await store(writes)
            if let failure { logger.error("the registry cannot be written: \(failure)") }
            for work in outbox.stored(failure) {
                switch work {
                case .perform(let step): perform(step)
                case .refuse(let id, let failure): refuse(id, failure)
                }
            }
            resumeSettled()
        }
        resumeSettled()
        if outbox.needsRetry { retryStorage() }
    }

    private func resumeSettled() {
        let performed = outbox.performed
        settlers.removeAll { settler in
            guard settler.target <= performed || isStopping else { return false }
            settler.waiter.resume()
            return true
        }
    }

    /// One transaction; a group of steps that came together costs one sync.
    private func store(_ writes: [RegistryWrite]) async -> StorageFailure? {
        guard !writes.isEmpty else { return nil }
        let storage = storage
        do throws(StorageFailure) {
            try await loop.runBlocking { () throws(StorageFailure) in try storage.apply(writes) }
            return nil
        } catch {
            return error
        }
    }

    private func retryStorage() {
        guard storageAlarm == nil else { return }
        storageAlarm = loop.schedule(after: .seconds(1)) { [weak self] in
            self?.assumeIsolated { $0.storageIsDue() }
        }
    }

    private func storageIsDue() {
        storageAlarm = nil
        guard outbox.needsRetry else { return }
        outbox.retry()
        wake()
    }

    private func refuse(_ id: InstanceID, _ failure: StorageFailure) {
        refusals[id] =
            failure == .full ? GatewayFault.storageFull() : GatewayFault.internalError("registry")
        tell(.notStored(id))
    }

    /// Why a start that was accepted by the machine was refused after all; told once.
    func takeRefusal(_ id: InstanceID) -> Fault? {
        refusals.removeValue(forKey: id)
    }

    private func perform(_ step: Step) {
        for action in step.actions {
            switch action {
            case .announce(let id, let view, let outcome):
                let sighting = Sighting(view: view, outcome: outcome)
                sightings[id] = sighting
                for watcher in watchers[id] ?? [] { watcher.tell(sighting) }
            case .retract(let id):
                sightings[id] = nil
                let gone = GatewayFault.noInstance(id.description)
                for watcher in watchers[id] ?? [] { watcher.end(gone) }
            case .listen(let id, let opening): listen(id, opening)
            case .close(let id):
                relay.close(id)
                door?.close(.inside(id))
                leaveNetworks(id)
            case .launch, .watch, .stop, .forget, .release, .listInstances, .listHolds:
                begin(.peer(action))
            }
        }
    }

    private func listen(_ id: InstanceID, _ opening: Opening) {
        do throws(Errno) {
            let slots = try relay.open(
                id, slots: opening.slots, isChild: opening.isChild, counts: opening.counts)
            countLater()
            if slots.isEmpty || opening.entrances.isEmpty {
                tell(.listening(id, slots))
            } else {
                begin(.enter(id, slots, opening.entrances))
            }
        } catch {
            logger.warning("cannot listen for \(id): \(error)")
            tell(.listenFailed(id, GatewayFault.internalError("listen: \(error.name)")))
        }
    }

    // MARK: Watchers

    func addWatcher(_ id: InstanceID) throws(Fault) -> Watcher {
        guard watchers[id, default: []].count < limits.watchers else {
            throw GatewayFault.limitReached("watchers", limits.watchers)
        }
        let watcher = Watcher(unseenMax: limits.unseenChanges)
        watchers[id, default: []].append(watcher)
        return watcher
    }

    func removeWatcher(_ id: InstanceID, _ watcher: Watcher) {
        watchers[id]?.removeAll { $0 === watcher }
        if watchers[id]?.isEmpty == true { watchers[id] = nil }
    }

    // MARK: Sockets for the relay

    func openSockets(_ id: InstanceID, _ transport: Transport, _ count: Int) async {
        var request = OpenSocketsRequest()
        request.instanceIDBytes = id.bytes
        request.transport = transport
        request.count = UInt32(count)
        do throws(Fault) {
            let (_, sockets) = try await sandbox.openSockets(request, deadline: .seconds(5))
            relay.supply(id, transport, sockets)
        } catch {
            logger.debug("no sockets inside \(id): \(error)")
            relay.supplyFailed(id, transport)
        }
    }

    /// Figures for the status.
    package var facts: [String: String] {
        [
            "connections-relayed": String(relay.connections),
            "instances": String(machine.activities.count),
            "instances-ended": String(machine.endedInOrder.count),
        ]
    }
}
