package import Interfaces

/// Parents and children.
///
/// It keeps true: nobody starts under an instance that ends or ended; no family is deeper or wider
/// than its bounds, and the live children of one have together no more than it has; whoever is asked
/// to end does so when its children have; an end is told when those of all descendants were; the tie
/// is durable with the child's acceptance, so that no restart leaves a child without the parent it has
/// to follow.
extension RegistryMachine {
    // LIMIT: 5 s more than its grace time for each generation to end; then whoever waits for it ends
    // all the same.
    private static let endTime: UInt64 = 5_000_000_000

    /// The number a new child gets: no other's whose end is still remembered.
    func numberForChild(of parent: InstanceID) throws(Fault) -> UInt16 {
        try checkFamily(of: parent)
        let numbers = FamilyAddress.numbers
        let last = max(lastNumbers[parent, default: 0], numbers.lowerBound - 1)
        if last < numbers.upperBound { return last + 1 }
        let taken = Set(records.values.lazy.filter { $0.parent == parent }.map(\.number))
        guard let free = numbers.first(where: { !taken.contains($0) }) else {
            throw GatewayFault.limitReached("children", numbers.count)
        }
        return free
    }

    private func checkFamily(of parent: InstanceID) throws(Fault) {
        guard let record = records[parent], let activity = activities[parent],
            record.stopGrace == nil, failures[parent] == nil
        else { throw GatewayFault.noInstance(parent.description) }
        // One that does not run yet has nothing to give, and no network to be reached in.
        guard [.following, .opening, .serving].contains(activity) else {
            throw Fault(.unavailable, subject: "parent")
        }
        guard children[parent, default: []].count < limits.children else {
            throw GatewayFault.limitReached("children", limits.children)
        }
        guard depth(of: parent) < limits.familyDepth else {
            throw GatewayFault.limitReached("depth", limits.familyDepth)
        }
    }

    /// One for an instance that was started from outside.
    func depth(of id: InstanceID) -> Int {
        var depth = 1
        var parent = records[id]?.parent
        while let one = parent {
            depth += 1
            parent = records[one]?.parent
        }
        return depth
    }

    /// In the order of their ids, so that equal events give equal steps.
    package func liveChildren(of id: InstanceID) -> [InstanceID] {
        children[id, default: []].filter { activities[$0] != nil }.sorted()
    }

    mutating func leaveFamily(_ record: InstanceRecord) {
        guard let parent = record.parent else { return }
        children[parent]?.remove(record.id)
        if children[parent]?.isEmpty == true { children[parent] = nil }
    }

    /// After a restart: who was left in the middle of its family's end goes on with it.
    mutating func restoreFamilies(_ now: Moment, _ step: inout Step) {
        for id in activities.keys.sorted() {
            // An end that was written down was not told while there was anybody below it.
            var child = id
            while let parent = records[child]?.parent, records[parent] != nil {
                children[parent, default: []].insert(child)
                child = parent
            }
        }
        for id in endedInOrder {
            guard let record = records[id] else { continue }
            if children[id] == nil {
                announce(record, outcome(of: record), &step)
            } else {
                holdBackEnd(id, &step)
            }
        }
        for id in activities.keys.sorted() where activities[id] == .serving {
            guard let record = records[id] else { continue }
            step.actions.append(.listen(id, opening(record)))
        }
        for id in waiting {
            if records[id]?.stopGrace != nil { giveUpWaiting(id, now, &step) }
        }
        stopLeftBehind(now, &step)
    }

    /// The process died between a parent's word or end and its children's.
    private mutating func stopLeftBehind(_ now: Moment, _ step: inout Step) {
        for id in activities.keys.sorted() {
            guard let record = records[id], let parent = record.parent, record.stopGrace == nil
            else { continue }
            guard activities[parent] == nil || records[parent]?.stopGrace != nil else { continue }
            stopAsked(id, grace: GatewayLimits.familyGrace, now, &step)
        }
        for id in activities.keys.sorted() where activities[id] == .serving {
            guard let grace = records[id]?.stopGrace else { continue }
            endWhenAlone(id, grace: grace, now, &step)
        }
    }

    // MARK: Ends

    /// Depth first: it is told when nobody is left that depends on it being there, or has not ended in
    /// its time.
    mutating func endWhenAlone(
        _ id: InstanceID, grace: UInt32, _ now: Moment, _ step: inout Step
    ) {
        let generations = height(of: id)
        guard generations > 0 else {
            step.actions.append(.stop(id, grace: grace))
            return
        }
        awaitingChildren.insert(id)
        let patience = UInt64(generations) * (UInt64(grace) * 1_000_000 + Self.endTime)
        errands[.stop(id)] = PendingErrand(dueAt: now.monotonic + patience)
    }

    /// Live generations below it.
    private func height(of id: InstanceID) -> Int {
        liveChildren(of: id).map { 1 + height(of: $0) }.max() ?? 0
    }

    mutating func childIsOver(_ parent: InstanceID, _ step: inout Step) {
        guard awaitingChildren.contains(parent), liveChildren(of: parent).isEmpty,
            let grace = records[parent]?.stopGrace ?? (failures[parent] == nil ? nil : 0)
        else { return }
        awaitingChildren.remove(parent)
        errands[.stop(parent)] = nil
        step.actions.append(.stop(parent, grace: grace))
    }

    // MARK: Bounds

