// Connections: the real machine of each end, real frames, and a wire that delays and breaks.

import Channel
import Interfaces
import SwiftProtobuf
import Wire

/// One end of a connection: what `Link` is with a socket. Frames are packed and read as on a real
/// one, arrive in their order, and arrive later.
class SimLink {
    let world: World
    let life: Life
    var machine: ConnectionMachine
    /// Let go of at the end, as each has the other.
    var peer: SimLink?
    private(set) var isEnded = false
    /// When the last frame that was sent arrives: none arrives before it.
    private var lastArrival: UInt64 = 0
    private var onItsWay = 0
    private var tickAt: UInt64?
    let label: String

    init(
        _ world: World, _ life: Life, _ side: ConnectionMachine.Side,
        _ interfaces: [InterfaceDescriptor], label: String
    ) {
        self.world = world
        self.life = life
        self.label = label
        machine = ConnectionMachine(side, interfaces: interfaces, now: world.instant)
    }

    func begin(_ program: String) {
        if let body = try? Body.encode(machine.hello(program: program, version: "1")) {
            send(FrameHeader(.hello), body: body)
        }
        arm()
    }

    // MARK: Out

    func send(_ header: FrameHeader, body: [UInt8] = [], descriptors: [Int] = []) {
        guard !isEnded, !life.isOver, let peer else { return world.descriptors.close(descriptors) }
        if header.kind == .credit, world.has(.loseCredit), world.random.below(3) == 0 { return }
        world.descriptors.move(descriptors, to: nil)
        let packet = header.packet(body: body)
        lastArrival = max(lastArrival + 1, world.now + world.channelDelay())
        onItsWay += 1
        world.check(
            onItsWay <= WireLimits.queuedFramesMax, "\(label): \(onItsWay) frames on their way")
        world.after(lastArrival - world.now, nil) { [self] in
            onItsWay -= 1
            guard !peer.isEnded, !peer.life.isOver else {
                return world.descriptors.close(descriptors)
            }
            peer.arrived(packet, descriptors)
        }
    }

    func send(_ header: FrameHeader, _ fault: Fault) {
        if let body = try? Body.encode(fault.message) { send(header, body: body) }
    }

    // MARK: In

    private func arrived(_ packet: [UInt8], _ descriptors: [Int]) {
        world.descriptors.move(descriptors, to: life)
        let header: FrameHeader
        do throws(FrameViolation) {
            header = try FrameHeader(reading: packet.span, descriptors: descriptors.count)
        } catch {
            return violated(machine.refused(error))
        }
        let body = Array(packet[WireLimits.headerBytes...])
        let received = machine.received(header, body: body, now: world.instant)
        switch received {
        case .nothing: world.descriptors.close(descriptors)
        case .violation(let farewell): violated(farewell)
        case .farewell(let farewell): end(farewell)
        default: handle(received, body: body, descriptors: descriptors)
        }
        arm()
    }

    /// Both ends are honest, so that none may ever find the other at fault.
    private func violated(_ farewell: ConnectionMachine.Farewell) {
        world.fail("\(label): goodbye \(farewell.reason) \(farewell.subject)")
        end(saying: farewell)
    }

    // MARK: Ends

    func end(saying farewell: ConnectionMachine.Farewell) {
        var goodbye = WireGoodbye()
        goodbye.reason = farewell.reason
        goodbye.subject = farewell.subject
        if let body = try? Body.encode(goodbye) { send(FrameHeader(.goodbye), body: body) }
        end(farewell)
    }

    /// Without a word where there is none: a process that died, a socket that was closed.
    func end(_ farewell: ConnectionMachine.Farewell?) {
        guard !isEnded else { return }
        isEnded = true
        if !machine.isClosed { machine.close(farewell ?? .init(.unspecified)) }
        if let peer {
            // What was sent before still arrives.
            let due = max(lastArrival + 1, world.now + 1_000)
            world.after(due - world.now, nil) {
                if !peer.life.isOver { peer.end(nil) }
            }
        }
        peer = nil
        if !life.isOver { ended() }
    }

    // MARK: Time

    func arm() {
        guard !isEnded, let due = machine.nextDeadline?.nanoseconds else { return }
        if let tickAt, tickAt <= due { return }
        tickAt = due
        world.after(due - min(due, world.now), life) { [weak self] in
            guard let self, self.tickAt == due else { return }
            self.tickAt = nil
            self.tick()
        }
    }

    private func tick() {
        while !isEnded {
            let passed = machine.tick(now: world.instant)
            switch passed {
            case .nothing: return arm()
            case .close(let farewell): end(saying: farewell)
            default: handle(passed)
            }
        }
    }

    // MARK: For its two uses

    func handle(_ received: ConnectionMachine.Received, body: [UInt8], descriptors: [Int]) {}
    func handle(_ passed: ConnectionMachine.Passed) {}
    func ended() {}
}

/// The answer to a request.
struct SimAnswer {
    let body: [UInt8]
    let descriptors: [Int]

    func message<M: Message>() -> M? { try? Body.decode(answer: body) }
}

/// The caller's end.
final class SimCaller: SimLink {
    private enum Waiter {
        case call((Result<SimAnswer, Fault>) -> Void)
        case stream(SimStream)
    }

