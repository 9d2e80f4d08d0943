import Channel
package import Interfaces
import LaunchPlan
import Logging
package import Syscalls

/// From a request to a running entrypoint, and from there to the end.
extension SandboxService {
    /// The descriptors of a start request, in their order.
    private enum Given: Int { case image, objects, configuration }

    package func startInstance(
        _ request: StartInstanceRequest, descriptors: Parcel, context: CallContext
    ) async throws(Fault) -> StartInstanceReply {
        let check = try StartCheck(request)
        let id = check.id
        let inheritance = machines[id] == nil ? try await inherit(check) : nil
        if machines[id] == nil {
            let record = try accept(request, check)
            machines[id] = InstanceMachine(record)
            living[id] = Living()
            tell(id, .begin)
            prepare(check, request, descriptors, inheritance)
        }
        do throws(Fault) {
            try await untilSaved()
        } catch {
            refuse(id)
            throw error
        }
        guard let state = announced[id] else { throw Fault(.internal) }
        var reply = StartInstanceReply()
        reply.state = state
        return reply
    }

    /// It was never durable: nobody will hear of it again.
    private func refuse(_ id: InstanceID) {
        guard announced[id] == nil else { return }
        tell(id, .stop(graceMs: 0))
    }

    private func accept(
        _ request: StartInstanceRequest, _ check: StartCheck
    ) throws(Fault) -> InstanceRecord {
        guard machines.count < configuration.instancesMax else {
            throw .limitReached(
                subject: "instances", limit: UInt64(configuration.instancesMax),
                actual: UInt64(machines.count))
        }
        let taken = Set(machines.values.filter { !$0.record.hasEnded }.map(\.record.uidSlot))
        guard
            let slot = (0..<UInt32(configuration.instancesMax)).first(where: { !taken.contains($0) }
            )
        else {
            throw .limitReached(subject: "uid slots", limit: UInt64(configuration.instancesMax))
        }
        var state = InstanceState()
        state.instanceIDBytes = check.id.bytes
        state.serviceID = request.serviceID
        state.phase = .accepted
        state.limits = check.limits
        state.acceptedAtMs = nowMs()
        state.readOnly = request.readOnly
        return InstanceRecord(
            id: check.id, state: state, slots: request.slots,
            readyDeadlineMs: request.readyDeadlineMs, uidSlot: slot)
    }

    private func prepare(
        _ check: StartCheck, _ request: StartInstanceRequest, _ given: Parcel,
        _ inheritance: Inheritance?
    ) {
        guard let record = machines[check.id]?.record else { return }
        let id = check.id
        let workplace = workplace
        let uidBase = configuration.uidBase + record.uidSlot * LaunchPlan.uidsPerInstance
        var plan = LaunchPlan(
            instanceID: id.bytes, entrypoint: request.entrypoint, environment: check.environment,
            configurationPath: request.configurationPath, uidBase: uidBase,
            openFilesMax: check.limits.openFiles, outputBytesMax: configuration.outputBytesMax,
            outputBytesPerSecond: check.limits.outputBytesPerSecond,
            sharedMemoryBytesMax: max(check.limits.memoryBytes / 2, 65_536),
            rootKind: check.rootKind, groupKind: workplace.cgroups.planKind, groups: 0)
        plan.offered = request.offers.map(\.path)
        plan.inherited = inheritance?.directories ?? []
        plan.hasTerminals = request.terminals
        plan.isReadOnly = request.readOnly
        plan.listeners = check.listeners
        living[id]?.listeners = check.listeners
        let limits = check.limits
        let (whole, offers) = (plan, request.offers)
        Task {
            do throws(LaunchFailure) {
                let prepared = try await loop.runBlocking { () throws(LaunchFailure) in
                    let prepared = try workplace.prepare(
                        id, limits, witnessUID: whole.witnessUID, hasDisk: whole.hasDisk)
                    try workplace.note(offers, of: id)
                    return prepared
                }
                tell(id, .prepared)
                if machines[id]?.record.stop != nil {
                    return finish(id)
                }
                try launch(id, whole, given, prepared, inheritance?.parent)
            } catch {
                await gone(id, .failed(error))
            }
        }
    }

