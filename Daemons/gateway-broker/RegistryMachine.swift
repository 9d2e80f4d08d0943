package import Interfaces

/// Decides about instances: which start is whose, what to ask of which peer next, what is written
/// down before whom is told what, and what is tried again. Pure: events go in with the time, a
/// `Step` comes out; whoever performs it first makes its writes durable, then performs its actions,
/// one step after the other.
///
/// It keeps true: one live instance per key and per name; nobody hears of a start, a readiness or
/// an end that is not durable; what ended holds no box, no port and no place at the supervisor.
package struct RegistryMachine: Sendable {
    package let limits: GatewayLimits
    private let tokenDigest: @Sendable (InstanceID) -> TokenDigest

    package internal(set) var records: [InstanceID: InstanceRecord] = [:]
    package internal(set) var activities: [InstanceID: Activity] = [:]
    var keys: [OwnedKey: InstanceID] = [:]
    /// Of live instances only: a name is free again when its instance ended.
    var names: [String: InstanceID] = [:]
    var tokens: [TokenDigest: InstanceID] = [:]
    /// Accepted, waiting for their turn, oldest first.
    var waiting: [InstanceID] = []
    var endedInOrder: [InstanceID] = []
    var errands: [Errand: PendingErrand] = [:]
    // LIMIT: a start that is lost with the supervisor is made again three times.
    static let lossesMax = 3
    /// How often a start that is on its way was lost.
    var losses: [InstanceID: Int] = [:]
    /// Starts that failed, and why: told when the supervisor has nothing of them any more.
    var failures: [InstanceID: Fault] = [:]
    /// Ended, and nobody was told yet: their boxes are being let go.
    var unannounced: Set<InstanceID> = []
    /// Ended, and the box is not let go of yet.
    var holding: Set<InstanceID> = []
    /// Those that are live, or whose end nobody was told, by their parent.
    var children: [InstanceID: Set<InstanceID>] = [:]
    /// The highest number any child of an instance had.
    var lastNumbers: [InstanceID: UInt16] = [:]
    /// Bounds that were asked for, until the supervisor has answered.
    var changing: [InstanceID: Limits] = [:]
    /// Those that are to end when their children have.
    var awaitingChildren: Set<InstanceID> = []

    package init(
        limits: GatewayLimits, tokenDigest: @escaping @Sendable (InstanceID) -> TokenDigest
    ) {
        self.limits = limits
        self.tokenDigest = tokenDigest
    }

    /// What is going on with a live instance; found again after a restart, never stored.
    package enum Activity: Sendable, Equatable {
        /// For its turn. Only what is new is known to nobody else: after a restart, the peers may have
        /// it already.
        case waiting(isNew: Bool)
        case launching(giveUpAt: UInt64)
        /// The supervisor has it; its states are followed.
        case following
        /// It is ready; its listeners are being opened.
        case opening
        case serving
    }

    struct OwnedKey: Hashable {
        let owner: UInt32
        let key: [UInt8]
    }

    // MARK: Events

    package mutating func handle(_ event: RegistryEvent, now: Moment) -> Step {
        var step = Step()
        switch event {
        case .notStored(let id):
            remove(id, &step)
        case .launched(let id, let launch):
            launched(id, launch, now, &step)
        case .launchFailed(let id, let fault):
            launchFailed(id, fault, now, &step)
        case .observed(let id, let state):
            observed(id, state, now, &step)
        case .watchLost(let id, let fault):
            watchLost(id, fault, now, &step)
        case .listening(let id, let slots):
            listening(id, slots, now, &step)
        case .listenFailed(let id, let fault):
            listenFailed(id, fault, now, &step)
        case .stopAsked(let id, let grace):
            stopAsked(id, grace: grace, now, &step)
        case .stopFailed(let id, let fault):
            stopFailed(id, fault, now, &step)
        case .forgetFailed:
            // The next listing finds it again, as it finds what nobody knows.
            postpone(.listInstances, now)
        case .released(let id):
            errands[.release(id)] = nil
            holding.remove(id)
            announceEnd(id, &step)
        case .releaseFailed(let id):
            postpone(.release(id), now)
            holding.remove(id)
            announceEnd(id, &step)
        case .supervisorListed(let states):
            supervisorListed(states, &step)
        case .holdsListed(let holders):
            holdsListed(holders, &step)
        case .listingFailed(let listing):
            postpone(listing == .instances ? .listInstances : .listHolds, now)
        case .shifted(let id, let holder):
            shifted(id, inside: holder, &step)
        case .counted(let counts):
            for (id, counts) in counts.sorted(by: { $0.key < $1.key }) {
                counted(id, counts, &step)
            }
        case .lastCounted(let id, let counts):
            records[id]?.counts = counts
        case .bounded(let id, let limits):
            changing[id] = nil
            setGranted(id, limits, &step)
        case .timePassed:
            timePassed(now, &step)
        }
        return step
    }

    /// When `timePassed` is due next, in monotonic nanoseconds.
    package var nextDue: UInt64? {
        // Ended instances age by the day; once a minute is often enough to look.
        errands.values.lazy.compactMap(\.dueAt).min()
    }

    // MARK: Starting

    /// Accepts a start, or finds the one its key stands for. Refusals leave no trace.
    package mutating func start(
        _ order: StartOrder, isMaintainer: Bool, now: Moment
    ) throws(Fault) -> (id: InstanceID, step: Step) {
        if let known = keys[OwnedKey(owner: order.owner, key: order.key)] {
            guard records[known]?.content == order.content else { throw GatewayFault.keyReused() }
            return (known, Step())
        }
        guard activities.count < limits.instances else {
            throw GatewayFault.limitReached("instances", limits.instances)
        }
        if !isMaintainer {
            let own = activities.keys.count { records[$0]?.owner == order.owner }
            guard own < limits.instancesPerUser else {
                throw GatewayFault.limitReached("instances-per-user", limits.instancesPerUser)
            }
        }
        let number = try order.parent.map { id throws(Fault) in try numberForChild(of: id) } ?? 0
        let name = order.name.isEmpty ? madeName(order) : order.name
        guard names[name] == nil else { throw GatewayFault.nameTaken(name) }
        var record = InstanceRecord(order: order, name: name, acceptedAt: now.wallMilliseconds)
        record.number = number
        index(record)
        activities[order.id] = .waiting(isNew: true)
        waiting.append(order.id)
        var step = Step()
        step.accepting = order.id
        step.writes.append(.put(record))
        announce(record, nil, &step)
        admitWaiting(now, &step)
        return (order.id, step)
    }

    /// A readable name for an instance that was given none: what it is of, and six digits of its id.
    private func madeName(_ order: StartOrder) -> String {
        let allowed = order.reference.utf8.filter(NameRule.allows).prefix(48)
        var stem = String(decoding: allowed, as: UTF8.self)
        if stem.isEmpty { stem = "service" }
        if Hexadecimal.isText(stem) { stem = String(stem.prefix(8)) }
        let short = "\(stem)-\(order.id.description.prefix(6))"
        return names[short] == nil ? short : "\(stem.prefix(24))-\(order.id)"
    }

    /// Gives the next waiting starts their turn.
    mutating func admitWaiting(_ now: Moment, _ step: inout Step) {
        var onTheirWay = activities.values.count {
            if case .launching = $0 { true } else { false }
        }
        while onTheirWay < limits.startsInProgress, !waiting.isEmpty {
            let id = waiting.removeFirst()
            guard let record = records[id] else { continue }
            onTheirWay += 1
            activities[id] = launching(record, now)
            step.actions.append(.launch(record))
        }
    }

    func launching(_ record: InstanceRecord, _ now: Moment) -> Activity {
        let patience = max(UInt64(record.readyDeadline), limits.peerPatienceSeconds * 1_000)
        return .launching(giveUpAt: now.monotonic + patience * 1_000_000)
    }

    // MARK: Storage

    /// Takes up what was durable when the last process ended.
    package mutating func restore(_ stored: [InstanceRecord], now: Moment) -> Step {
        var step = Step()
        for record in stored.sorted(by: { ($0.acceptedAt, $0.id) < ($1.acceptedAt, $1.id) }) {
            index(record)
            switch record.stage {
            case .accepted:
                activities[record.id] = .waiting(isNew: false)
                waiting.append(record.id)
                announce(record, outcome(of: record), &step)
            case .ready:
                activities[record.id] = .serving
                step.actions.append(.watch(record.id))
                announce(record, outcome(of: record), &step)
            case .ended:
                endedInOrder.append(record.id)
            }
        }
        endedInOrder.sort {
            (records[$0]?.endedAt ?? 0, $0) < (records[$1]?.endedAt ?? 0, $1)
        }
        // Not before all are known: what follows depends on who else is there.
        restoreFamilies(now, &step)
        errands[.forgetOld] = PendingErrand(dueAt: now.monotonic)
        step.actions.append(.listInstances)
        step.actions.append(.listHolds)
        errands[.listAgain] = PendingErrand(dueAt: now.monotonic + Self.lateRequests)
        admitWaiting(now, &step)
        return step
    }

    func outcome(of record: InstanceRecord) -> Outcome? {
        switch record.stage {
        case .accepted: nil
        case .ready: .started
        case .ended: record.fault.map { .failed($0) } ?? .ended
        }
    }

    private mutating func index(_ record: InstanceRecord) {
        records[record.id] = record
        keys[OwnedKey(owner: record.owner, key: record.key)] = record.id
        tokens[tokenDigest(record.id)] = record.id
        if let parent = record.parent {
            lastNumbers[parent] = max(lastNumbers[parent, default: 0], record.number)
        }
        guard record.stage != .ended else { return }
        names[record.name] = record.id
        if let parent = record.parent { children[parent, default: []].insert(record.id) }
    }

    /// Takes every trace of an instance out of memory and tells those who wait.
    mutating func remove(_ id: InstanceID, _ step: inout Step) {
        guard let record = records.removeValue(forKey: id) else { return }
        activities[id] = nil
        keys[OwnedKey(owner: record.owner, key: record.key)] = nil
        tokens[tokenDigest(id)] = nil
        if names[record.name] == id { names[record.name] = nil }
        waiting.removeAll { $0 == id }
        unannounced.remove(id)
        holding.remove(id)
        leaveFamily(record)
        losses[id] = nil
        lastNumbers[id] = nil
        changing[id] = nil
        awaitingChildren.remove(id)
        failures[id] = nil
        for errand in [Errand.launch(id), .watch(id), .listen(id), .stop(id), .release(id)] {
            errands[errand] = nil
        }
        step.actions.append(.retract(id))
        // Its end was never told, and perhaps somebody's waits for it.
        if let parent = record.parent {
            childIsOver(parent, &step)
            announceEnd(parent, &step)
        }
    }

    func announce(_ record: InstanceRecord, _ outcome: Outcome?, _ step: inout Step) {
        step.actions.append(.announce(record.id, record.view, outcome))
    }
}
