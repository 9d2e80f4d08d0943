import Interfaces

/// The life of one instance between its acceptance and its end.
extension RegistryMachine {
    mutating func launched(
        _ id: InstanceID, _ launch: Launch, _ now: Moment, _ step: inout Step
    ) {
        guard case .launching = activities[id], var record = records[id] else {
            // Over meanwhile: nothing of it may stay.
            if activities[id] == nil {
                step.actions.append(.stop(id, grace: 0))
                step.actions.append(.release(id))
            }
            return
        }
        errands[.launch(id)] = nil
        record.serviceID = launch.serviceID
        record.slots = launch.slots
        record.state = launch.state
        records[id] = record
        activities[id] = .following
        if launch.state.phase == .ended {
            ended(id, launch.state, now, &step)
            return
        }
        announce(record, nil, &step)
        step.actions.append(.watch(id))
        if let grace = record.stopGrace { endWhenAlone(id, grace: grace, now, &step) }
        admitWaiting(now, &step)
    }

    mutating func launchFailed(
        _ id: InstanceID, _ fault: Fault, _ now: Moment, _ step: inout Step
    ) {
        guard case .launching(let giveUpAt) = activities[id], let record = records[id] else {
            // Over meanwhile: what was opened for it is let go.
            if activities[id] == nil { step.actions.append(.release(id)) }
            return
        }
        let isWorthRepeating = GatewayFault.isTransient(fault) && record.stopGrace == nil
        if isWorthRepeating, now.monotonic < giveUpAt {
            postpone(.launch(id), now)
            return
        }
        errands[.launch(id)] = nil
        failWhenGone(
            id, record.stopGrace == nil ? fault : GatewayFault.stoppedEarly(), now, &step)
        admitWaiting(now, &step)
    }

    /// The supervisor may have it all the same: an answer can be lost. Whatever it has is stopped, and
    /// the failure is told when it says that there is nothing. If it cannot be reached, only an end
    /// that somebody asked for waits for it; otherwise the next listing finds what we did not follow.
    private mutating func failWhenGone(
        _ id: InstanceID, _ fault: Fault, _ now: Moment, _ step: inout Step
    ) {
        failures[id] = fault
        activities[id] = .following
        for child in liveChildren(of: id) {
            stopAsked(child, grace: GatewayLimits.familyGrace, now, &step)
        }
        endWhenAlone(id, grace: 0, now, &step)
    }

    mutating func observed(
        _ id: InstanceID, _ state: InstanceState, _ now: Moment, _ step: inout Step
    ) {
        guard var record = records[id], let activity = activities[id] else { return }
        errands[.watch(id)] = nil
        if state.phase == .ended {
            ended(id, state, now, &step)
            return
        }
        // A launch whose answer is still out; its answer brings the slots.
        if case .launching = activity { return }
        if case .waiting = activity { return }
        record.state = state
        records[id] = record
        if failures[id] != nil { return }
        if state.phase == .ready, activity == .following {
            activities[id] = .opening
            step.actions.append(.listen(id, opening(record)))
            return
        }
        announce(record, outcome(of: record), &step)
    }

    mutating func watchLost(
        _ id: InstanceID, _ fault: Fault, _ now: Moment, _ step: inout Step
    ) {
        guard activities[id] != nil else { return }
        if fault.code == .notFound {
            lost(id, now, &step)
        } else {
            postpone(.watch(id), now)
        }
    }

    mutating func listening(
        _ id: InstanceID, _ slots: [RelayedSlot], _ now: Moment, _ step: inout Step
    ) {
        guard var record = records[id], let activity = activities[id] else {
            step.actions.append(.close(id))
            return
        }
        guard activity == .opening || activity == .serving else { return }
        errands[.listen(id)] = nil
        let isNews = record.stage != .ready || record.slots != slots
        record.slots = slots
        record.stage = .ready
        record.wishes = nil
        losses[id] = nil
        records[id] = record
        activities[id] = .serving
        if isNews {
            step.writes.append(.put(record))
            announce(record, .started, &step)
        }
    }

    mutating func listenFailed(
        _ id: InstanceID, _ fault: Fault, _ now: Moment, _ step: inout Step
    ) {
        switch activities[id] {
        case .opening where GatewayFault.isTransient(fault) && !isTriedOut(.listen(id)):
            postpone(.listen(id), now)
        case .opening:
            failWhenGone(id, fault, now, &step)
        case .serving:
            // It runs, and was reachable before this process: that is worth waiting for.
            postpone(.listen(id), now)
        default:
            break
        }
    }

