import ServiceModel
import Synchronization
import Syscalls

/// Small contents on their way into the store, on a thread of its own: making a file takes longer than
/// hashing what is in it, and the next one is read meanwhile.
///
/// Keeps true: what was put is in the store after `drain`, or `drain` throws; after `end` nothing more
/// comes there. Used by one thread.
final class ContentQueue: Sendable {
    // LIMIT: contents that wait, each up to a quarter of a MiB: enough that neither side often waits
    // for the other, at an eighth of the memory an import may use.
    private static let waitingMax = 32

    private enum Job: Sendable {
        case content(ContentDigest, [UInt8])
        case signal(Semaphore)
    }

    private struct State {
        var thread: Thread?
        var made: Set<ContentDigest> = []
        var failure: Errno?
        var isOver = false
    }

    private let store: ObjectStore
    private let jobs = WorkQueue<Job>(limit: waitingMax + 2)
    private let room = Semaphore(UInt32(waitingMax))
    private let state = Mutex(State())

    init(_ store: ObjectStore) {
        self.store = store
    }

    /// Contents that were not there before.
    var made: Set<ContentDigest> { state.withLock { $0.made } }

    /// Takes a content; waits where too many wait.
    ///
    /// - Throws: what an earlier one failed with.
    func put(_ digest: ContentDigest, _ bytes: [UInt8]) throws(Errno) {
        let (failure, hasThread) = state.withLock { ($0.failure, $0.thread != nil) }
        if let failure { throw failure }
        if !hasThread {
            let thread = try Thread(name: "contents") { self.run() }
            state.withLock { $0.thread = thread }
        }
        room.wait()
        _ = jobs.push(.content(digest, bytes))
    }

    /// Waits until all that was put is in the store.
    func drain() throws(Errno) {
        if state.withLock({ $0.thread != nil }) {
            let done = Semaphore()
            if jobs.push(.signal(done)) { done.wait() }
        }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    /// What waits is dropped. Again and again is allowed.
    func end() {
        let thread = state.withLock { state -> Thread? in
            state.isOver = true
            return state.thread.take()
        }
        jobs.close()
        thread?.join()
    }

    private func run() {
        while let job = jobs.pop() {
            switch job {
            case .signal(let done): done.signal()
            case .content(let digest, let bytes):
                room.signal()
                guard state.withLock({ !$0.isOver && $0.failure == nil }) else { continue }
                do throws(Errno) {
                    let isNew = try store.keep(bytes, as: digest)
                    if isNew { state.withLock { _ = $0.made.insert(digest) } }
                } catch {
                    state.withLock { $0.failure = error }
                }
            }
        }
    }
}
