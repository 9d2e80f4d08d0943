import Interfaces
import Syscalls
import Wire

/// The caller's end of a connection: who waits for which answer.
///
/// Keeps true: everyone who waits is resumed once: by the answer, the deadline, a cancel, or the
/// end of the connection, which is `.unavailable`.
///
/// SAFETY: as `Link`: touched on the loop's thread only. Continuations are resumed once because
/// they are taken out of their place first.
final class CallingLink: Link, @unchecked Sendable {
    private enum Waiter {
        case nobody
        case call(Suspended<Result<Answer, Fault>>)
        case stream(StreamItems)
    }

    private var waiters: [Waiter] = []
    private var helloWaiters: [Suspended<Void>] = []
    /// Called once, when no request may be made any more.
    var onClosing: (() -> Void)?
    /// What ended the connection, where somebody said it.
    private(set) var farewell: ConnectionMachine.Farewell?

    /// Whether requests can be made.
    var isReady: Bool { !isEnded && machine.isOpen }

    /// Waits until the listener's hello came, or will not.
    func ready() async {
        await suspend(
            unless: { isEnded || machine.isOpen }, keep: { helloWaiters.append($0) })
    }

    /// Sends a request whose answer `continuation` waits for; says its transaction.
    func call(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel?, deadline: Duration?,
        _ continuation: Suspended<Result<Answer, Fault>>
    ) -> (place: Place, transaction: UInt64)? {
        do throws(Fault) {
            let opened = try begin(method, body, descriptors, deadline, .call(continuation))
            return opened
        } catch {
            continuation.resume(.failure(error))
            return nil
        }
    }

    /// Sends a request whose items `stream` waits for.
    func open(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel?, deadline: Duration?,
        _ stream: StreamItems
    ) throws(Fault) -> (place: Place, transaction: UInt64) {
        try begin(method, body, descriptors, deadline, .stream(stream))
    }

    private func begin(
        _ method: MethodDescriptor, _ body: [UInt8], _ descriptors: Parcel?,
        _ deadline: Duration?, _ waiter: Waiter
    ) throws(Fault) -> (place: Place, transaction: UInt64) {
        guard body.count <= WireLimits.bodyBytesMax else {
            throw .tooLarge(
                subject: "body", limit: UInt64(WireLimits.bodyBytesMax), actual: UInt64(body.count))
        }
        guard !isEnded else { throw Fault(.unavailable) }
        let count = descriptors?.count ?? 0
        let (place, header) = try machine.begin(
            method, descriptors: count, deadline: deadline, now: loop.now)
        while waiters.count <= place { waiters.append(.nobody) }
        waiters[place] = waiter
        send(header, body: body, descriptors: count > 0 ? descriptors : nil)
        arm()
        return (place, header.transaction)
    }

    func cancel(_ place: Place, transaction: UInt64) {
        guard let header = machine.cancel(place, transaction: transaction, now: loop.now) else {
            return
        }
        send(header, body: [])
        arm()
    }

    func grant(_ place: Place, transaction: UInt64, items: UInt32) {
        guard let header = machine.grant(place, transaction: transaction, items: items) else {
            return
        }
        var credit = WireCredit()
        credit.items = items
        if let body = try? Body.encode(credit) { send(header, body: body) }
    }

    /// Ends the connection because nobody needs it.
    func close() {
        end(saying: .init(.done))
    }

    // MARK: Link

    override func handle(
        _ received: ConnectionMachine.Received, body: [UInt8], descriptors: Parcel?
    ) {
        switch received {
        case .ready: wakeHelloWaiters()
        case .reply(let place, let method, _): reply(place, method, body, descriptors)
        case .fault(let place, _):
            let message: Fault
            do throws(Fault) {
                let decoded: WireFault = try Body.decode(answer: body)
                message = Fault(decoded)
            } catch {
                message = error
            }
            fail(place, message)
        case .item(let place, _):
            if case .stream(let stream) = waiters[place] { stream.assumeIsolated { $0.add(body) } }
        case .end(let place, _):
            if case .stream(let stream) = take(place) { stream.assumeIsolated { $0.finish(nil) } }
        case .stopping: closing()
        default: break
        }
        if machine.isDrained, !isEnded { close() }
    }

    override func handle(_ passed: ConnectionMachine.Passed) {
        guard case .gaveUp(let place, let cancel, let wasCancelled) = passed else { return }
        if let cancel { send(cancel, body: []) }
        fail(place, wasCancelled ? .cancelled : .deadlineExceeded)
    }

    override func ended(_ farewell: ConnectionMachine.Farewell?) {
        self.farewell = farewell
        closing()
        wakeHelloWaiters()
        for place in waiters.indices { fail(place, Fault(.unavailable)) }
    }

    private func closing() {
        let closing = onClosing
        onClosing = nil
        closing?()
    }

    private func wakeHelloWaiters() {
        let waiting = helloWaiters
        helloWaiters = []
        for continuation in waiting { continuation.resume() }
    }

    private func take(_ place: Place) -> Waiter {
        let waiter = waiters[place]
        waiters[place] = .nobody
        return waiter
    }

    private func reply(
        _ place: Place, _ method: MethodDescriptor, _ body: [UInt8], _ descriptors: Parcel?
    ) {
        if let descriptors,
            DescriptorKind.firstWrong(in: descriptors, declared: method.replyDescriptors) != nil
        {
            descriptors.close()
            return fail(place, Fault(.internal, reason: .badDescriptor, subject: method.name))
        }
        if case .call(let continuation) = take(place) {
            continuation.resume(
                .success(Answer(body: body, descriptors: descriptors ?? Parcel())))
        }
    }

    private func fail(_ place: Place, _ fault: Fault) {
        switch take(place) {
        case .nobody: break
        case .call(let continuation): continuation.resume(.failure(fault))
        case .stream(let stream): stream.assumeIsolated { $0.finish(fault) }
        }
    }
}
