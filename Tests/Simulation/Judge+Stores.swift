// What stores and memory must agree on, and what must be left when all is over.

import Channel
import Interfaces
import gateway_broker

extension Judge {
    /// What is held in memory is what a new process would read, where nothing is being written.
    func lookAtStores() {
        let gateway = node.gateway
        if gateway.isListening, gateway.outbox.isEmpty, !gateway.outbox.needsRetry,
            gateway.store.isIdle
        {
            let stored = gateway.store.durable
            let held = gateway.machine.records
            world.check(
                stored.count == held.count,
                "\(stored.count) instances are stored and \(held.count) held")
            for (id, record) in held {
                guard let row = stored[id] else {
                    world.fail("\(id.short) is held and not stored")
                    continue
                }
                world.check(
                    row.stage == record.stage && row.stopGrace == record.stopGrace
                        && row.parent == record.parent && row.fault == record.fault
                        && row.key == record.key && row.name == record.name,
                    "\(id.short): stored and held differ")
            }
        }
        node.supervisor.lookAtStore()
        node.builder.lookAtStore()
    }

    /// Tokens that were given out open something, and those that were revoked nothing.
    func lookAtTokens() {
        let gateway = node.gateway
        guard gateway.isListening else { return }
        for token in granted.keys.sorted() where !revokesAsked.contains(token) {
            guard let bytes = granted[token], let id = InstanceID(bytes),
                gateway.machine.records[id] != nil
            else { continue }
            let found = TokenBook.digest(ofText: token).flatMap { gateway.grants.find($0) }
            world.check(found != nil, "a token that was given out opens nothing")
        }
        for token in revokedTokens {
            let found = TokenBook.digest(ofText: token).flatMap { gateway.grants.find($0) }
            world.check(found == nil, "a revoked token opens something")
        }
    }

    /// A machine made from the store now is in the state of the one that has lived.
    func lookAtRebuilt() {
        let gateway = node.gateway
        guard gateway.isListening, gateway.outbox.isEmpty, !gateway.outbox.needsRetry,
            gateway.store.isIdle
        else { return }
        // What was told to end is ended by a restart at once, where it had not begun.
        let isQuiet = gateway.machine.activities.keys.allSatisfy { id in
            guard let record = gateway.machine.records[id], record.stopGrace == nil else {
                return false
            }
            return record.parent.map { gateway.machine.activities[$0] != nil } ?? true
        }
        guard isQuiet else { return }
        var rebuilt = RegistryMachine(limits: gateway.limits) { [tokens = gateway.tokens] in
            tokens.digest(of: $0)
        }
        let stored = gateway.store.durable.sorted { $0.key < $1.key }.map(\.value)
        _ = rebuilt.restore(stored, now: gateway.moment)
        for (id, record) in gateway.machine.records {
            world.check(
                rebuilt.records[id]?.stage.rawValue ?? 0 >= record.stage.rawValue,
                "\(id.short) is not rebuilt")
            world.check(
                gateway.machine.liveChildren(of: id) == rebuilt.liveChildren(of: id),
                "the children of \(id.short) are not rebuilt")
        }
    }

    // MARK: When all is over

    /// Nothing lives, nothing is held, nobody waits.
    func settled() {
        let gateway = node.gateway
        let running = node.host.all.map { SimHost.short($0.id) }
        world.check(running.isEmpty, "still runs: \(running)")
        let live = gateway.machine.activities.keys.sorted().map(\.short)
        world.check(live.isEmpty, "the gateway still has: \(live)")
        world.check(gateway.outbox.isEmpty, "the gateway still has steps to perform")
        world.check(!gateway.outbox.needsRetry, "the gateway still owes its disk something")
        let ports = gateway.ports.keys.sorted().map(\.short)
        world.check(ports.isEmpty, "ports are still open: \(ports)")
        world.check(gateway.watcherCount == 0, "\(gateway.watcherCount) watchers are left")
        let holders = node.builder.holders.map { String($0.prefix(6)) }
        world.check(holders.isEmpty, "boxes are still held by \(holders)")
        node.builder.settled()
        world.check(node.host.cgroups.isEmpty, "cgroups are left: \(node.host.cgroups.count)")
        node.supervisor.settled()
        for daemon in [gateway, node.supervisor, node.builder] as [SimDaemon] {
            let held = world.descriptors.held(by: daemon.life)
            world.check(held.isEmpty, "\(daemon.name) still has \(held)")
            world.check(
                daemon.openRequests == 0, "\(daemon.name) still works for \(daemon.openRequests)")
        }
        questions.removeAll { $0.answers > 0 }
        for question in questions { world.fail("\(question.what): never answered") }
    }
}
