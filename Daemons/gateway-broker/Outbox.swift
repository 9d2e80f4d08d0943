/// The steps that were decided and not yet performed, in order, and how far that is.
///
/// Keeps true: a step's actions come after its writes are durable, and after all of the step before.
struct Outbox {
    private var steps: [Step] = []
    private(set) var enqueued: UInt64 = 0
    private(set) var performed: UInt64 = 0

    var isEmpty: Bool { steps.isEmpty }

    /// - Returns: what `performed` must reach for this step to be done.
    mutating func append(_ step: Step) -> UInt64 {
        if !step.isEmpty {
            steps.append(step)
            enqueued += 1
        }
        return enqueued
    }

    /// All that waits; they count as performed when `finish` is called.
    mutating func take() -> [Step] {
        defer { steps = [] }
        return steps
    }

    mutating func finish(_ count: Int) {
        performed += UInt64(count)
    }

    /// Takes an instance out that was refused after all.
    mutating func drop(_ id: InstanceID) {
        for index in steps.indices { steps[index].drop(id) }
    }
}
