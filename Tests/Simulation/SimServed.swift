// The listener's end of a connection, and what it is asked.

import Channel
import Interfaces
import SwiftProtobuf
import Wire

/// The listener's end: what `ServedLink` is with a socket.
final class SimServed: SimLink {
    /// Runs a request.
    private let serve: (SimRequest) -> Void
    private let role: Role
    /// Who calls, for the gateway.
    let uid: UInt32
    private(set) var requests: [Place: SimRequest] = [:]

    init(
        _ world: World, _ life: Life, _ interfaces: [InterfaceDescriptor], role: Role,
        uid: UInt32, label: String, serve: @escaping (SimRequest) -> Void
    ) {
        self.serve = serve
        self.role = role
        self.uid = uid
        super.init(
            world, life, .listener(callerRole: role), interfaces, label: label)
    }

    override func handle(
        _ received: ConnectionMachine.Received, body: [UInt8], descriptors: [Int]
    ) {
        switch received {
        case .request(let place, let method):
            let request = SimRequest(
                self, place, machine.transaction(place), method, body, descriptors)
            requests[place] = request
            serve(request)
        case .refused(let header, let fault):
            world.descriptors.close(descriptors)
            send(header, fault)
        case .cancelled(let place):
            requests[place]?.cancelledAt = world.now
            if !world.has(.ignoreCancel) { requests[place]?.cancelled() }
        case .credited(let place): requests[place]?.proceed()
        default: break
        }
    }

    override func handle(_ passed: ConnectionMachine.Passed) {
        guard case .expired(let place, let header) = passed else { return }
        let request = requests.removeValue(forKey: place)
        send(header, .deadlineExceeded)
        request?.abandon(.deadlineExceeded)
    }

    override func ended() {
        let left = requests.keys.sorted().compactMap { requests[$0] }
        requests = [:]
        for request in left {
            let isDurable = request.method.idempotency == .keyed && !request.method.isStream
            if !isDurable { request.abandon(.cancelled) }
        }
    }

    func finish(_ request: SimRequest, _ kind: FrameKind, descriptors: Int = 0) -> FrameHeader? {
        guard
            let header = machine.finish(
                request.place, transaction: request.transaction, kind, descriptors: descriptors)
        else { return nil }
        requests[request.place] = nil
        return header
    }

    /// The daemon stops as it should: no new requests, watchers let go.
    func stop() {
        guard let farewell = machine.stop(now: world.instant) else { return }
        end(saying: farewell)
    }
}

/// A request as the daemon has it.
final class SimRequest {
    let link: SimServed
    let place: Place
    let transaction: UInt64
    let method: MethodDescriptor
    let body: [UInt8]
    var descriptors: [Int]
    /// Nobody waits for an answer any more.
    private(set) var isOver = false
    /// When its caller asked to stop.
    fileprivate(set) var cancelledAt: UInt64?
    /// Called once, when the caller gave up.
    var onEnd: ((Fault) -> Void)?
    /// Items without credit.
    private var unsent: [[UInt8]] = []
    private var last: (() -> Void)?

    init(
        _ link: SimServed, _ place: Place, _ transaction: UInt64, _ method: MethodDescriptor,
        _ body: [UInt8], _ descriptors: [Int]
    ) {
        self.link = link
        self.place = place
        self.transaction = transaction
        self.method = method
        self.body = body
        self.descriptors = descriptors
    }

    func message<M: Message>() -> M? { try? Body.decode(request: body) }

    func closeDescriptors() {
        link.world.descriptors.close(descriptors)
        descriptors = []
    }

    func reply(_ message: some Message, descriptors: [Int] = []) {
        guard !isOver, let body = try? Body.encode(message),
            let header = link.finish(self, .reply, descriptors: descriptors.count)
        else { return link.world.descriptors.close(descriptors) }
        isOver = true
        link.send(header, body: body, descriptors: descriptors)
    }

    func item(_ message: some Message) {
        guard !isOver, let body = try? Body.encode(message) else { return }
        unsent.append(body)
        proceed()
    }

    /// How many items wait for credit.
    var unsentCount: Int { unsent.count }

    func end() {
        last = { [self] in
            isOver = true
            if let header = link.finish(self, .end) { link.send(header) }
        }
        proceed()
    }

    func fault(_ fault: Fault) {
        guard !isOver else { return }
        closeDescriptors()
        // A fault overtakes nothing: items come first.
        last = { [self] in
            isOver = true
            if let header = link.finish(self, .fault) { link.send(header, fault) }
        }
        proceed()
    }

    /// For a planted bug.
    func endAgain() {
        link.send(
            FrameHeader(
                .end, interface: method.interface, method: method.ordinal,
                transaction: transaction))
    }

    func proceed() {
        while !isOver, let body = unsent.first {
            switch link.machine.item(place, transaction: transaction) {
            case .send(let header):
                unsent.removeFirst()
                link.send(header, body: body)
            case .wait: return
            case .over:
                unsent = []
            }
        }
        guard !isOver, let last else { return }
        self.last = nil
        last()
    }

    func cancelled() {
        guard !isOver else { return }
        unsent = []
        let onEnd = onEnd
        self.onEnd = nil
        onEnd?(.cancelled)
        fault(.cancelled)
    }

    /// The connection or the time is over: nothing can be said.
    func abandon(_ fault: Fault) {
        guard !isOver else { return }
        isOver = true
        closeDescriptors()
        unsent = []
        let onEnd = onEnd
        self.onEnd = nil
        onEnd?(fault)
    }
}
