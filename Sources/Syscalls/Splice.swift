// Relaying bytes between stream sockets: splice(2) through pipes, and copies where they are cheaper.

import CShim

/// One direction of a relayed connection: moves bytes from one stream socket to another, in order,
/// each once, without waiting.
///
/// Small messages go through a buffer (one `recv`, one `send`); as soon as they fill it, or the sink
/// takes less than it was given, they go through a pipe with splice(2), without being copied. The
/// only place where bytes wait inside the relay is such a pipe, from a bounded pool; when none is
/// free, bytes are peeked at and stay in the source socket until the sink took them. So memory does
/// not grow with the number of stalled connections, and one that stalls takes nothing from others.
package struct StreamPump: ~Copyable {
    package enum Pause: Equatable, Sendable {
        /// The source has nothing now.
        case sourceEmpty
        /// The sink takes no more now.
        case sinkFull
        /// So much went that others should have a turn; call again.
        case budgetSpent
        /// The source ended, and all of it was delivered.
        case ended
        /// Either socket failed.
        case failed(Errno)
    }

    /// Bytes delivered to the sink so far.
    package private(set) var delivered: UInt64 = 0
    private var pipe: RelayPipe?
    private var stored = 0
    private var isStreaming = false
    private var sawEnd = false

    package init() {}

    /// Moves what can be moved now, at most about `budget` bytes.
    ///
    /// - Parameter mayTrustShortReads: a read that brings less than asked for emptied the source,
    ///   unless its end was announced: then nothing new would be.
    package mutating func run(
        from source: borrowing Descriptor, to sink: borrowing Descriptor,
        with shop: RelayWorkshop, mayTrustShortReads: Bool, budget: Int
    ) -> Pause {
        let start = delivered
        while true {
            if stored > 0, let pause = drain(to: sink) {
                if case .failed = pause { giveBackPipe(shop) }
                return pause
            }
            if sawEnd {
                giveBackPipe(shop)
                return .ended
            }
            guard delivered - start < UInt64(budget) else { return .budgetSpent }
            if isStreaming, pipe == nil { pipe = shop.takePipe() }
            let pause =
                if pipe != nil {
                    fill(from: source)
                } else if shop.hasPipe {
                    copy(from: source, to: sink, shop, mayTrustShortReads: mayTrustShortReads)
                } else {
                    copyPeeking(from: source, to: sink, shop)
                }
            if let pause {
                if stored == 0 { giveBackPipe(shop) }
                return pause
            }
        }
    }

    /// Gives back what it took from the workshop. Call before it is dropped: bytes in a pipe must not
    /// meet the next connection.
    package mutating func close(_ shop: RelayWorkshop) {
        giveBackPipe(shop)
    }

    private mutating func giveBackPipe(_ shop: RelayWorkshop) {
        guard let pipe else { return }
        self.pipe = nil
        shop.giveBack(pipe, isEmpty: stored == 0)
    }

    /// Pipe to sink.
    private mutating func drain(to sink: borrowing Descriptor) -> Pause? {
        guard let pipe else { return nil }
        while stored > 0 {
            let count = celaut_relay_splice(pipe.pipe.reading.raw, sink.raw, stored)
            guard count > 0 else {
                return Errno(negative: count) == .again
                    ? .sinkFull : .failed(Errno(negative: count))
            }
            stored -= count
            delivered += UInt64(count)
        }
        return nil
    }

    /// Source to pipe.
    private mutating func fill(from source: borrowing Descriptor) -> Pause? {
        guard let pipe else { return nil }
        let count = celaut_relay_splice(
            source.raw, pipe.pipe.writing.raw, RelayWorkshop.spliceBytesMax)
        if count > 0 {
            stored = count
            // A stream that became a trickle is cheaper to copy.
            isStreaming = count >= RelayWorkshop.streamBytesMin
            return nil
        }
        if count == 0 {
            sawEnd = true
            return nil
        }
        let error = Errno(negative: count)
        return error == .again ? .sourceEmpty : .failed(error)
    }

    private mutating func copy(
        from source: borrowing Descriptor, to sink: borrowing Descriptor, _ shop: RelayWorkshop,
        mayTrustShortReads: Bool
    ) -> Pause? {
        let room = RelayWorkshop.bufferBytes
        // SAFETY: the buffer lives as long as the workshop, and the kernel writes at most `room`.
        let read = unsafe celaut_relay_receive(source.raw, shop.buffer.baseAddress, room, 0)
        if read == 0 {
            sawEnd = true
            return nil
        }
        guard read > 0 else {
            let error = Errno(negative: read)
            return error == .again ? .sourceEmpty : .failed(error)
        }
        // SAFETY: `read` bytes were just written there.
        var sent = unsafe celaut_relay_send(sink.raw, shop.buffer.baseAddress, read)
        if sent < 0 {
            let error = Errno(negative: sent)
            guard error == .again else { return .failed(error) }
            sent = 0
        }
        delivered += UInt64(sent)
        if sent < read {
            if let failure = keep(from: sent, to: read, shop) { return failure }
            return .sinkFull
        }
        isStreaming = read == room
        return read < room && mayTrustShortReads ? .sourceEmpty : nil
    }

    /// Puts what was read and not sent into a pipe.
    private mutating func keep(from start: Int, to end: Int, _ shop: RelayWorkshop) -> Pause? {
        guard let taken = shop.takePipe() else { return .failed(.noMemory) }
        pipe = taken
        isStreaming = true
        // SAFETY: within the buffer; a pipe that is empty holds at least the buffer's size.
        let bytes = unsafe UnsafeRawBufferPointer(shop.buffer)[start..<end]
        let written = unsafe celaut_relay_write(
            taken.pipe.writing.raw, UnsafeRawBufferPointer(rebasing: bytes).baseAddress, end - start
        )
        stored = max(written, 0)
        return written == end - start ? nil : .failed(.noSpace)
    }

    private mutating func copyPeeking(
        from source: borrowing Descriptor, to sink: borrowing Descriptor, _ shop: RelayWorkshop
    ) -> Pause? {
        // SAFETY: as in `copy`.
        let read = unsafe celaut_relay_receive(
            source.raw, shop.buffer.baseAddress, RelayWorkshop.bufferBytes, 1)
        if read == 0 {
            sawEnd = true
            return nil
        }
        guard read > 0 else {
            let error = Errno(negative: read)
            return error == .again ? .sourceEmpty : .failed(error)
        }
        // SAFETY: `read` bytes were just written there.
        let sent = unsafe celaut_relay_send(sink.raw, shop.buffer.baseAddress, read)
        guard sent > 0 else {
            let error = Errno(negative: sent)
            return error == .again ? .sinkFull : .failed(error)
        }
        delivered += UInt64(sent)
        let dropped = celaut_relay_discard(source.raw, sent)
        guard dropped == sent else { return .failed(.again) }
        return sent < read ? .sinkFull : nil
    }
}

