// What the supervisor of a run answers.

import Channel
import Interfaces
import LaunchPlan
import sandbox_supervisor

extension SupervisorNode {
    func answer(_ request: SimRequest) {
        let name = request.method.name
        do throws(Fault) {
            switch name {
            case "StartInstance": try startInstance(request)
            case "StopInstance": try stopInstance(request)
            case "WatchInstance": try watchInstance(request)
            case "ListInstances": listInstances(request)
            case "ForgetInstance": try forgetInstance(request)
            default: throw Fault(.unknownMethod)
            }
        } catch {
            request.fault(error)
        }
    }

    private func known(_ bytes: [UInt8]) throws(Fault) -> InstanceID {
        guard let id = InstanceID(bytes) else { throw .invalid(.malformed, subject: "id") }
        guard machines[id] != nil else { throw Fault(.notFound) }
        return id
    }

    private func state(_ id: InstanceID) throws(Fault) -> InstanceState {
        guard let state = announced[id] else { throw Fault(.notFound) }
        return state
    }

    // MARK: Start

    private func startInstance(_ request: SimRequest) throws(Fault) {
        guard let message: StartInstanceRequest = request.message() else {
            throw .invalid(.malformed, subject: "request")
        }
        let check = try StartCheck(message)
        let id = check.id
        if machines[id] == nil {
            let record = try record(message, check)
            accept(record)
            prepare(id, request.descriptors, record)
            request.descriptors = []
        } else {
            request.closeDescriptors()
            if world.has(.launchTwice), living[id]?.pid != 0 { launch(id, []) }
        }
        untilSaved { [self] fault in
            if let fault {
                if announced[id] == nil { tell(id, .stop(graceMs: 0)) }
                return request.fault(fault)
            }
            guard let state = announced[id] else { return request.fault(Fault(.internal)) }
            var reply = StartInstanceReply()
            reply.state = state
            request.reply(reply)
        }
    }

    private func record(
        _ request: StartInstanceRequest, _ check: StartCheck
    ) throws(Fault) -> InstanceRecord {
        guard machines.count < instancesMax else {
            throw .limitReached(subject: "instances", limit: UInt64(instancesMax))
        }
        let taken = Set(machines.values.filter { !$0.record.hasEnded }.map(\.record.uidSlot))
        let slot = (0..<UInt32(instancesMax)).first { !taken.contains($0) } ?? 0
        var state = InstanceState()
        state.instanceIDBytes = check.id.bytes
        state.serviceID = request.serviceID
        state.phase = .accepted
        state.limits = check.limits
        state.acceptedAtMs = world.wallMilliseconds
        return InstanceRecord(
            id: check.id, state: state, slots: request.slots,
            readyDeadlineMs: request.readyDeadlineMs, uidSlot: slot)
    }

    private func prepare(_ id: InstanceID, _ given: [Int], _ record: InstanceRecord) {
        world.after(world.random.between(1_000_000...30_000_000), life) { [self] in
            guard goesOn() else { return }
            guard host.prepare(id.bytes, memoryBytes: record.state.limits.memoryBytes) else {
                world.descriptors.close(given)
                return finish(id, failed: LaunchFailure(step: "make instance directory", code: 28))
            }
            tell(id, .prepared)
            guard machines[id]?.record.stop == nil else {
                world.descriptors.close(given)
                return finish(id)
            }
            launch(id, given)
        }
    }

    private func launch(_ id: InstanceID, _ given: [Int]) {
        world.after(world.random.between(2_000_000...20_000_000), life) { [self] in
            // The launcher has its own of everything.
            world.descriptors.close(given)
            let hearer = life
            let instance = host.launch(id.bytes, node.behaviour()) { [self] in
                // To whoever launched it, and to nobody who came after.
                world.after(20_000, hearer) { [self] in tell(id, .started) }
            }
            world.after(100_000, life) { [self] in
                guard goesOn() else { return }
                launched(id, instance)
            }
        }
    }

    // MARK: The rest

    private func stopInstance(_ request: SimRequest) throws(Fault) {
        guard let message: StopInstanceRequest = request.message() else {
            throw .invalid(.malformed, subject: "request")
        }
        let id = try known([UInt8](message.instanceID))
        tell(id, .stop(graceMs: message.graceMs))
        answerEnd(request, id)
    }

    private func answerEnd(_ request: SimRequest, _ id: InstanceID) {
        guard !request.isOver else { return }
        if let state = announced[id] {
            if state.phase == .ended { return request.reply(state) }
        } else if machines[id]?.record.hasEnded ?? true {
            return request.fault(Fault(.notFound))
        }
        onChange(id) { [self] in answerEnd(request, id) }
    }

    private func watchInstance(_ request: SimRequest) throws(Fault) {
        guard let message: WatchInstanceRequest = request.message() else {
            throw .invalid(.malformed, subject: "request")
        }
        let id = try known([UInt8](message.instanceID))
        untilSaved { [self] fault in
            if let fault { return request.fault(fault) }
            tellPhases(request, id, nil)
        }
    }

    private func tellPhases(_ request: SimRequest, _ id: InstanceID, _ told: Phase?) {
        guard !request.isOver else { return }
        guard let state = announced[id] else { return request.fault(Fault(.notFound)) }
        if state.phase != told {
            request.item(state)
            if state.phase == .ended { return request.end() }
        }
        onChange(id) { [self] in tellPhases(request, id, state.phase) }
    }

    private func listInstances(_ request: SimRequest) {
        for id in announced.keys.sorted() {
            if let state = announced[id] { request.item(state) }
        }
        request.end()
    }

    private func forgetInstance(_ request: SimRequest) throws(Fault) {
        guard let message: ForgetInstanceRequest = request.message(),
            let id = InstanceID([UInt8](message.instanceID))
        else { throw .invalid(.malformed, subject: "instance_id") }
        guard let machine = machines[id] else { return request.reply(ForgetInstanceReply()) }
        guard machine.record.hasEnded else { throw Fault(.inUse) }
        untilSaved { [self] fault in
            if let fault { return request.fault(fault) }
            host.forget(id.bytes)
            guard machines[id] != nil else { return request.reply(ForgetInstanceReply()) }
            remove(id) { fault in
                if let fault { request.fault(fault) } else { request.reply(ForgetInstanceReply()) }
            }
        }
    }
}
