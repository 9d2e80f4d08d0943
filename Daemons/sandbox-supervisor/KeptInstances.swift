package import Syscalls

/// Which instances' descriptors the service manager has beyond this process, and what it is to be told
/// next. Pure: whoever tells asks `next`, one batch after the other, and tells all of it.
///
/// Keeps true: never more instances there than `instancesMax`; what it is told of an instance last is
/// what was wanted last; nothing is told twice.
package struct KeptInstances: Sendable {
    package struct Batch: Sendable, Equatable {
        /// Before `keep`: an instance can be in both, when what is there is not all of it.
        package let forget: [InstanceID]
        package let keep: [InstanceID]

        package init(forget: [InstanceID], keep: [InstanceID]) {
            self.forget = forget
            self.keep = keep
        }
    }

    package let instancesMax: Int
    private var there: Set<InstanceID> = []
    private var wanted: Set<InstanceID> = []
    /// There, and not as it should be.
    private var partial: Set<InstanceID> = []
    private var changed: Set<InstanceID> = []

    package init(instancesMax: Int) {
        self.instancesMax = instancesMax
    }

    /// What was there at the start.
    package mutating func found(_ whole: Set<InstanceID>, partial: Set<InstanceID>) {
        there = whole
        wanted = whole
        self.partial = partial
    }

    package mutating func keep(_ id: InstanceID) {
        guard wanted.contains(id) || wanted.count < instancesMax else { return }
        wanted.insert(id)
        changed.insert(id)
    }

    package mutating func forget(_ id: InstanceID) {
        wanted.remove(id)
        changed.insert(id)
    }

    /// What to tell now; nil when all is told.
    package mutating func next() -> Batch? {
        let forget = partial.union(changed.filter { there.contains($0) && !wanted.contains($0) })
        let keep = changed.filter { wanted.contains($0) && !there.contains($0) }
        there.subtract(forget)
        there.formUnion(keep)
        partial = []
        changed = []
        if forget.isEmpty && keep.isEmpty { return nil }
        return Batch(forget: forget.sorted(), keep: keep.sorted())
    }
}

/// What came back of one instance.
package struct KeptInstance: Sendable {
    /// Of its witness.
    package var pidfd: SharedDescriptor?
    /// The witness, by the pidfd; nil when it is gone.
    package var pid: Int32?
    package var network: SharedDescriptor?

    package init() {}

    package var isWhole: Bool { pidfd != nil && network != nil }

    /// By the names they were kept under. Reads `/proc` for each: blocks only on memory.
    package static func sort(
        _ stored: [(name: String, SharedDescriptor)]
    ) -> [InstanceID: KeptInstance] {
        var all: [InstanceID: KeptInstance] = [:]
        for (name, descriptor) in stored {
            guard let id = InstanceID(name: name) else { continue }
            switch Pidfd.subject(of: descriptor.descriptor) {
            case .process(let pid):
                all[id, default: KeptInstance()].pidfd = descriptor
                all[id]?.pid = pid
            case .ended:
                all[id, default: KeptInstance()].pidfd = descriptor
            case .other:
                all[id, default: KeptInstance()].network = descriptor
            }
        }
        return all
    }
}
