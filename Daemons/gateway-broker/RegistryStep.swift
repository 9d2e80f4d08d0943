package import Interfaces

/// The time, from outside: monotonic nanoseconds for what is due when, milliseconds since 1970 for
/// what is written down.
package struct Moment: Sendable, Equatable {
    package let monotonic: UInt64
    package let wallMilliseconds: UInt64

    package init(monotonic: UInt64, wallMilliseconds: UInt64) {
        self.monotonic = monotonic
        self.wallMilliseconds = wallMilliseconds
    }
}

/// What happened.
package enum RegistryEvent: Sendable, Equatable {
    /// The acceptance of a start could not be written down: it never was.
    case notStored(InstanceID)
    /// The supervisor has it.
    case launched(InstanceID, Launch)
    case launchFailed(InstanceID, Fault)
    /// The supervisor's word on an instance, from a watch or as the answer to a stop.
    case observed(InstanceID, InstanceState)
    /// The watch ended without an end of the instance.
    case watchLost(InstanceID, Fault)
    /// The relay accepts on these ports.
    case listening(InstanceID, [RelayedSlot])
    case listenFailed(InstanceID, Fault)
    case stopAsked(InstanceID, grace: UInt32)
    case stopFailed(InstanceID, Fault)
    /// The supervisor was away: what it should forget it still has.
    case forgetFailed(InstanceID)
    case released(InstanceID)
    case releaseFailed(InstanceID)
    case supervisorListed([InstanceState])
    case holdsListed([String])
    case listingFailed(Listing)
    /// The ports it declares are taken inside the second: it is reached at others there.
    case shifted(InstanceID, inside: InstanceID)
    /// What passed through slots until now, of instances that go on.
    case counted([InstanceID: [SlotCount]])
    /// The relay let go of an instance that is about to end: what passed in all.
    case lastCounted(InstanceID, [SlotCount])
    /// Its bounds were changed, or stayed as these.
    case bounded(InstanceID, Limits)
    case timePassed

    package enum Listing: Sendable { case instances, holds }
}

/// What a launch brought: the box that was meant, its slots, and the supervisor's first state.
package struct Launch: Sendable, Equatable {
    package let serviceID: [UInt8]
    package let slots: [RelayedSlot]
    package let state: InstanceState

    package init(serviceID: [UInt8], slots: [RelayedSlot], state: InstanceState) {
        self.serviceID = serviceID
        self.slots = slots
        self.state = state
    }
}

/// What to do: first the writes, durably and all or none; then the actions, in order.
package struct Step: Sendable, Equatable {
    /// The start that this step accepts: where its writes fail, the start is refused.
    package internal(set) var accepting: InstanceID?
    package internal(set) var writes: [RegistryWrite] = []
    package internal(set) var actions: [RegistryAction] = []
    /// The actions may come before the writes where the disk refuses them: what is written can be
    /// had again from the supervisor. Otherwise nothing could be stopped while the disk is full.
    package internal(set) var mayPrecedeWrites = false

    package var ids: Set<InstanceID> {
        Set(writes.map(\.id)).union(actions.compactMap(\.id))
    }

    package var isEmpty: Bool { writes.isEmpty && actions.isEmpty }

    /// Takes out all that concerns an instance that was refused after all.
    package mutating func drop(_ id: InstanceID) {
        writes.removeAll { $0.id == id }
        actions.removeAll { $0.id == id }
    }
}

package enum RegistryWrite: Sendable, Equatable {
    case put(InstanceRecord)
    case delete(InstanceID)

    package var id: InstanceID {
        switch self {
        case .put(let record): record.id
        case .delete(let id): id
        }
    }
}

package enum RegistryAction: Sendable, Equatable {
    /// Open the box and hand it to the supervisor.
    case launch(InstanceRecord)
    case watch(InstanceID)
    case stop(InstanceID, grace: UInt32)
    /// Let the supervisor drop its record and its output.
    case forget(InstanceID)
    /// Let its slots be reached.
    case listen(InstanceID, Opening)
    case close(InstanceID)
    /// Let go of the box.
    case release(InstanceID)
    /// From now on outsiders see this; those who wait are told.
    case announce(InstanceID, ServiceInstance, Outcome?)
    /// Outsiders no longer see it.
    case retract(InstanceID)
    case listInstances
    case listHolds

    package var id: InstanceID? {
        switch self {
        case .launch(let record): record.id
        case .watch(let id), .stop(let id, _), .forget(let id), .listen(let id, _), .close(let id),
            .release(let id), .announce(let id, _, _), .retract(let id):
            id
        case .listInstances, .listHolds: nil
        }
    }
}

/// How the slots of an instance can be reached.
package struct Opening: Sendable, Equatable {
    /// With the host ports to listen on: any port where it is 0 or taken.
    package let slots: [RelayedSlot]
    package let isChild: Bool
    /// Inside which other instances, and where.
    package let entrances: [FamilyEntrance]
    /// Where counting goes on.
    package let counts: [SlotCount]
}

/// What a start came to.
package enum Outcome: Sendable, Equatable {
    case started
    /// It did not get ready; the same key gets the same fault.
    case failed(Fault)
    /// It was ready once, and ended.
    case ended
}

extension UInt64 {
    func saturatingMinus(_ other: UInt64) -> UInt64 { self > other ? self - other : 0 }
}
