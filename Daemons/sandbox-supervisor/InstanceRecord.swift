package import Interfaces

/// What is written down of an instance: enough to find it again, to go on with it, and to say how it
/// ended. The limits, times and the end are in `state`, as the outside sees them.
package struct InstanceRecord: Sendable, Equatable {
    package let id: InstanceID
    package var state: InstanceState
    /// The slots it must open before it is ready.
    package var slots: [Interfaces.Slot]
    package var readyDeadlineMs: UInt32
    /// Which range of host uids it has; no other living instance has it.
    package var uidSlot: UInt32
    /// The witness on the host; 0 before it is known.
    package var pid: Int32
    package var startTime: UInt64
    /// Why it was told to end; nil while it was not.
    package var stop: StopCause?

    package init(
        id: InstanceID, state: InstanceState, slots: [Interfaces.Slot], readyDeadlineMs: UInt32,
        uidSlot: UInt32
    ) {
        self.id = id
        self.state = state
        self.slots = slots
        self.readyDeadlineMs = readyDeadlineMs
        self.uidSlot = uidSlot
        pid = 0
        startTime = 0
        stop = nil
    }

    package var hasEnded: Bool { state.phase == .ended }

    /// Milliseconds until it must be ready, by the wall clock: it counts over restarts. Never more
    /// than it was given, since that clock may have been set back.
    package func readyTimeLeft(nowMs: UInt64) -> UInt64 {
        Self.left(of: UInt64(readyDeadlineMs), since: state.acceptedAtMs, nowMs)
    }

    /// The same for the time it may live; nil where that has no bound.
    package func timeLeft(nowMs: UInt64) -> UInt64? {
        state.limits.deadlineMs == 0
            ? nil : Self.left(of: state.limits.deadlineMs, since: state.acceptedAtMs, nowMs)
    }

    private static func left(of whole: UInt64, since start: UInt64, _ nowMs: UInt64) -> UInt64 {
        let end = start + whole
        return min(whole, end - min(end, nowMs))
    }
}

/// Why the node itself ends an instance.
package enum StopCause: Sendable, Equatable {
    case requested
    /// Its time was over.
    case deadline
    /// The slot that was still closed at the ready deadline.
    case notReady(String)
}
