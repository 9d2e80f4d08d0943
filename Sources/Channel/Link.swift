import Interfaces
import Syscalls
import Wire

/// One connected socket on the loop, with its machine: packets in and out, and nothing about what
/// they are for. `ServedLink` and `CallingLink` are its two uses.
///
/// Keeps true: frames leave in the order they were sent; one that the peer has no room for waits
/// in a bounded queue; reading stops while that is long. Descriptors of a packet belong to its
/// parcel from the moment it arrives. After `end` nothing is called any more.
///
/// SAFETY: `@unchecked Sendable` because all of it is touched on the loop's thread only; entries
/// from elsewhere go through actors whose executor is the loop.
class Link: @unchecked Sendable {
    // LIMIT: packets taken from one connection before others get their turn.
    private static let packetsPerTurnMax = 32

    let loop: EventLoop
    var machine: ConnectionMachine
    private var socket: SharedDescriptor?
    private var watch: WatchToken?
    private var interest: Interest = .readable
    private var outgoing = FrameQueue()
    private var timer: (token: TimerToken, due: Instant)?
    /// Whether the last turn found more than one packet: then it is worth asking for the next one
    /// before going back to the loop. Asking in vain costs a system call.
    private var isBurst = false
    private var turns: UInt8 = 0
    private var isPeerGone = false

    init(_ socket: consuming Descriptor, _ machine: consuming ConnectionMachine, loop: EventLoop) {
        self.loop = loop
        self.socket = SharedDescriptor(socket)
        self.machine = machine
    }

    // MARK: For the two uses

    /// A frame asks for something; `body` is the frame's, `descriptors` came with it.
    func handle(_ received: ConnectionMachine.Received, body: [UInt8], descriptors: Parcel?) {}
    /// A deadline passed.
    func handle(_ passed: ConnectionMachine.Passed) {}
    /// The queue of unsent frames is short again.
    func drained() {}
    /// The connection is over. Once.
    func ended(_ farewell: ConnectionMachine.Farewell?) {}

    var isEnded: Bool { socket == nil }
    /// Whether unsent frames pile up: senders of items should wait for `drained`.
    var isCongested: Bool { outgoing.count >= FrameQueue.pauseReadingFrames / 4 }
    var hasUnsent: Bool { !outgoing.isEmpty }

    // MARK: Life

    /// Begins to serve, with this side's hello.
    func start(program: String, version: String) throws(Errno) {
        guard let socket else { return }
        watch = try loop.watch(raw: socket.raw, .readable) { [self] ready in look(ready) }
        let hello = machine.hello(program: program, version: version)
        do throws(Fault) {
            send(FrameHeader(.hello), body: try Body.encode(hello))
        } catch {
            preconditionFailure("a hello is bounded")
        }
        arm()
    }

    /// Says goodbye and ends.
    func end(saying farewell: ConnectionMachine.Farewell) {
        guard !isEnded else { return }
        machine.close(farewell)
        // What was not sent is given up: the goodbye must not wait for a peer that does not read.
        outgoing.removeAll()
        say(farewell)
        discardUnread()
        end(farewell)
    }

    // LIMIT: packets thrown away before closing. Closing with more unread is no harm: the peer then
    // hears of a reset before it reads the goodbye.
    private static let discardedPacketsMax = 256

    private func discardUnread() {
        guard let socket else { return }
        for _ in 0..<Self.discardedPacketsMax {
            guard let received = try? loop.buffer.receive(socket.descriptor), received.bytes > 0
            else { return }
        }
    }

    /// Says a goodbye that does not end the connection, or is followed by `end`.
    func say(_ farewell: ConnectionMachine.Farewell) {
        var goodbye = WireGoodbye()
        goodbye.reason = farewell.reason
        goodbye.subject = farewell.subject.cut(toBytes: WireLimits.subjectBytesMax)
        guard let body = try? Body.encode(goodbye) else { return }
        send(FrameHeader(.goodbye), body: body)
    }

    /// Ends without a word: the peer is gone, or has said goodbye.
    func end(_ farewell: ConnectionMachine.Farewell?) {
        guard socket != nil else { return }
        if !machine.isClosed { machine.close(farewell ?? .init(.unspecified)) }
        if let watch { loop.unwatch(watch) }
        if let timer { loop.cancel(timer.token) }
        watch = nil
        timer = nil
        socket = nil
        outgoing.removeAll()
        ended(farewell)
    }

    // MARK: Sending