    /// What its parent may give it; nil where it has none.
    package func budget(of id: InstanceID, now: Moment) -> FamilyBudget? {
        guard let parent = records[id]?.parent, let record = records[parent] else { return nil }
        let limits = givable(record)
        let siblings = liveChildren(of: parent).filter { $0 != id }
        let deadline = record.acceptedAt + limits.deadlineMs
        return FamilyBudget(
            parent: limits, siblings: siblings.compactMap { records[$0]?.granted },
            lifetimeLeft: limits.deadlineMs == 0
                ? nil : deadline.saturatingMinus(now.wallMilliseconds))
    }

    private func granted(_ record: InstanceRecord) -> Limits {
        record.granted ?? record.state.limits
    }

    /// The least it may have while its bounds change: what it gives now must still be its own then.
    private func givable(_ record: InstanceRecord) -> Limits {
        let known = FamilyBudget.least(granted(record), record.state.limits)
        return changing[record.id].map { FamilyBudget.least(known, $0) } ?? known
    }

    private func checkChildren(of id: InstanceID, _ limits: Limits) throws(Fault) {
        let children = liveChildren(of: id).compactMap { records[$0]?.granted }
        for (index, child) in children.enumerated() {
            let others = Array(children[..<index])
            try FamilyBudget(parent: limits, siblings: others).check(child)
        }
    }

    /// Charges bounds to the parent of an instance, before anybody makes them.
    package mutating func grant(
        _ id: InstanceID, _ limits: Limits, now: Moment
    ) throws(Fault) -> Step {
        guard let record = records[id], activities[id] != nil else {
            throw GatewayFault.noInstance(id.description)
        }
        if let budget = budget(of: id, now: now) { try budget.check(limits) }
        try checkChildren(of: id, limits)
        var step = Step()
        if record.granted != limits { setGranted(id, limits, &step) }
        return step
    }

    /// The same for a change of what is in force: nothing its children have is taken away from them.
    ///
    /// - Returns: also what is in force before; `bounded` says afterwards what is.
    package mutating func regrant(
        _ id: InstanceID, _ limits: Limits, now: Moment
    ) throws(Fault) -> (before: Limits, step: Step) {
        guard let record = records[id], activities[id] != nil else {
            throw GatewayFault.noInstance(id.description)
        }
        guard let before = record.granted else {
            throw Fault(.unavailable, subject: id.description)
        }
        if let budget = budget(of: id, now: now) { try budget.check(limits) }
        try checkChildren(of: id, limits)
        changing[id] = limits
        var step = Step()
        setGranted(id, FamilyBudget.most(before, limits), &step)
        return (before, step)
    }

    mutating func setGranted(_ id: InstanceID, _ limits: Limits, _ step: inout Step) {
        guard var record = records[id], activities[id] != nil else { return }
        record.granted = limits
        records[id] = record
        step.writes.append(.put(record))
    }

    // MARK: Who reaches whom

    func opening(_ record: InstanceRecord) -> Opening {
        Opening(
            slots: record.slots, isChild: record.parent != nil,
            entrances: record.entrances.filter { activities[$0.inside] != nil },
            counts: record.counts)
    }

    /// The entrance through which one instance would reach another.
    ///
    /// - Throws: where they are not siblings.
    package func introduction(
        of id: InstanceID, to sibling: InstanceID
    ) throws(Fault) -> FamilyEntrance {
        guard let one = records[id], activities[id] == .serving else {
            throw GatewayFault.noInstance(id.description)
        }
        guard let other = records[sibling], activities[sibling] != nil else {
            throw GatewayFault.noInstance(sibling.description)
        }
        guard id != sibling, let parent = one.parent, parent == other.parent else {
            throw GatewayFault.forbidden("siblings")
        }
        return one.entrance(inside: sibling, FamilyAddress.inSibling(one.number))
    }

    /// Whether ports are declared slots of an instance that may not listen on them yet: where an
    /// entrance took one first, the service could not have it.
    package func areAwaited(_ slots: [RelayedSlot], inside holder: InstanceID) -> Bool {
        guard let record = records[holder], record.stage == .accepted,
            record.state.phase != .ready
        else { return false }
        return record.slots.contains { own in slots.contains { $0.key == own.key } }
    }

    /// The entrance is there.
    package mutating func introduced(_ id: InstanceID, to sibling: InstanceID) -> Step {
        var step = Step()
        guard var record = records[id], activities[id] != nil,
            !record.introducedTo.contains(sibling)
        else { return step }
        record.introducedTo.append(sibling)
        records[id] = record
        step.writes.append(.put(record))
        announce(record, outcome(of: record), &step)
        return step
    }

    mutating func shifted(_ id: InstanceID, inside holder: InstanceID, _ step: inout Step) {
        guard var record = records[id], activities[id] != nil,
            !record.shiftedInside.contains(holder)
        else { return }
        record.shiftedInside.append(holder)
        records[id] = record
        step.writes.append(.put(record))
        announce(record, outcome(of: record), &step)
    }

    mutating func forgetIntroductions(
        to id: InstanceID, among parent: InstanceID, _ step: inout Step
    ) {
        for sibling in liveChildren(of: parent) {
            guard var record = records[sibling], record.introducedTo.contains(id) else { continue }
            record.introducedTo.removeAll { $0 == id }
            records[sibling] = record
            step.writes.append(.put(record))
            announce(record, outcome(of: record), &step)
        }
    }

    // MARK: Counts

    mutating func counted(_ id: InstanceID, _ counts: [SlotCount], _ step: inout Step) {
        guard var record = records[id], activities[id] != nil, record.counts != counts else {
            return
        }
        record.counts = counts
        records[id] = record
        step.writes.append(.put(record))
        // A figure of a few seconds ago is better than none, and nobody waits for it.
        step.mayPrecedeWrites = true
    }
}
