import Interfaces
import Syscalls
import Wire

/// The listener's end of a connection: runs what it is asked, through the server's dispatchers.
///
/// Keeps true: a request reaches its dispatcher only with the role, the descriptors and the
/// revision its method asks for; when the connection ends, work that nobody will hear of is
/// cancelled, except a unary keyed request, which is durable and finishes.
///
/// SAFETY: as `Link`: touched on the loop's thread only.
final class ServedLink: Link, @unchecked Sendable {
    let peer: PeerCredentials
    let role: Role
    private let server: Server
    private var requests: [ServedRequest?] = []

    init(
        _ socket: consuming Descriptor, peer: PeerCredentials, role: Role, server: Server
    ) {
        self.peer = peer
        self.role = role
        self.server = server
        let machine = ConnectionMachine(
            .listener(callerRole: role), interfaces: server.interfaces, now: server.loop.now)
        super.init(socket, machine, loop: server.loop)
    }

    override func handle(
        _ received: ConnectionMachine.Received, body: [UInt8], descriptors: Parcel?
    ) {
        switch received {
        case .request(let place, let method): begin(place, method, body, descriptors)
        case .refused(let header, let fault):
            server.drop(descriptors)
            send(header, fault)
        case .cancelled(let place): request(place)?.assumeIsolated { $0.cancel() }
        case .credited(let place): request(place)?.assumeIsolated { $0.proceed() }
        default: break
        }
    }

    override func handle(_ passed: ConnectionMachine.Passed) {
        guard case .expired(let place, let header) = passed else { return }
        let request = request(place)
        requests[place] = nil
        send(header, .deadlineExceeded)
        request?.assumeIsolated { $0.end(.deadlineExceeded, stop: true) }
        endIfDrained()
    }

    override func drained() {
        for case let request? in requests { request.assumeIsolated { $0.proceed() } }
        endIfDrained()
    }

    override func ended(_ farewell: ConnectionMachine.Farewell?) {
        let left = requests
        requests = []
        for case let request? in left {
            let isDurable = request.method.idempotency == .keyed && !request.method.isStream
            request.assumeIsolated { $0.end(.cancelled, stop: !isDurable) }
        }
        server.ended(self, farewell)
    }

    /// The daemon stops: no new requests; ends when the open ones are answered.
    func stop() {
        guard let farewell = machine.stop(now: loop.now) else { return }
        if machine.isClosed { return end(saying: farewell) }
        say(farewell)
        endWatching()
        arm()
        endIfDrained()
    }

    /// Read-only streams (who watches, who follows) end at once: most would never end by
    /// themselves, and whoever reads opens them again at the next daemon.
    private func endWatching() {
        for case let request? in requests
        where request.method.isStream && request.method.idempotency == .readOnly {
            guard let header = close(request, .fault) else { continue }
            send(header, Fault(.unavailable))
            request.assumeIsolated { $0.end(Fault(.unavailable), stop: true) }
        }
    }

    // MARK: Answers

    func finish(_ request: ServedRequest, _ answer: Answer?) {
        if request.method.isStream {
            guard answer == nil else { return finish(request, Fault(.internal)) }
            if let header = close(request, .end) { send(header, body: []) }
        } else {
            guard let answer else { return finish(request, Fault(.internal)) }
            let count = answer.descriptors.count
            guard answer.body.count <= WireLimits.bodyBytesMax,
                request.method.allows(replyDescriptors: count), count <= WireLimits.descriptorsMax
            else { return finish(request, Fault(.internal, subject: request.method.name)) }
            if let header = close(request, .reply, descriptors: count) {
                send(header, body: answer.body, descriptors: count > 0 ? answer.descriptors : nil)
            }
        }
        server.finished(self)
        endIfDrained()
    }

    func finish(_ request: ServedRequest, _ fault: Fault) {
        if let header = close(request, .fault) { send(header, fault) }
        server.finished(self)
        endIfDrained()
    }

    private func close(
        _ request: ServedRequest, _ kind: FrameKind, descriptors: Int = 0
    ) -> FrameHeader? {
        guard
            let header = machine.finish(
                request.place, transaction: request.transaction, kind, descriptors: descriptors)
        else { return nil }
        requests[request.place] = nil
        return header
    }

    private func send(_ header: FrameHeader, _ fault: Fault) {
        guard let body = try? Body.encode(fault.message) else { return }
        send(header, body: body)
    }

    private func endIfDrained() {
        if machine.isDrained, !hasUnsent { end(saying: .init(.stopping)) }
    }

    // MARK: Requests

    private func request(_ place: Place) -> ServedRequest? {
        place < requests.count ? requests[place] : nil
    }

    private func begin(
        _ place: Place, _ method: MethodDescriptor, _ body: [UInt8], _ descriptors: Parcel?
    ) {
        let transaction = machine.transaction(place)
        if let fault = refusal(method, descriptors) {
            server.drop(descriptors)
            if let header = machine.finish(place, transaction: transaction, .fault) {
                send(header, fault)
            }
            return
        }
        guard let dispatcher = server.dispatcher(method.interface) else { return }
        let context = CallContext(
            role: role, uid: peer.uid, pid: peer.pid,
            deadline: machine.deadline(place).map { loop.now.duration(until: $0) },
            program: machine.peerProgram)
        let request = ServedRequest(
            link: self, place: place, transaction: transaction, method: method)
        while requests.count <= place { requests.append(nil) }
        requests[place] = request
        server.began(self)
        request.assumeIsolated {
            $0.start(dispatcher, body, descriptors ?? Parcel(), context)
        }
    }

    /// Why a request that the machine let through is not run.
    private func refusal(_ method: MethodDescriptor, _ descriptors: Parcel?) -> Fault? {
        if let limit = server.requestLimitReached(self) {
            return .limitReached(
                subject: "requestsPerUser", limit: UInt64(limit), actual: UInt64(limit) + 1)
        }
        guard let descriptors else { return nil }
        let kinds = method.requestDescriptors
        guard let wrong = DescriptorKind.firstWrong(in: descriptors, declared: kinds) else {
            return nil
        }
        return .invalid(.badDescriptor, subject: "descriptors[\(wrong)]")
    }
}
