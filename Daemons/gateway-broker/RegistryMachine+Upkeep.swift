import Interfaces

/// What is tried again, what is compared with the peers, and how an instance is found.
extension RegistryMachine {
    /// Something to do again later. At most one of a kind and an instance.
    package enum Errand: Hashable, Sendable {
        case launch(InstanceID)
        case watch(InstanceID)
        case listen(InstanceID)
        case stop(InstanceID)
        case release(InstanceID)
        case listInstances
        case listHolds
        /// Both, once more: what the process before this one asked may have been done after the
        /// first lists were made.
        case listAgain
        case forgetOld
    }

    struct PendingErrand: Equatable, Sendable {
        /// Monotonic nanoseconds; nil while it is being done.
        var dueAt: UInt64?
        var attempts = 0
    }

    static let firstDelay: UInt64 = 100_000_000
    // LIMIT: 5 s between two attempts: a peer that restarts is there again sooner.
    static let longestDelay: UInt64 = 5_000_000_000
    static let minute: UInt64 = 60_000_000_000
    // LIMIT: 90 s: the longest deadline of a request to a peer, and then some.
    static let lateRequests: UInt64 = 90_000_000_000

    mutating func postpone(_ errand: Errand, _ now: Moment) {
        let attempts = (errands[errand]?.attempts ?? 0) + 1
        let delay = min(Self.longestDelay, Self.firstDelay << UInt64(min(attempts - 1, 10)))
        errands[errand] = PendingErrand(dueAt: now.monotonic + delay, attempts: attempts)
    }

    // LIMIT: 10 attempts, some 30 s, to let a slot be reached for the first time, and to hear what the
    // supervisor has of a start that failed.
    private static let attemptsMax = 10

    func isTriedOut(_ errand: Errand) -> Bool {
        errands[errand]?.attempts ?? 0 >= Self.attemptsMax
    }

    mutating func timePassed(_ now: Moment, _ step: inout Step) {
        let due = errands.filter { ($0.value.dueAt ?? .max) <= now.monotonic }.keys
            .sorted { Self.order($0) < Self.order($1) }
        for errand in due {
            errands[errand]?.dueAt = nil
            switch errand {
            case .launch(let id):
                if let record = records[id] { step.actions.append(.launch(record)) }
            case .watch(let id): step.actions.append(.watch(id))
            case .listen(let id):
                if let record = records[id] { step.actions.append(.listen(id, opening(record))) }
            case .stop(let id):
                awaitingChildren.remove(id)
                step.actions.append(.stop(id, grace: records[id]?.stopGrace ?? 0))
            case .release(let id): step.actions.append(.release(id))
            case .listInstances: step.actions.append(.listInstances)
            case .listHolds: step.actions.append(.listHolds)
            case .listAgain:
                errands[.listAgain] = nil
                step.actions.append(.listInstances)
                step.actions.append(.listHolds)
            case .forgetOld:
                errands[.forgetOld] = PendingErrand(dueAt: now.monotonic + Self.minute)
                forgetOld(now, &step)
            }
        }
    }

    /// A fixed order, so that equal events give equal steps.
    private static func order(_ errand: Errand) -> String {
        switch errand {
        case .listInstances: "0"
        case .listHolds: "1"
        case .forgetOld: "2"
        case .listAgain: "2a"
        case .launch(let id): "3\(id)"
        case .watch(let id): "4\(id)"
        case .stop(let id): "5\(id)"
        case .listen(let id): "6\(id)"
        case .release(let id): "7\(id)"
        }
    }

    /// The supervisor's list against ours. Every start is durable here before the supervisor hears of
    /// it, so that what it runs and we do not know is an orphan. The other way round, an instance that
    /// is missing there, is found by its watch: a list may be older than a start.
    mutating func supervisorListed(_ states: [InstanceState], _ step: inout Step) {
        errands[.listInstances] = nil
        for state in states {
            guard let id = InstanceID(state.instanceIDBytes) else { continue }
            guard let record = records[id] else {
                if state.phase != .ended { step.actions.append(.stop(id, grace: 0)) }
                step.actions.append(.forget(id))
                continue
            }
            if record.stage == .ended, state.phase != .ended {
                step.actions.append(.stop(id, grace: 0))
            }
        }
    }

    /// Holds of instances that ended, or that nobody knows. Holders that are not instance ids are
    /// somebody else's.
    mutating func holdsListed(_ holders: [String], _ step: inout Step) {
        errands[.listHolds] = nil
        for holder in holders {
            guard let id = InstanceID(hexadecimal: holder) else { continue }
            if activities[id] == nil { step.actions.append(.release(id)) }
        }
    }
}
