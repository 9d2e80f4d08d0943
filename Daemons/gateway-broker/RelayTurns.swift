/// Whose turn it is: what is to be done for each group, a little at a time.
///
/// Keeps true: whoever has little to do does not wait for whoever has much. A group that had nothing to
/// do comes before those that have been busy, once; then it has its place among them (the order of
/// RFC 8290's flows, with connections for packets). So a flood of one instance costs the connections of
/// others the time of what is being done, not of what waits.
///
/// Belongs to the loop's thread.
final class RelayTurns {
    // LIMIT: between two looks at the descriptors 2 things are done, each at most a connection accepted
    // and begun, or bytes moved for one; what becomes ready meanwhile has waited for no more than these.
    private static let sharedTurn = 2
    // LIMIT: 16 where nobody else is there to wait: a look costs about a fiftieth of a connection.
    private static let loneTurn = 16

    private var fresh: [RelayGroup] = []
    private var busy: [RelayGroup] = []

    func add(_ group: RelayGroup) {
        if group.isListed { return }
        group.isListed = true
        fresh.append(group)
    }

    /// - Parameter isShared: there are several groups that could have something to do.
    /// - Returns: whether there is more to do.
    func take(isShared: Bool) -> Bool {
        var left = isShared ? Self.sharedTurn : Self.loneTurn
        while left > 0 {
            let group: RelayGroup
            if !fresh.isEmpty {
                group = fresh.removeFirst()
            } else if !busy.isEmpty {
                group = busy.removeFirst()
                guard group.hasWork else {
                    group.isListed = false
                    continue
                }
            } else {
                return false
            }
            group.work()
            left -= 1
            busy.append(group)
        }
        return true
    }

    func remove(_ group: RelayGroup) {
        fresh.removeAll { $0 === group }
        busy.removeAll { $0 === group }
        group.isListed = false
    }
}