    /// Sends a frame now, or as soon as the peer has room.
    func send(_ header: FrameHeader, body: [UInt8], descriptors: Parcel? = nil) {
        guard let socket, !isPeerGone else { return }
        var header = header
        header.bodyBytes = UInt32(body.count)
        if outgoing.isEmpty {
            do throws(Errno) {
                try transmit(header, body, descriptors, socket)
                return
            } catch .again {
                // Into the queue.
            } catch {
                return peerIsGone()
            }
        }
        outgoing.append(header.packet(body: body), descriptors)
        if outgoing.count > WireLimits.queuedFramesMax {
            return end(saying: .init(.limitReached, subject: "queuedFramesMax"))
        }
        if outgoing.bytes > FrameQueue.queuedBytesMax {
            return end(saying: .init(.limitReached, subject: "queuedBytesMax"))
        }
        updateInterest()
    }

    private func transmit(
        _ header: FrameHeader, _ body: [UInt8], _ descriptors: Parcel?, _ socket: SharedDescriptor
    ) throws(Errno) {
        var bytes = InlineArray<40, UInt8>(repeating: 0)
        var span = bytes.mutableSpan
        header.write(into: &span)
        // SAFETY: bytes without padding, read during the call only.
        _ = try unsafe SeqpacketSocket.send(
            socket.descriptor, bytes.span.bytes, body.span.bytes, descriptors: descriptors)
    }

    private func flush() {
        guard let socket else { return }
        let wasCongested = isCongested
        while let first = outgoing.first {
            do throws(Errno) {
                _ = try SeqpacketSocket.send(
                    socket.descriptor, first.packet, descriptors: first.descriptors)
            } catch .again {
                break
            } catch {
                return peerIsGone()
            }
            outgoing.removeFirst()
        }
        updateInterest()
        if outgoing.isEmpty || (wasCongested && !isCongested) { drained() }
    }

    /// Nothing can be sent any more. What the peer sent before it left (answers, why it closes) is
    /// still in the queue of the socket: the end comes when that has been read.
    private func peerIsGone() {
        isPeerGone = true
        outgoing.removeAll()
        updateInterest()
    }

    private func updateInterest() {
        var wanted: Interest = []
        if outgoing.count < FrameQueue.pauseReadingFrames { wanted.insert(.readable) }
        if !outgoing.isEmpty { wanted.insert(.writable) }
        guard wanted != interest, let watch else { return }
        interest = wanted
        loop.modify(watch, wanted)
    }

    // MARK: Receiving

    private func look(_ ready: Ready) {
        if ready.contains(.writable) { flush() }
        guard !isEnded else { return }
        if interest.contains(.readable) {
            if !ready.isDisjoint(with: [.readable, .hangUp, .error]) { receiveTurn() }
        } else if !ready.isDisjoint(with: [.hangUp, .error]) {
            end(nil)
        }
    }

    private func receiveTurn() {
        turns &+= 1
        var count = 0
        let many = isBurst || turns & 15 == 0
        repeat {
            guard let socket else { return }
            let received: SeqpacketSocket.Received
            do throws(Errno) {
                received = try loop.buffer.receive(socket.descriptor)
            } catch .again {
                break
            } catch .connectionReset {
                // Said once when the peer closed with frames of ours unread; its own come after.
                peerIsGone()
                continue
            } catch {
                return end(nil)
            }
            count += 1
            if received.bytes == 0 { return end(nil) }
            receive(received)
        } while many && count < Self.packetsPerTurnMax && interest.contains(.readable)
        isBurst = count > 1
        arm()
    }

    private func receive(_ received: SeqpacketSocket.Received) {
        if received.bytesCut || received.descriptorsCut {
            received.descriptors?.close()
            return end(
                saying: .init(
                    .truncated, subject: received.bytesCut ? "packet" : "descriptors"))
        }
        let header: FrameHeader
        do throws(FrameViolation) {
            header = try loop.buffer.header(received)
        } catch {
            return end(saying: machine.refused(error))
        }
        let body = loop.buffer.body(received)
        let action = machine.received(header, body: body, now: loop.now)
        switch action {
        case .nothing: break
        case .violation(let farewell): end(saying: farewell)
        case .farewell(let farewell): end(farewell)
        default: handle(action, body: body, descriptors: received.descriptors)
        }
    }

    // MARK: Time

    /// Makes the timer no later than the machine's next deadline. An earlier one stays: it finds
    /// nothing and sets the next, which is cheaper than moving it with every request.
    func arm() {
        guard !isEnded, let due = machine.nextDeadline else { return }
        if let timer {
            if timer.due <= due { return }
            loop.cancel(timer.token)
        }
        let token = loop.schedule(at: due) { [self] in
            timer = nil
            tick()
        }
        timer = (token, due)
    }

    private func tick() {
        while !isEnded {
            let passed = machine.tick(now: loop.now)
            switch passed {
            case .nothing: return arm()
            case .close(let farewell): end(saying: farewell)
            default: handle(passed)
            }
        }
    }
}
