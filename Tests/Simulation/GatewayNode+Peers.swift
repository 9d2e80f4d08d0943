// What the gateway of a run asks of its peers.

import Channel
import Interfaces
import SwiftProtobuf
import gateway_broker

extension GatewayNode {
    func ask(_ action: RegistryAction) {
        switch action {
        case .launch(let record): launch(record)
        case .watch(let id): watch(id)
        case .stop(let id, let grace): stop(id, grace: grace)
        case .forget(let id): forget(id)
        case .release(let id): release(id)
        case .listInstances: listInstances()
        case .listHolds: listHolds()
        default: break
        }
    }

    private func bytes(_ message: some Message) -> [UInt8] { (try? Body.encode(message)) ?? [] }

    private func launch(_ record: InstanceRecord) {
        var open = OpenBoxRequest()
        open.box = record.reference
        open.holder = record.id.description
        boxes?.call(BoxBuilderInterface.openBox, bytes(open), deadline: .seconds(10)) {
            [self] result in
            guard goesOn() else { return }
            switch result {
            case .failure(let fault): tell(.launchFailed(record.id, fault))
            case .success(let answer):
                let reply: OpenBoxReply = answer.message() ?? OpenBoxReply()
                launch(record, reply, answer.descriptors)
            }
        }
    }

    private func launch(_ record: InstanceRecord, _ reply: OpenBoxReply, _ descriptors: [Int]) {
        let plan: InstancePlan
        let target: UInt64
        do throws(Fault) {
            plan = try InstancePlan(
                record: record, serviceID: reply.summary.serviceIDBytes, terms: Self.terms,
                limits: limits, budget: machine.budget(of: record.id, now: moment))
            target = try grant(record.id, plan.request.limits)
        } catch {
            if !world.has(.leakDescriptors) { world.descriptors.close(descriptors) }
            return tell(.launchFailed(record.id, error))
        }
        // Charged before anybody makes it, and written down before it can be had.
        settle(target) { [self] in launch(record.id, plan, descriptors) }
    }

    private func launch(_ id: InstanceID, _ plan: InstancePlan, _ descriptors: [Int]) {
        // The specification is read and closed, the configuration is made in its place.
        world.descriptors.close(Array(descriptors.dropFirst(2)))
        let configuration = world.descriptors.make("configuration", life)
        start(plan, Array(descriptors.prefix(2)) + [configuration], isSecond: false) {
            [self] result in
            guard goesOn() else { return }
            switch result {
            case .failure(let fault): tell(.launchFailed(id, fault))
            case .success(let state):
                tell(
                    .launched(
                        id,
                        Launch(
                            serviceID: plan.request.serviceIDBytes, slots: plan.slots,
                            state: state)))
            }
        }
    }

    /// The service of a run: one slot, and a family where it wants one.
    static let terms: BoxTerms = {
        var terms = BoxTerms()
        terms.architectures = InstancePlan.hostArchitectures
        terms.entrypoint = ["bin", "service"]
        terms.variables = ["WHAT"]
        terms.slots = [RelayedSlot(port: 6_379, transport: .tcp)]
        terms.atInit.memoryBytes = 64 << 20
        terms.atInit.diskBytes = 64 << 20
        return terms
    }()

    private func start(
        _ plan: InstancePlan, _ descriptors: [Int], isSecond: Bool,
        _ done: @escaping (Result<InstanceState, Fault>) -> Void
    ) {
        // Sent again in the second attempt: each of them is shared, not moved.
        let again = isSecond ? [] : ["image", "objects", "configuration"]
        sandbox?.call(
            SandboxSupervisorInterface.startInstance, bytes(plan.request),
            descriptors: descriptors, deadline: .seconds(60)
        ) { [self] result in
            guard goesOn() else { return }
            guard case .success(let answer) = result else {
                if case .failure(let fault) = result { done(.failure(fault)) }
                return
            }
            let reply: StartInstanceReply = answer.message() ?? StartInstanceReply()
            guard reply.state.phase == .ended, reply.state.ended.cause == .lost, !isSecond else {
                return done(.success(reply.state))
            }
            var forget = ForgetInstanceRequest()
            forget.instanceIDBytes = plan.request.instanceIDBytes
            sandbox?.call(
                SandboxSupervisorInterface.forgetInstance, bytes(forget), deadline: .seconds(30)
            ) { [self] result in
                guard goesOn() else { return }
                if case .failure(let fault) = result { return done(.failure(fault)) }
                let more = again.map { world.descriptors.make($0, life) }
                start(plan, more, isSecond: true, done)
            }
        }
    }

    private func watch(_ id: InstanceID) {
        var request = WatchInstanceRequest()
        request.instanceIDBytes = id.bytes
        var isOver = false
        let stream = SimStream(
            take: { [self] body in
                guard goesOn(), !isOver,
                    let state = try? Body.decode(answer: body) as InstanceState
                else { return }
                if state.phase == .ended { isOver = true }
                tell(.observed(id, state))
            },
            over: { [self] fault in
                guard goesOn(), !isOver else { return }
                if world.has(.noSecondWatch), fault?.code == .unavailable { return }
                tell(.watchLost(id, fault ?? Fault(.unavailable)))
            })
        sandbox?.open(SandboxSupervisorInterface.watchInstance, bytes(request), stream)
    }

    private func stop(_ id: InstanceID, grace: UInt32) {
        var request = StopInstanceRequest()
        request.instanceIDBytes = id.bytes
        request.graceMs = grace
        sandbox?.call(
            SandboxSupervisorInterface.stopInstance, bytes(request),
            deadline: .milliseconds(Int64(grace)) + .seconds(30)
        ) { [self] result in
            guard goesOn() else { return }
            switch result {
            case .success(let answer):
                if let state: InstanceState = answer.message() { tell(.observed(id, state)) }
            case .failure(let fault): tell(.stopFailed(id, fault))
            }
        }
    }

    private func forget(_ id: InstanceID) {
        var request = ForgetInstanceRequest()
        request.instanceIDBytes = id.bytes
        sandbox?.call(
            SandboxSupervisorInterface.forgetInstance, bytes(request), deadline: .seconds(30)
        ) { [self] result in
            guard goesOn() else { return }
            if case .failure = result { tell(.forgetFailed(id)) }
        }
    }

    private func release(_ id: InstanceID) {
        var request = ReleaseBoxRequest()
        request.holder = id.description
        boxes?.call(BoxBuilderInterface.releaseBox, bytes(request), deadline: .seconds(2)) {
            [self] result in
            guard goesOn() else { return }
            switch result {
            case .success: tell(.released(id))
            case .failure: tell(.releaseFailed(id))
            }
        }
    }

    private func listInstances() {
        var states: [InstanceState] = []
        let stream = SimStream(
            take: { body in
                if let state = try? Body.decode(answer: body) as InstanceState {
                    states.append(state)
                }
            },
            over: { [self] fault in
                guard goesOn() else { return }
                tell(fault == nil ? .supervisorListed(states) : .listingFailed(.instances))
            })
        sandbox?.open(
            SandboxSupervisorInterface.listInstances, [], deadline: .seconds(30), stream)
    }

    private func listHolds() {
        var holders: [String] = []
        let stream = SimStream(
            take: { body in
                if let hold = try? Body.decode(answer: body) as Hold { holders.append(hold.holder) }
            },
            over: { [self] fault in
                guard goesOn() else { return }
                tell(fault == nil ? .holdsListed(holders) : .listingFailed(.holds))
            })
        boxes?.open(BoxBuilderInterface.listHolds, [], deadline: .seconds(30), stream)
    }
}