    // MARK: Stopping

    /// An instance that ended, or is not known, needs nothing.
    mutating func stopAsked(
        _ id: InstanceID, grace: UInt32, _ now: Moment, _ step: inout Step
    ) {
        guard activities[id] != nil else { return }
        // Depth first: whoever is told to end has nobody left that depends on it being there.
        for child in liveChildren(of: id) { stopAsked(child, grace: grace, now, &step) }
        guard var record = records[id], let activity = activities[id] else { return }
        let isFirst = record.stopGrace == nil
        // A later, shorter grace time counts: "stop it" may be followed by "now". A longer one is
        // no news.
        if let agreed = record.stopGrace, grace >= agreed { return }
        record.stopGrace = grace
        records[id] = record
        if activity == .waiting(isNew: true) {
            giveUpWaiting(id, now, &step)
            return
        }
        step.writes.append(.put(record))
        step.mayPrecedeWrites = true
        if isFirst { announce(record, outcome(of: record), &step) }
        if case .waiting = activity {
            giveUpWaiting(id, now, &step)
            return
        }
        if case .launching = activity {
            // Told to the supervisor as soon as it has answered; a launch that only waits to be
            // repeated is given up here.
            if errands[.launch(id)]?.dueAt != nil {
                launchFailed(id, GatewayFault.stoppedEarly(), now, &step)
            }
            return
        }
        endWhenAlone(id, grace: grace, now, &step)
    }

    /// It is not started for the sake of being stopped.
    mutating func giveUpWaiting(_ id: InstanceID, _ now: Moment, _ step: inout Step) {
        if activities[id] == .waiting(isNew: false) {
            waiting.removeAll { $0 == id }
            failWhenGone(id, GatewayFault.stoppedEarly(), now, &step)
        } else {
            failed(id, GatewayFault.stoppedEarly(), now, &step)
        }
    }

    mutating func stopFailed(
        _ id: InstanceID, _ fault: Fault, _ now: Moment, _ step: inout Step
    ) {
        if fault.code == .notFound {
            if activities[id] != nil { lost(id, now, &step) }
        } else if activities[id] != nil {
            if records[id]?.stopGrace != nil || (failures[id] != nil && !isTriedOut(.stop(id))) {
                postpone(.stop(id), now)
            } else if let failure = failures[id] {
                failed(id, failure, now, &step)
                postpone(.listInstances, now)
            }
        } else {
            // Over for us, and perhaps not there: the next listing tells.
            postpone(.listInstances, now)
        }
    }

    // MARK: Ends

    /// The supervisor says how it ended.
    mutating func ended(
        _ id: InstanceID, _ state: InstanceState, _ now: Moment, _ step: inout Step
    ) {
        guard let record = records[id], activities[id] != nil else { return }
        if let failure = failures[id] {
            failed(id, failure, now, &step)
            return
        }
        let wasReady = record.stage == .ready || wasReadyUnseen(record, state)
        if !wasReady, state.ended.cause == .lost, beginAgain(record, now, &step) { return }
        step.mayPrecedeWrites = true
        finish(
            id, state: state,
            fault: wasReady ? nil : EndFault.fault(of: state.ended, deadline: record.readyDeadline),
            now, &step)
    }

    /// What has no slots may be ready and over before anybody looks: it did what it was started for, and
    /// how it ended is for whoever started it. With slots it was to be reached, and never was.
    private func wasReadyUnseen(_ record: InstanceRecord, _ state: InstanceState) -> Bool {
        guard activities[record.id] == .following || activities[record.id] == .opening else {
            return false
        }
        return record.slots.isEmpty && record.stopGrace == nil && state.readyAtMs != 0
            && state.ended.cause != .lost
    }

    /// The supervisor died in the middle of a start: nobody could reach the instance yet, and the
    /// start was accepted, so it is made again.
    private mutating func beginAgain(
        _ record: InstanceRecord, _ now: Moment, _ step: inout Step
    ) -> Bool {
        let id = record.id
        guard record.stopGrace == nil, losses[id, default: 0] < Self.lossesMax else { return false }
        losses[id, default: 0] += 1
        // Theirs was the one that is lost.
        for child in liveChildren(of: id) {
            stopAsked(child, grace: GatewayLimits.familyGrace, now, &step)
        }
        for errand in [Errand.watch(id), .listen(id), .stop(id)] { errands[errand] = nil }
        activities[id] = launching(record, now)
        step.actions.append(.close(id))
        step.actions.append(.launch(record))
        return true
    }

