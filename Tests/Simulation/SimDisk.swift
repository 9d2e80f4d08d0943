// A store on a disk that is slow, full, or loses what was not synced.

/// What a store refuses a write with.
enum DiskFailure { case full }

/// A table in a write-ahead log, with the promises of SQLite's at `synchronous=FULL`: a transaction
/// that returned is on the disk; one that had not when the process or the machine went down is there
/// wholly or not at all, whatever of its frames reached the disk.
///
/// Frames are written one after the other and synced at the end. A process that dies leaves those it
/// had written; a power loss keeps any subset of those that were not synced. What is read back ends
/// with the last commit before the first frame that is missing.
final class SimTable<Key: Hashable & Comparable, Value> {
    enum Operation {
        case put(Key, Value)
        case delete(Key)
    }

    private struct Frame {
        let operation: Operation
        let isCommit: Bool
    }

    private let world: World
    private let name: String
    /// What is surely on the disk: all that returned.
    private(set) var durable: [Key: Value] = [:]
    /// The frames of the transaction that is being written.
    private var writing: [Frame]?
    private var queue: [() -> Void] = []
    var isFull = false

    init(_ world: World, _ name: String) {
        self.world = world
        self.name = name
    }

    var isIdle: Bool { writing == nil && queue.isEmpty }

    func apply(
        _ operations: [Operation], _ life: Life, _ done: @escaping (DiskFailure?) -> Void
    ) {
        transact(life, { _ in operations }, done)
    }

    /// A transaction whose writes are decided when it has its turn, from what is there then.
    func transact(
        _ life: Life, _ decide: @escaping ([Key: Value]) -> [Operation],
        _ done: @escaping (DiskFailure?) -> Void
    ) {
        let job = { [self] in begin(decide(durable), life, done) }
        if isIdle { job() } else { queue.append(job) }
    }

    private func begin(
        _ operations: [Operation], _ life: Life, _ done: @escaping (DiskFailure?) -> Void
    ) {
        let frames = operations.enumerated().map { place, operation in
            Frame(operation: operation, isCommit: place == operations.count - 1)
        }
        writing = frames
        world.after(frames.isEmpty ? 10_000 : world.diskDelay(), life) { [self] in
            writing = nil
            if isFull, !frames.isEmpty {
                done(.full)
            } else {
                for frame in frames { apply(frame.operation) }
                done(nil)
            }
            if writing == nil, !queue.isEmpty { queue.removeFirst()() }
        }
    }

    /// The process died, or the machine did. Of what was being written some frames are in the log.
    func crash(powerLoss: Bool) {
        queue = []
        guard let frames = writing else { return }
        writing = nil
        let written = world.random.below(frames.count + 1)
        var isOnDisk = frames[..<written].map { _ in true }
        if powerLoss { isOnDisk = isOnDisk.map { _ in world.random.below(2) == 0 } }
        recover(zip(frames, isOnDisk).prefix { $0.1 }.map(\.0), of: frames.count)
    }

    /// What the next process finds: up to the last commit before the first frame that is missing.
    private func recover(_ found: [Frame], of count: Int) {
        world.say { "\(self.name): \(found.count) of \(count) frames are in the log" }
        guard found.last?.isCommit == true else { return }
        for frame in found { apply(frame.operation) }
    }

    private func apply(_ operation: Operation) {
        switch operation {
        case .put(let key, let value): durable[key] = value
        case .delete(let key): durable[key] = nil
        }
    }
}
