/// The steps that were decided and not yet performed, in order; what of them waits for the disk; and
/// what is still owed to it. Pure: whoever performs asks `next`, writes, says how that went to
/// `stored`, and does what it gets back.
///
/// Keeps true: a step's actions come after its writes are durable (unless it says that they may come
/// before) and after those of earlier steps of the same instance. An instance whose step waits for
/// the disk holds up no other. A start that cannot be written down is refused.
package struct Outbox: Sendable {
    /// What to do now.
    package enum Work: Sendable, Equatable {
        case perform(Step)
        /// The acceptance of this start was not written down.
        case refuse(InstanceID, StorageFailure)
    }

    private enum Stage: Equatable {
        case idle
        /// All steps at once: a group that came together costs one sync.
        case together
        /// One after the other, since the disk refused them together.
        case singly
        /// The same, with the start that cannot be written down taken out.
        case withoutStart
    }

    private var steps: [Step] = []
    private var blocked: [Step] = []
    private var owed: [InstanceID: RegistryWrite] = [:]
    private var enqueued: UInt64 = 0
    /// Counts steps that were performed, refused or blocked.
    package private(set) var performed: UInt64 = 0
    private var isPaymentDue = false
    private var stage = Stage.idle
    /// The steps that are being stored.
    private var group: [Step] = []
    private var groupCount = 0

    package init() {}

    /// Nothing is to be stored or performed now.
    package var isEmpty: Bool { steps.isEmpty && stage == .idle && !isPaymentDue }

    /// Whether the disk refused something that must still get there.
    package var needsRetry: Bool { !blocked.isEmpty || !owed.isEmpty }

    /// - Returns: what `performed` must reach for this step to be done.
    package mutating func append(_ step: Step) -> UInt64 {
        if !step.isEmpty {
            steps.append(step)
            enqueued += 1
        }
        return enqueued
    }

    // MARK: Storing

    /// What to write next, in one transaction, perhaps nothing; nil when there is nothing to do.
    /// `stored` follows each answer.
    package mutating func next() -> [RegistryWrite]? {
        if stage == .idle {
            guard !isEmpty else { return nil }
            isPaymentDue = false
            group = steps
            groupCount = steps.count
            steps = []
            // What waits for the disk is not overtaken by what came after it.
            stage = blocked.isEmpty ? .together : .singly
        }
        if stage == .together {
            // A write whose actions were performed comes before what was decided after it.
            return owed.sorted { $0.key < $1.key }.map(\.value) + group.flatMap(\.writes)
        }
        while let step = group.first {
            if !isBlocked(step) { return step.writes }
            blocked.append(step)
            group.removeFirst()
        }
        finish()
        return next()
    }

    /// How the last write went.
    package mutating func stored(_ failure: StorageFailure?) -> [Work] {
        switch stage {
        case .idle:
            return []
        case .together:
            guard failure == nil else {
                stage = .singly
                return []
            }
            owed = [:]
            let done = group.map(Work.perform)
            finish()
            return done
        case .singly, .withoutStart:
            return storedSingly(failure)
        }
    }

    private mutating func storedSingly(_ failure: StorageFailure?) -> [Work] {
        guard let step = group.first else { return [] }
        if let failure, let id = step.accepting, stage == .singly {
            // All that concerns it goes; the rest of its step is tried without it.
            drop(id)
            stage = .withoutStart
            return [.refuse(id, failure)]
        }
        stage = .singly
        group.removeFirst()
        if failure == nil {
            for write in step.writes { owed[write.id] = nil }
            return [.perform(step)]
        }
        if step.mayPrecedeWrites {
            for write in step.writes { owed[write.id] = write }
            return [.perform(step)]
        }
        blocked.append(step)
        return []
    }

    private mutating func finish() {
        performed = min(enqueued, performed + UInt64(groupCount))
        group = []
        stage = .idle
    }

    private func isBlocked(_ step: Step) -> Bool {
        blocked.contains { !$0.ids.isDisjoint(with: step.ids) }
    }

    /// Takes an instance out that was refused after all.
    private mutating func drop(_ id: InstanceID) {
        for index in group.indices { group[index].drop(id) }
        for index in steps.indices { steps[index].drop(id) }
        for index in blocked.indices { blocked[index].drop(id) }
    }

    /// What was refused is tried again, before anything newer.
    package mutating func retry() {
        guard needsRetry else { return }
        enqueued += UInt64(blocked.count)
        steps = blocked + steps
        blocked = []
        isPaymentDue = true
    }
}