    private var waiters: [Place: Waiter] = [:]
    /// Who waits for the listener's hello.
    private var helloWaiters: [() -> Void] = []

    var isReady: Bool { !isEnded && machine.isOpen }

    func whenReady(_ body: @escaping () -> Void) {
        if isEnded || machine.isOpen { body() } else { helloWaiters.append(body) }
    }

    /// - Returns: where it can be cancelled; nil where it was answered at once.
    @discardableResult
    func call(
        _ method: MethodDescriptor, body: [UInt8], descriptors: [Int] = [], deadline: Duration?,
        _ done: @escaping (Result<SimAnswer, Fault>) -> Void
    ) -> (place: Place, transaction: UInt64)? {
        do throws(Fault) {
            return try begin(method, body, descriptors, deadline, .call(done))
        } catch {
            world.descriptors.close(descriptors)
            done(.failure(error))
            return nil
        }
    }

    func open(
        _ method: MethodDescriptor, body: [UInt8], descriptors: [Int] = [], deadline: Duration?,
        _ stream: SimStream
    ) {
        do throws(Fault) {
            let opened = try begin(method, body, descriptors, deadline, .stream(stream))
            stream.opened(self, opened.place, opened.transaction)
        } catch {
            world.descriptors.close(descriptors)
            stream.finish(error)
        }
    }

    private func begin(
        _ method: MethodDescriptor, _ body: [UInt8], _ descriptors: [Int], _ deadline: Duration?,
        _ waiter: Waiter
    ) throws(Fault) -> (place: Place, transaction: UInt64) {
        guard !isEnded else { throw Fault(.unavailable) }
        let (place, header) = try machine.begin(
            method, descriptors: descriptors.count, deadline: deadline, now: world.instant)
        waiters[place] = waiter
        send(header, body: body, descriptors: descriptors)
        arm()
        return (place, header.transaction)
    }

    func cancel(_ place: Place, transaction: UInt64) {
        guard !isEnded,
            let header = machine.cancel(place, transaction: transaction, now: world.instant)
        else { return }
        send(header)
        arm()
    }

    func grant(_ place: Place, transaction: UInt64, items: UInt32) {
        guard !isEnded,
            let header = machine.grant(place, transaction: transaction, items: items)
        else { return }
        var credit = WireCredit()
        credit.items = items
        if let body = try? Body.encode(credit) { send(header, body: body) }
    }

    // MARK: Link

    override func handle(
        _ received: ConnectionMachine.Received, body: [UInt8], descriptors: [Int]
    ) {
        switch received {
        case .ready: wakeHelloWaiters()
        case .reply(let place, _, _):
            if case .call(let done)? = waiters.removeValue(forKey: place) {
                done(.success(SimAnswer(body: body, descriptors: descriptors)))
            } else {
                world.descriptors.close(descriptors)
            }
        case .fault(let place, _):
            let message = (try? Body.decode(answer: body) as WireFault).map { Fault($0) }
            fail(place, message ?? Fault(.internal))
        case .item(let place, _):
            if case .stream(let stream)? = waiters[place] { stream.item(body) }
        case .end(let place, _):
            if case .stream(let stream)? = waiters.removeValue(forKey: place) {
                stream.finish(nil)
            }
        default: break
        }
        if machine.isDrained, !isEnded { end(saying: .init(.done)) }
    }

    override func handle(_ passed: ConnectionMachine.Passed) {
        guard case .gaveUp(let place, let cancel, let wasCancelled) = passed else { return }
        if let cancel { send(cancel) }
        fail(place, wasCancelled ? .cancelled : .deadlineExceeded)
    }

    override func ended() {
        wakeHelloWaiters()
        for place in waiters.keys.sorted() { fail(place, Fault(.unavailable)) }
    }

    private func wakeHelloWaiters() {
        let waiting = helloWaiters
        helloWaiters = []
        for body in waiting { body() }
    }

    private func fail(_ place: Place, _ fault: Fault) {
        switch waiters.removeValue(forKey: place) {
        case .call(let done)?: done(.failure(fault))
        case .stream(let stream)?: stream.finish(fault)
        case nil: break
        }
    }
}

/// The items of one request, as its caller takes them.
final class SimStream {
    private let take: ([UInt8]) -> Void
    private let over: (Fault?) -> Void
    private weak var link: SimCaller?
    private var place: Place = 0
    private var transaction: UInt64 = 0
    private var taken: UInt32 = 0
    private var isOver = false
    private var isCancelled = false

    /// - Parameter over: nil for an end, the fault otherwise; called once.
    init(take: @escaping ([UInt8]) -> Void, over: @escaping (Fault?) -> Void) {
        self.take = take
        self.over = over
    }

    func opened(_ link: SimCaller, _ place: Place, _ transaction: UInt64) {
        self.link = link
        self.place = place
        self.transaction = transaction
        if isCancelled { cancel() }
    }

    func item(_ body: [UInt8]) {
        guard !isOver else { return }
        taken += 1
        if taken == WireLimits.creditInitial / 2 {
            taken = 0
            link?.grant(place, transaction: transaction, items: WireLimits.creditInitial / 2)
        }
        take(body)
    }

    func finish(_ fault: Fault?) {
        guard !isOver else { return }
        isOver = true
        over(fault)
    }

    func cancel() {
        isCancelled = true
        link?.cancel(place, transaction: transaction)
    }
}
