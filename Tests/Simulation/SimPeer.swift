// A daemon's way to another one, which outlives its connections.

import Channel
import Interfaces

/// The addresses of a run: who listens under which name.
protocol SimListener: AnyObject {
    var life: Life { get }
    /// Whether somebody accepts: not before the daemon is READY.
    var isListening: Bool { get }
    var interfaces: [InterfaceDescriptor] { get }
    func serve(_ request: SimRequest)
    func accepted(_ link: SimServed)
}

/// What `ReconnectingCaller` does: one connection at a time, made on first use and again when the
/// daemon went away, none sooner than the back-off allows; what may be repeated is, once.
final class SimPeer {
    private let world: World
    private let life: Life
    private let program: String
    private let role: Role
    private let uid: UInt32
    private let find: () -> (any SimListener)?
    private(set) var current: SimCaller?
    private var backoff = Backoff()
    private var notBefore: UInt64 = 0

    init(
        _ world: World, _ life: Life, program: String, role: Role, uid: UInt32 = 0,
        _ find: @escaping () -> (any SimListener)?
    ) {
        self.world = world
        self.life = life
        self.program = program
        self.role = role
        self.uid = uid
        self.find = find
    }

    /// With the process.
    func close() { current?.end(nil) }

    func call(
        _ method: MethodDescriptor, _ body: [UInt8], descriptors: [Int] = [], deadline: Duration,
        _ done: @escaping (Result<SimAnswer, Fault>) -> Void
    ) {
        let end = world.now + deadline.wholeNanoseconds
        let mayRepeat = method.idempotency.mayRepeat && descriptors.isEmpty
        attempt(method, body, descriptors, until: end) { [self] result in
            if case .failure(let fault) = result, fault.code == .unavailable, mayRepeat,
                world.now < end
            {
                return attempt(method, body, [], until: end, done)
            }
            done(result)
        }
    }

    private func attempt(
        _ method: MethodDescriptor, _ body: [UInt8], _ descriptors: [Int], until end: UInt64,
        _ done: @escaping (Result<SimAnswer, Fault>) -> Void
    ) {
        connect(until: end) { [self] link in
            guard let link, end > world.now else {
                world.descriptors.close(descriptors)
                return done(.failure(Fault(link == nil ? .unavailable : .deadlineExceeded)))
            }
            link.call(
                method, body: body, descriptors: descriptors,
                deadline: .nanoseconds(Int64(end - world.now)), done)
        }
    }

    func open(
        _ method: MethodDescriptor, _ body: [UInt8], descriptors: [Int] = [],
        deadline: Duration? = nil, _ stream: SimStream
    ) {
        let start = world.now
        let patience = deadline ?? .seconds(30)
        connect(until: start + patience.wholeNanoseconds) { [self] link in
            guard let link else {
                world.descriptors.close(descriptors)
                return stream.finish(Fault(.unavailable))
            }
            let left = deadline.map {
                Duration.nanoseconds(
                    Int64(clamping: $0.wholeNanoseconds) - Int64(world.now - start))
            }
            link.open(method, body: body, descriptors: descriptors, deadline: left, stream)
        }
    }

    private func connect(until end: UInt64, _ done: @escaping (SimCaller?) -> Void) {
        if life.isOver { return }
        if let current, !current.isEnded {
            if current.isReady { return done(current) }
            return current.whenReady { [self] in
                guard !life.isOver else { return }
                done(current.isReady ? current : nil)
            }
        }
        if notBefore > world.now {
            guard notBefore < end else { return done(nil) }
            return world.after(notBefore - world.now, life) { [self] in connect(until: end, done) }
        }
        guard let listener = find(), listener.isListening, !listener.life.isOver else {
            let delay = backoff.failed(random: world.random.next())
            notBefore = world.now + delay.wholeNanoseconds
            return world.after(1_000, life) { done(nil) }
        }
        let link = make(listener)
        current = link
        link.whenReady { [self] in
            guard !life.isOver else { return }
            if link.isReady {
                backoff.succeeded()
            } else {
                notBefore =
                    world.now + backoff.failed(random: world.random.next()).wholeNanoseconds
            }
            done(link.isReady ? link : nil)
        }
    }

    private func make(_ listener: any SimListener) -> SimCaller {
        let near = SimCaller(
            world, life, .caller, listener.interfaces,
            label: "\(program)→\(listener.life.name)")
        let far = SimServed(
            world, listener.life, listener.interfaces, role: role, uid: uid,
            label: "\(listener.life.name)←\(program)"
        ) { [weak listener] in listener?.serve($0) }
        near.peer = far
        far.peer = near
        listener.accepted(far)
        near.begin(program)
        far.begin(listener.life.name)
        return near
    }
}
