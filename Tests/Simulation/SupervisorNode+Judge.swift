// What must be true of the supervisor's books.

import Interfaces
import sandbox_supervisor

extension SupervisorNode {
    func lookAtStore() {
        guard isListening else { return }
        var slots: Set<UInt32> = []
        for machine in machines.values where !machine.record.hasEnded {
            world.check(
                slots.insert(machine.record.uidSlot).inserted, "two instances with the same uids")
        }
        guard saves.isSaved, store.isIdle else { return }
        world.check(
            store.durable.count == machines.count,
            "the supervisor stores \(store.durable.count) and has \(machines.count)")
        for (id, machine) in machines {
            world.check(
                store.durable[id] == machine.record,
                "\(SimHost.short(id.bytes)): stored and held differ at the supervisor")
        }
    }

    func settled() {
        world.check(saves.isSaved, "the supervisor still has something to write")
        for (id, machine) in machines {
            world.check(
                machine.record.hasEnded, "the supervisor still has \(SimHost.short(id.bytes))")
        }
        world.check(living.isEmpty, "the supervisor still looks after somebody")
        for bytes in host.directories {
            let isKnown = InstanceID(bytes).map { machines[$0] != nil } ?? false
            world.check(isKnown, "the directory of \(SimHost.short(bytes)) is left")
        }
    }
}

extension Judge {
    func supervisorAnnounced(_ record: InstanceRecord) {
        supervisorAnnounced(record.id.bytes, record.hasEnded ? record.state.ended.cause : nil)
    }
}