    private func launch(
        _ id: InstanceID, _ plan: LaunchPlan, _ given: Parcel, _ prepared: Workplace.Prepared,
        _ parent: SharedDescriptor?
    ) throws(LaunchFailure) {
        var plan = plan
        plan.groups = UInt8(prepared.groups.count - 1)
        let parcel = Parcel()
        let packet: [UInt8]
        do throws(LaunchViolation) {
            packet = try plan.encoded()
        } catch {
            throw LaunchFailure(step: "plan \(error.field)", code: Errno.invalid.code)
        }
        do throws(Errno) {
            for place in [Given.image, .objects, .configuration] {
                guard let descriptor = given.take(place.rawValue) else { throw .invalid }
                parcel.append(descriptor)
            }
            parcel.append(try prepared.directory.descriptor.duplicate())
            let report = try SeqpacketSocket.pair()
            parcel.append(try report.second.duplicate())
            for group in prepared.groups { parcel.append(try group.descriptor.duplicate()) }
            if let parent { parcel.append(try parent.descriptor.duplicate()) }
            if let disk = prepared.disk { parcel.append(try disk.descriptor.duplicate()) }
            try hearReport(id, SharedDescriptor(try report.first.duplicate()))
        } catch {
            throw LaunchFailure(step: "descriptors of the plan", code: error.code)
        }
        launcher.launch(packet, parcel) { [weak self] answer in
            // The launcher has its own of everything; the lock is now the witness's alone.
            _ = prepared
            parcel.close()
            self?.assumeIsolated { $0.answered(id, answer) }
        }
    }

    /// Waits for the witness's word on the start.
    private func hearReport(_ id: InstanceID, _ report: SharedDescriptor) throws(Errno) {
        living[id]?.report = report
        living[id]?.reportWatch = try loop.watch(report.descriptor, .readable) { [weak self] _ in
            self?.assumeIsolated { $0.reported(id) }
        }
    }

    private func answered(_ id: InstanceID, _ answer: LauncherLink.Answer) {
        switch answer {
        case .failure(let failure):
            Task { await gone(id, .failed(failure)) }
        case .success(let witness):
            adopt(id, pid: witness.pid, witness.pidfd)
            let start = WitnessIdentity.startTime(of: witness.pid) ?? 0
            tell(id, .launched(pid: witness.pid, startTime: start))
            keepWhatRuns(id)
        }
    }

    /// Takes up a witness: made just now, or found again.
    ///
    /// - Parameter network: its network namespace, where it is known already.
    func adopt(
        _ id: InstanceID, pid: Int32, _ pidfd: SharedDescriptor, network: SharedDescriptor? = nil
    ) {
        living[id, default: Living()].pidfd = pidfd
        living[id]?.memory.begin(
            atMs: machines[id]?.record.state.acceptedAtMs ?? nowMs())
        meter()
        // Gone already when the witness is: then its pidfd is ready, too.
        living[id]?.network = network ?? (try? NetworkGate.namespace(of: pid))
        do throws(Errno) {
            living[id]?.exitWatch = try loop.watch(pidfd.descriptor, .readable) { [weak self] _ in
                self?.assumeIsolated { $0.finish(id) }
            }
        } catch {
            logger.error("a witness cannot be watched", metadata: ["why": "\(error)"])
            finish(id)
        }
    }

    private func reported(_ id: InstanceID) {
        guard let report = living[id]?.report else { return }
        var buffer = [UInt8](repeating: 0, count: LaunchOutcome.bytesMax)
        var outcome: LaunchOutcome?
        do throws(Errno) {
            let received = try SeqpacketSocket.receive(report.descriptor, into: &buffer)
            outcome = try? LaunchOutcome(reading: [UInt8](buffer.prefix(received.bytes)))
            if outcome == .started { hold(id, received.descriptors) }
        } catch .again {
            return
        } catch {
            outcome = nil
        }
        if let token = living[id]?.reportWatch { loop.unwatch(token) }
        living[id]?.reportWatch = nil
        living[id]?.report = nil
        // A failure is also in the witness's record, which is read when it is gone.
        guard outcome == .started else { return }
        tell(id, .started)
        makeNext()
        keepWhatRuns(id)
    }

    /// When both the launcher and the witness were heard, in whatever order.
    private func keepWhatRuns(_ id: InstanceID) {
        guard living[id]?.pidfd != nil, let phase = machines[id]?.record.state.phase,
            phase == .starting || phase == .ready
        else { return }
        keep(id)
    }

    /// The witness has ended, or will never be: reads what it left.
    func finish(_ id: InstanceID) {
        Task { await gone(id, nil) }
    }

    /// - Parameter outcome: what is known here; nil for what the witness wrote down.
    private func gone(_ id: InstanceID, _ outcome: LaunchOutcome?) async {
        guard var left = living[id], !left.isEnding else { return }
        left.isEnding = true
        // What the witness said last may still be unread.
        if left.reportWatch != nil { reported(id) }
        left = living[id] ?? left
        left.isEnding = true
        unwatch(&left)
        living[id] = left
        let workplace = workplace
        var remains = await loop.runBlocking { workplace.remains(id) }
        if let outcome { remains.outcome = outcome }
        remains.usage.diskBytes = living[id]?.diskBytes ?? 0
        var endMs = nowMs()
        // It may have ended while there was no supervisor.
        if case .ended(let end)? = remains.outcome { endMs = end.timeNanoseconds / 1_000_000 }
        remains.usage.memoryByteSeconds =
            living[id]?.memory.total(endMs, peakBytes: remains.usage.memoryPeakBytes) ?? 0
        tell(id, .gone(remains))
    }
}
