import Synchronization
import Syscalls

/// Brings what an import wrote to the disk while it goes on, on a thread of its own, so that little is
/// left to wait for at its end.
///
/// Keeps true: after `finish` all that was written before it is on the disk, and no failure of an
/// earlier flush is lost: the kernel tells each only once.
final class StoreFlush: Sendable {
    // LIMIT: bytes that are written before a flush is asked for; small imports need no thread.
    private static let stepBytes = 32 << 20

    // LIMIT: less than this is flushed at the end, in no time that anybody notices.
    private static let bytesMin = 1 << 20

    private struct State {
        var thread: Thread?
        /// Bytes that are in the page cache only, as far as is known.
        var unflushed = 0
        var isOver = false
        var failure: Errno?
    }

    /// An open file of its own: the kernel tells a failure once for each.
    private let folder: SharedDescriptor
    private let wanted = Semaphore()
    private let state = Mutex(State())

    init(_ store: ObjectStore) {
        // Where no descriptor is left the store's own serves as well, but for its errors.
        do throws(Errno) {
            folder = SharedDescriptor(try store.openObjects())
        } catch {
            folder = store.objects
        }
    }

    /// More was written, into the page cache. Never waits. Any thread may.
    func wrote(_ bytes: Int) {
        state.withLock { $0.unflushed += bytes }
        begin(past: Self.stepBytes)
    }

    /// What was written so far is brought to the disk from now on, where it is worth a thread.
    func begin() {
        begin(past: Self.bytesMin)
    }

    private func begin(past bytes: Int) {
        let isWanted = state.withLock { state in
            guard !state.isOver, state.unflushed >= bytes else { return false }
            state.unflushed = 0
            // Without a thread all is flushed at the end.
            if state.thread == nil { state.thread = try? Thread(name: "flush") { self.run() } }
            return true
        }
        if isWanted { wanted.signal() }
    }

    private func run() {
        while true {
            wanted.wait()
            if state.withLock({ $0.isOver }) { return }
            do throws(Errno) {
                try File.syncFileSystem(folder.descriptor)
            } catch {
                state.withLock { $0.failure = $0.failure ?? error }
            }
        }
    }

    /// No more is written: waits for the thread, and flushes the rest.
    func finish() throws(Errno) {
        let failure = end()
        if let failure { throw failure }
        try File.syncFileSystem(folder.descriptor)
    }

    /// Ends without a promise. Again and again is allowed.
    @discardableResult
    func end() -> Errno? {
        let thread = state.withLock { state -> Thread? in
            state.isOver = true
            return state.thread.take()
        }
        wanted.signal()
        thread?.join()
        return state.withLock { $0.failure }
    }
}
