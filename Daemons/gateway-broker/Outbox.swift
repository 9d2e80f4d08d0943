/// The steps that were decided and not yet performed, in order; what of them waits for the disk; and
/// what is still owed to it.
///
/// Keeps true: a step's actions come after its writes are durable (unless it says that they may come
/// before) and after those of earlier steps of the same instance. An instance whose step waits for
/// the disk holds up no other.
struct Outbox {
    private var steps: [Step] = []
    private var blocked: [Step] = []
    private var owed: [InstanceID: RegistryWrite] = [:]
    private(set) var enqueued: UInt64 = 0
    private(set) var performed: UInt64 = 0

    var isEmpty: Bool { steps.isEmpty }

    /// Whether the disk refused something that must still get there.
    var needsRetry: Bool { !blocked.isEmpty || !owed.isEmpty }

    /// Writes whose actions were performed, in a fixed order.
    var owedWrites: [RegistryWrite] {
        owed.sorted { $0.key < $1.key }.map(\.value)
    }

    /// - Returns: what `performed` must reach for this step to be done.
    mutating func append(_ step: Step) -> UInt64 {
        if !step.isEmpty {
            steps.append(step)
            enqueued += 1
        }
        return enqueued
    }

    /// All that is to be performed now; they count when `finish` is called.
    mutating func take() -> [Step] {
        defer { steps = [] }
        return steps
    }

    mutating func finish(_ count: Int) {
        performed = min(enqueued, performed + UInt64(count))
    }

    // MARK: The disk refuses

    func isBlocked(_ step: Step) -> Bool {
        blocked.contains { !$0.ids.isDisjoint(with: step.ids) }
    }

    mutating func block(_ step: Step) {
        blocked.append(step)
    }

    mutating func owe(_ step: Step) {
        for write in step.writes { owed[write.id] = write }
    }

    mutating func paid() {
        owed = [:]
    }

    /// Something newer was written.
    mutating func paid(_ step: Step) {
        for write in step.writes { owed[write.id] = nil }
    }

    /// What was blocked is tried again, before anything newer.
    mutating func unblock() {
        enqueued += UInt64(blocked.count)
        steps = blocked + steps
        blocked = []
    }

    /// Takes an instance out that was refused after all.
    mutating func drop(_ id: InstanceID) {
        for index in steps.indices { steps[index].drop(id) }
        for index in blocked.indices { blocked[index].drop(id) }
    }
}