/// A pipe that bytes wait in.
package final class RelayPipe {
    fileprivate let pipe: Pipe

    fileprivate init(bytes: Int) throws(Errno) {
        pipe = try Pipe(nonBlocking: true)
        // Refused past the user's share of pipe pages: then it keeps the default size.
        _ = try? Pipe.setCapacity(pipe.writing, bytes: bytes)
    }
}

/// What the pumps of one thread share: a buffer, and a bounded number of pipes.
// SAFETY: the buffer is private to this module and lent to system calls only.
@safe
package final class RelayWorkshop {
    // LIMIT: one buffer for all connections of a thread. Measured: past this a splice through a pipe is cheaper than two copies.
    package static let bufferBytes = 65_536
    // LIMIT: one splice; the pipe's slots bound it before.
    static let spliceBytesMax = 1 << 20
    static let streamBytesMin = 16_384

    let buffer: UnsafeMutableRawBufferPointer
    private var free: [RelayPipe] = []
    private var made = 0
    private let pipesMax: Int
    private let pipeBytes: Int

    /// - Parameter pipesMax: 128 pipes of 256 KiB are 32 MiB of page slots at the very most, below
    ///   what Linux grants a user without privilege (16,384 pages).
    package init(pipesMax: Int = 128, pipeBytes: Int = 262_144) {
        self.pipesMax = pipesMax
        self.pipeBytes = pipeBytes
        // SAFETY: freed in deinit, lent to system calls only.
        unsafe buffer = .allocate(byteCount: Self.bufferBytes, alignment: 4_096)
    }

    deinit {
        // SAFETY: allocated in init; no pump outlives its workshop's calls.
        unsafe buffer.deallocate()
    }

    /// Pipes that exist, for figures.
    package var pipes: Int { made }

    /// Whether `takePipe` will give one.
    package var hasPipe: Bool {
        if !free.isEmpty { return true }
        guard made < pipesMax, let pipe = try? RelayPipe(bytes: pipeBytes) else { return false }
        made += 1
        free.append(pipe)
        return true
    }

    package func takePipe() -> RelayPipe? {
        hasPipe ? free.popLast() : nil
    }

    /// A pipe that still holds somebody's bytes is closed.
    package func giveBack(_ pipe: RelayPipe, isEmpty: Bool) {
        if isEmpty { free.append(pipe) } else { made -= 1 }
    }
}

extension Errno {
    init(negative result: Int) {
        self.init(code: Int32(clamping: -result))
    }
}

extension Socket {
    /// Makes a TCP socket whose connection is over ready for another one, in the network namespace it
    /// was made in.
    ///
    /// - Returns: false where the kernel still works on the connection; it then does so undisturbed.
    package static func renew(_ socket: borrowing Descriptor) -> Bool {
        celaut_relay_renew(socket.raw) == 1
    }

    /// The connection will be reset, not ended, when the socket is closed: what a relay passes on
    /// when the other side was reset.
    package static func resetOnClose(_ socket: borrowing Descriptor) {
        // A socket that cannot be reset is not connected.
        _ = celaut_reset_on_close(socket.raw)
    }
}
