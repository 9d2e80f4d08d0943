import Synchronization
import Syscalls

/// Memory for contents on their way: filled from the front by one thread, read by others up to where
/// they were told.
///
/// Keeps true: bytes that were given out as a `Piece` are not written again while a piece is held.
@safe final class Slab: @unchecked Sendable {
    // LIMIT: bytes of one: a content up to this size needs no write of its own until its digest is
    // known; most files of a root file system are smaller. Whole ones go to the disk as they are.
    static let bytes = 262_144
    /// What the memory and the places of direct writes are multiples of.
    static let pageBytes = 4_096

    // SAFETY (of this type, and of `@unchecked Sendable`): allocated by the pool for as long as this
    // object lives; one thread writes, each byte before a piece that has it is given to another, by
    // way of a lock.
    private let memory: UnsafeMutableRawPointer
    private let pool: SlabPool
    private(set) var used = 0

    fileprivate init(_ memory: UnsafeMutableRawPointer, _ pool: SlabPool) {
        unsafe self.memory = unsafe memory
        self.pool = pool
    }

    deinit {
        unsafe pool.takeBack(memory)
    }

    var room: Int { Self.bytes - used }

    /// Adds as much as there is room for.
    ///
    /// - Returns: how many bytes.
    func append(_ source: RawSpan) -> Int {
        let count = min(room, source.byteCount)
        // SAFETY: inside the memory, behind what was given out; see the type.
        unsafe source.withUnsafeBytes { source in
            guard count > 0, let start = source.baseAddress else { return }
            unsafe (memory + used).copyMemory(from: start, byteCount: count)
        }
        used += count
        return count
    }

    /// The next bytes start at a multiple of this many.
    func align(to bytes: Int) {
        used = min(Self.bytes, (used + bytes - 1) / bytes * bytes)
    }

    fileprivate func withBytes<Value, E: Error>(
        _ range: Range<Int>, _ body: (RawSpan) throws(E) -> Value
    ) throws(E) -> Value {
        // SAFETY: inside the memory, which lives during the call; see the type.
        try unsafe body(
            RawSpan(_unsafeBytes: UnsafeRawBufferPointer(start: memory, count: Self.bytes))
                .extracting(range))
    }
}

/// Some bytes of a slab, which are kept while it is held.
struct Piece: Sendable {
    let slab: Slab
    let range: Range<Int>

    var count: Int { range.count }

    func withBytes<Value, E: Error>(_ body: (RawSpan) throws(E) -> Value) throws(E) -> Value {
        try slab.withBytes(range, body)
    }
}

/// Slabs that are used again: the kernel would make the memory of each anew, a third of an import's
/// time (measured).
///
/// Keeps true: there are never more than `slabsMax`.
@safe final class SlabPool: Sendable {
    private let room: Semaphore
    // SAFETY: each is allocated below, and given to one slab at a time.
    private let spare = Mutex<[UInt]>([])

    init(slabsMax: UInt32) {
        room = Semaphore(slabsMax)
    }

    deinit {
        for address in spare.withLock({ $0 }) {
            // SAFETY: allocated in `take`; no slab has it, as each keeps the pool.
            unsafe UnsafeMutableRawPointer(bitPattern: address)?.deallocate()
        }
    }

    /// An empty slab; waits until one of those given out is let go where there are too many.
    func take() -> Slab {
        room.wait()
        let address = spare.withLock { $0.popLast() }
        let memory = unsafe address.flatMap { unsafe UnsafeMutableRawPointer(bitPattern: $0) }
        return unsafe Slab(
            memory ?? .allocate(byteCount: Slab.bytes, alignment: Slab.pageBytes), self)
    }

    // SAFETY: from `take`, of a slab that is gone.
    fileprivate func takeBack(_ memory: UnsafeMutableRawPointer) {
        let address = UInt(bitPattern: memory)
        spare.withLock { $0.append(address) }
        room.signal()
    }
}
