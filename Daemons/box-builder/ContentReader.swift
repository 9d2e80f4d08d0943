import Interfaces
import ServiceModel
import Synchronization
import Syscalls

/// The contents of a tree, one behind the other in the order of the tree, read on a thread of its own
/// while what came before is hashed: opening a small file takes longer than hashing what is in it.
///
/// Keeps true: the bytes given for a content are all of it and nothing else, or `give` throws; memory
/// is that of a few runs, whatever the tree; after `end` nothing is read any more. Used by one thread.
final class ContentReader: Sendable {
    // LIMIT: bytes of a run, and runs that are filled or waited for: enough that the thread that
    // hashes seldom waits, at a thirtieth of the memory an import may use.
    private static let runBytes = 524_288
    private static let runsMax = 4

    /// Bytes of contents, some of them whole.
    private struct Run: Sendable {
        var bytes: [UInt8]
        var count = 0
    }

    private struct State {
        var thread: Thread?
        var filled: [Run] = []
        var spare: [[UInt8]] = []
        var failure: Fault?
        var isOver = false
    }

    private let store: ObjectStore
    private let state = Mutex(State())
    private let ready = Semaphore()
    private let room = Semaphore(UInt32(runsMax))

    /// What `give` is at.
    private struct Position: Sendable {
        var run = Run(bytes: [])
        var taken = 0
    }
    private let position = Mutex(Position())

    init(_ tree: FileTree, in store: ObjectStore) throws(Fault) {
        self.store = store
        do throws(Errno) {
            let thread = try Thread(name: "objects") { self.read(tree) }
            state.withLock { $0.thread = thread }
        } catch {
            throw StoreFault.storing(error, "objects")
        }
    }

    // MARK: The thread that hashes

    /// Gives the bytes of the next content that is not empty.
    func give(_ bytes: UInt64, _ take: (RawSpan) throws(Fault) -> Void) throws(Fault) {
        try position.withLock { position throws(Fault) in
            var left = bytes
            while left > 0 {
                if position.taken == position.run.count { try next(&position) }
                let count = Int(min(left, UInt64(position.run.count - position.taken)))
                let range = position.taken..<(position.taken + count)
                // SAFETY: bytes have no padding.
                try unsafe take(position.run.bytes.span.extracting(range).bytes)
                position.taken += count
                left -= UInt64(count)
            }
        }
    }

    private func next(_ position: inout Position) throws(Fault) {
        if !position.run.bytes.isEmpty {
            let spare = position.run.bytes
            position.run = Run(bytes: [])
            state.withLock { $0.spare.append(spare) }
            room.signal()
        }
        ready.wait()
        let (run, failure) = state.withLock { state -> (Run?, Fault?) in
            (state.filled.isEmpty ? nil : state.filled.removeFirst(), state.failure)
        }
        guard let run else { throw failure ?? Fault(.internal, subject: "objects") }
        position = Position(run: run)
    }

    /// Nothing more is read. Again and again is allowed.
    func end() {
        let thread = state.withLock { state -> Thread? in
            state.isOver = true
            return state.thread.take()
        }
        room.signal()
        thread?.join()
    }

    // MARK: The thread that reads

    private func read(_ tree: FileTree) {
        do throws(Fault) {
            var run = try emptyRun()
            try tree.forEachFile { digest, bytes throws(Fault) in
                if bytes > 0 { try read(digest, bytes, into: &run) }
            }
            handOver(run)
        } catch {
            state.withLock { $0.failure = error }
        }
        // For who asks for more than there is.
        ready.signal()
    }

    private func read(
        _ digest: ContentDigest, _ bytes: UInt64, into run: inout Run
    ) throws(Fault) {
        let file: Descriptor
        do throws(Errno) {
            file = try store.openObject(digest)
        } catch {
            throw error == .noEntry
                ? Fault(.corrupt, subject: digest.hex) : StoreFault.storing(error, digest.hex)
        }
        var left = bytes
        while left > 0 {
            if run.count == run.bytes.count {
                handOver(run)
                run = try emptyRun()
            }
            // A byte more than there must be: a file that is too long is another content.
            let most = Int(min(UInt64(run.bytes.count - run.count), left + 1))
            let count: Int
            do throws(Errno) {
                count = try File.read(
                    file, into: &run.bytes, places: run.count..<(run.count + most))
            } catch {
                throw StoreFault.storing(error, digest.hex)
            }
            guard count > 0, UInt64(count) <= left else {
                throw Fault(.corrupt, subject: digest.hex)
            }
            run.count += count
            left -= UInt64(count)
        }
    }

    private func handOver(_ run: Run) {
        state.withLock { $0.filled.append(run) }
        ready.signal()
    }

    /// Waits until there may be one more.
    private func emptyRun() throws(Fault) -> Run {
        room.wait()
        let (spare, isOver) = state.withLock { ($0.spare.popLast(), $0.isOver) }
        guard !isOver else { throw .cancelled }
        return Run(bytes: spare ?? [UInt8](repeating: 0, count: Self.runBytes))
    }
}
