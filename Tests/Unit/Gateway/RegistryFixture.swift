// What every test of the registry begins with.

import Interfaces
import Testing
import gateway_broker

/// A registry with a clock that only moves when it is told to, and what it made somebody write.
struct RegistryFixture {
    var machine: RegistryMachine
    var now = Moment(monotonic: 1_000_000_000, wallMilliseconds: 1_700_000_000_000)
    var stored: [InstanceID: InstanceRecord] = [:]

    init(limits: GatewayLimits = GatewayLimits()) {
        let tokens = TokenBook(secret: [UInt8](repeating: 7, count: 32))
        machine = RegistryMachine(limits: limits) { tokens.digest(of: $0) }
    }

    static func id(_ number: UInt8) -> InstanceID {
        InstanceID(repeatElement(number, count: 16)) ?? .zero
    }

    static func order(
        _ number: UInt8, owner: UInt32 = 1_000, key: UInt8? = nil, content: UInt8 = 1,
        name: String = ""
    ) -> StartOrder {
        StartOrder(
            id: id(number), owner: owner, key: [UInt8](repeating: key ?? number, count: 16),
            content: [UInt8](repeating: content, count: 32), reference: "redis", name: name)
    }

    @discardableResult
    mutating func start(_ order: StartOrder, isMaintainer: Bool = false) throws -> Step {
        store(try machine.start(order, isMaintainer: isMaintainer, now: now).step)
    }

    @discardableResult
    mutating func tell(_ event: RegistryEvent) -> Step {
        store(machine.handle(event, now: now))
    }

    /// Takes an instance to readiness: what it does on the way is not looked at.
    mutating func makeReady(_ order: StartOrder) throws {
        try start(order)
        tell(.launched(order.id, Self.launch(order.id)))
        tell(.observed(order.id, Self.state(order.id, .ready)))
        tell(.listening(order.id, Self.slots(hostPort: 40_000)))
    }

    mutating func advance(milliseconds: UInt64) {
        now = Moment(
            monotonic: now.monotonic + milliseconds * 1_000_000,
            wallMilliseconds: now.wallMilliseconds + milliseconds)
    }

    /// The process dies and another one takes up what was written.
    mutating func restart() -> Step {
        let limits = machine.limits
        let old = self
        self = RegistryFixture(limits: limits)
        now = old.now
        stored = old.stored
        return store(machine.restore(Array(stored.values), now: now))
    }

    private mutating func store(_ step: Step) -> Step {
        store(step.writes)
        return step
    }

    mutating func store(_ writes: [RegistryWrite]) {
        for write in writes {
            switch write {
            case .put(let record): stored[record.id] = record
            case .delete(let id): stored[id] = nil
            }
        }
    }

    static func slots(hostPort: UInt16 = 0) -> [RelayedSlot] {
        [RelayedSlot(port: 6_379, transport: .tcp, hostPort: hostPort)]
    }

    static func launch(_ id: InstanceID, _ phase: Phase = .accepted) -> Launch {
        Launch(
            serviceID: [UInt8](repeating: 5, count: 32), slots: slots(), state: state(id, phase))
    }

    static func state(
        _ id: InstanceID, _ phase: Phase, _ cause: EndCause = .unspecified, exit: UInt32 = 0,
        subject: String = "", lines: [String] = []
    ) -> InstanceState {
        var state = InstanceState()
        state.instanceIDBytes = id.bytes
        state.phase = phase
        if phase == .ended {
            state.ended.cause = cause
            state.ended.exitCode = exit
            state.ended.subject = subject
            state.ended.lastLines = lines
            state.endedAtMs = 1_700_000_000_500
        }
        return state
    }
}

extension InstanceID {
    static var zero: InstanceID { InstanceID(repeatElement(0, count: 16)) ?? .zero }
}

extension Step {
    /// Actions by their kind, for comparing.
    var kinds: [String] {
        actions.map { action in
            switch action {
            case .launch: "launch"
            case .watch: "watch"
            case .stop(_, let grace): "stop \(grace)"
            case .forget: "forget"
            case .listen(_, let opening): "listen \(opening.slots.map(\.hostPort))"
            case .close: "close"
            case .release: "release"
            case .announce(_, let view, let outcome):
                "announce \(view.state.phase) \(outcome.map(\.kind) ?? "-")"
            case .retract: "retract"
            case .listInstances: "listInstances"
            case .listHolds: "listHolds"
            }
        }
    }
}

extension Outcome {
    var kind: String {
        switch self {
        case .started: "started"
        case .failed(let fault): "failed \(fault.code) \(fault.subject)"
        case .ended: "ended"
        }
    }
}
