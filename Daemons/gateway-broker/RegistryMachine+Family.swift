package import Interfaces

/// Parents and children.
///
/// It keeps true: nobody starts under an instance that ends or ended; no family is deeper or wider
/// than its bounds; an end is told when those of all descendants were; the tie is durable with the
/// child's acceptance, so that no restart leaves a child without the parent it has to follow.
extension RegistryMachine {
    func checkFamily(of parent: InstanceID) throws(Fault) {
        guard let record = records[parent], activities[parent] != nil, record.stopGrace == nil
        else { throw GatewayFault.noInstance(parent.description) }
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

    /// After a restart: the parent's end was written down, and the process died before its children
    /// were told.
    mutating func stopLeftBehind(_ now: Moment, _ step: inout Step) {
        for id in activities.keys.sorted() {
            guard let record = records[id], let parent = record.parent, activities[parent] == nil
            else { continue }
            stopAsked(id, grace: GatewayLimits.familyGrace, now, &step)
        }
    }

    /// What the parent has: no child gets more.
    package func ceiling(of id: InstanceID) -> Limits? {
        records[id]?.parent.flatMap { records[$0]?.state.limits }
    }
}