    /// The supervisor does not know it: the machine went down, or its state was lost.
    mutating func lost(_ id: InstanceID, _ now: Moment, _ step: inout Step) {
        guard let record = records[id] else { return }
        var state = record.state
        state.ended = Ended()
        state.ended.cause = .lost
        ended(id, state, now, &step)
    }

    /// The start did not get as far as the supervisor, or not back from it.
    mutating func failed(
        _ id: InstanceID, _ fault: Fault, _ now: Moment, _ step: inout Step
    ) {
        guard let record = records[id] else { return }
        var state = record.state
        state.ended = Ended()
        state.ended.cause = record.stopGrace == nil ? .startFailed : .stopped
        state.ended.subject = fault.subject
        finish(id, state: state, fault: fault, now, &step)
    }

    private mutating func finish(
        _ id: InstanceID, state: InstanceState, fault: Fault?, _ now: Moment, _ step: inout Step
    ) {
        guard var record = records[id] else { return }
        let mayHoldBox = activities[id] != .waiting(isNew: true)
        losses[id] = nil
        record.stage = .ended
        record.state = state
        record.state.phase = .ended
        // What is remembered for how long counts from when it was heard of, not from when it was:
        // an end that nobody could hear of yet is not forgotten at once.
        record.endedAt = now.wallMilliseconds
        record.fault = fault
        record.wishes = nil
        record.slots = record.slots.map { RelayedSlot(port: $0.port, transport: $0.transport) }
        records[id] = record
        activities[id] = nil
        waiting.removeAll { $0 == id }
        if names[record.name] == id { names[record.name] = nil }
        for errand in [Errand.launch(id), .watch(id), .listen(id), .stop(id)] {
            errands[errand] = nil
        }
        endedInOrder.append(id)
        awaitingChildren.remove(id)
        failures[id] = nil
        step.writes.append(.put(record))
        step.actions.append(.close(id))
        unannounced.insert(id)
        for child in liveChildren(of: id) {
            stopAsked(child, grace: GatewayLimits.familyGrace, now, &step)
        }
        if let parent = record.parent {
            forgetIntroductions(to: id, among: parent, &step)
            childIsOver(parent, &step)
        }
        if mayHoldBox {
            holding.insert(id)
            errands[.release(id)] = PendingErrand(dueAt: nil)
            step.actions.append(.release(id))
        } else {
            announceEnd(id, &step)
        }
        forgetOld(now, &step)
        admitWaiting(now, &step)
    }

    /// Whoever hears of an end finds nothing of the instance left, its hold on the box and its family
    /// included; only a box-builder that is not there is not waited for.
    mutating func announceEnd(_ id: InstanceID, _ step: inout Step) {
        guard !holding.contains(id), children[id] == nil, unannounced.remove(id) != nil,
            let record = records[id]
        else { return }
        announce(record, outcome(of: record), &step)
        leaveFamily(record)
        if let parent = record.parent { announceEnd(parent, &step) }
    }

    /// After a restart: its end is told when its children's are.
    mutating func holdBackEnd(_ id: InstanceID, _ step: inout Step) {
        guard let record = records[id] else { return }
        unannounced.insert(id)
        var view = record.view
        view.state.phase = .stopping
        view.state.clearEnded()
        step.actions.append(.announce(id, view, nil))
    }

    /// Ended instances are remembered for a time and in a number.
    mutating func forgetOld(_ now: Moment, _ step: inout Step) {
        let oldest = now.wallMilliseconds.saturatingMinus(limits.endedSeconds * 1_000)
        while let id = endedInOrder.first {
            let isOld = (records[id]?.endedAt ?? 0) < oldest
            guard isOld || endedInOrder.count > limits.endedInstances else { break }
            endedInOrder.removeFirst()
            let mustRelease = errands[.release(id)] != nil
            remove(id, &step)
            step.writes.append(.delete(id))
            step.actions.append(.forget(id))
            if mustRelease { step.actions.append(.release(id)) }
        }
    }
}
