import ServiceModel
import Synchronization
import Syscalls

/// Contents on their way into the store, on a thread of its own: making a file takes longer than
/// hashing what is in it, and the next one is read meanwhile.
///
/// Keeps true: what was put is in the store after `drain`, or `drain` throws; after `end` nothing more
/// comes there. Put by one thread. What waits is bounded by the slabs it is in.
final class ContentQueue: Sendable {
    private enum Job: Sendable {
        /// A whole content.
        case content(ContentDigest, Piece)
        /// More of a content that is larger than a slab, or its begin.
        case more(Piece)
        /// It is complete.
        case end(ContentDigest)
        /// It will not be completed.
        case drop
        case signal(Semaphore)
    }

    private struct State {
        var thread: Thread?
        var made: Set<ContentDigest> = []
        var failure: Errno?
        var isOver = false
    }

    private let store: ObjectStore
    private let flush: StoreFlush
    private let jobs = WorkQueue<Job>(limit: .max)
    private let state = Mutex(State())

    init(_ store: ObjectStore, _ flush: StoreFlush) {
        self.store = store
        self.flush = flush
    }

    /// Contents that were not there before.
    var made: Set<ContentDigest> { state.withLock { $0.made } }

    /// Whether there is one.
    var hasMade: Bool { state.withLock { !$0.made.isEmpty } }

    /// Takes a content.
    ///
    /// - Throws: what an earlier one failed with.
    func put(_ digest: ContentDigest, _ piece: Piece) throws(Errno) {
        try push(.content(digest, piece))
    }

    /// Takes more of a content that is larger than a slab: whole slabs, but for the last.
    func put(_ piece: Piece) throws(Errno) {
        try push(.more(piece))
    }

    func endContent(_ digest: ContentDigest) throws(Errno) {
        try push(.end(digest))
    }

    func dropContent() {
        _ = jobs.push(.drop)
    }

    private func push(_ job: Job) throws(Errno) {
        let (failure, hasThread) = state.withLock { ($0.failure, $0.thread != nil) }
        if let failure { throw failure }
        if !hasThread {
            let thread = try Thread(name: "contents") { self.run() }
            state.withLock { $0.thread = thread }
        }
        _ = jobs.push(job)
    }

    /// Waits until all that was put is in the store. Any thread may.
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
        var large: LargeContent?
        while let job = jobs.pop() {
            if case .signal(let done) = job {
                done.signal()
                continue
            }
            guard state.withLock({ !$0.isOver && $0.failure == nil }) else { continue }
            do throws(Errno) {
                switch job {
                case .content(let digest, let piece):
                    guard try store.keep(piece, as: digest) else { break }
                    flush.wrote(piece.count)
                    remember(digest)
                case .more(let piece):
                    var open = try LargeContent.goOn(large.take(), store)
                    flush.wrote(try open.write(piece))
                    large = consume open
                case .end(let digest):
                    guard let open = large.take(), try !store.hasObject(digest) else { break }
                    if try store.publish(try open.finish(), as: digest) { remember(digest) }
                case .drop: large = nil
                case .signal: break
                }
            } catch {
                state.withLock { $0.failure = error }
            }
        }
    }

    private func remember(_ digest: ContentDigest) {
        state.withLock { _ = $0.made.insert(digest) }
    }
}

/// A file for a content that is larger than a slab. What it has goes past the page cache where the
/// file system can: copying into fresh pages, and bringing them to the disk later, took three times
/// as long (measured), and a large import would push what others use out of memory.
private struct LargeContent: ~Copyable {
    private let file: StagedFile
    private var isDirect: Bool
    private var length: UInt64 = 0
    /// The end of what was written; zeros behind it are a hole.
    private var written: UInt64 = 0

    // LIMIT: bytes of zeros that are worth a hole.
    private static let holeBytes = 65_536

    init(_ store: ObjectStore) throws(Errno) {
        file = try store.stage(nil)
        isDirect = (try? file.descriptor.setDirect(true)) != nil
    }

    static func goOn(_ open: consuming Self?, _ store: ObjectStore) throws(Errno) -> Self {
        if let open { return open }
        return try Self(store)
    }

    /// Zeros are not written: the disk of a sparse file stays as small as it was.
    ///
    /// - Returns: how many bytes of it are in the page cache now.
    mutating func write(_ piece: Piece) throws(Errno) -> Int {
        var cached = 0
        try piece.withBytes { bytes throws(Errno) in
            var start = 0
            while start < bytes.byteCount {
                let (end, isZero) = Self.run(of: bytes, from: start)
                if !isZero {
                    cached += try write(
                        bytes.extracting(start..<end), at: length + UInt64(start))
                }
                start = end
            }
        }
        length += UInt64(piece.count)
        return cached
    }

    /// The end of the longest run of blocks that are all zeros, or of such as are not.
    private static func run(of bytes: RawSpan, from start: Int) -> (end: Int, isZero: Bool) {
        let first = min(start + holeBytes, bytes.byteCount)
        let isZero = bytes.extracting(start..<first).isZero
        var end = first
        while end < bytes.byteCount {
            let next = min(end + holeBytes, bytes.byteCount)
            if bytes.extracting(end..<next).isZero != isZero { break }
            end = next
        }
        return (end, isZero)
    }

    private mutating func write(_ run: RawSpan, at place: UInt64) throws(Errno) -> Int {
        var done = 0
        if isDirect {
            let whole = run.byteCount / Slab.pageBytes * Slab.pageBytes
            do throws(Errno) {
                try File.writeAll(file.descriptor, run.extracting(0..<whole), at: place)
                done = whole
            } catch .invalid {
                // The disk asks for more than pages.
            }
            if done < run.byteCount {
                isDirect = false
                try file.descriptor.setDirect(false)
            }
        }
        try File.writeAll(
            file.descriptor, run.extracting(done..<run.byteCount),
            at: place + UInt64(done))
        written = place + UInt64(run.byteCount)
        return run.byteCount - done
    }

    consuming func finish() throws(Errno) -> StagedFile {
        if written < length { try File.setSize(file.descriptor, bytes: length) }
        return file
    }
}
