package import Interfaces
package import LaunchPlan

/// The life of one instance: accepted → preparing → starting → ready → stopping → ended. Events in,
/// actions out; no clock, no I/O.
///
/// Keeps true: phases only go forward; an ended instance never changes; the cause of the end is the
/// first thing that decided it: a failed start, then what the node asked for, then what the kernel
/// said about memory, then how the entrypoint ended. Refuses nothing: an event that has no meaning
/// where the instance stands has no effect.
package struct InstanceMachine: Sendable {
    package private(set) var record: InstanceRecord
    /// Slots that do not accept yet.
    private var closed: [Interfaces.Slot]
    private var isLaunched = false
    /// The witness was heard before the launcher that made it.
    private var hasStarted = false
    private var isKilled = false

    /// What happened.
    package enum Event: Sendable, Equatable {
        /// Nothing exists of it yet but its record; from a request, or read at the start.
        case begin
        /// Its directory, disk and cgroups are there and the launcher was asked.
        case prepared
        /// They could not be made; `step` says which.
        case prepareFailed(LaunchFailure)
        /// Its witness exists.
        case launched(pid: Int32, startTime: UInt64)
        /// The entrypoint runs.
        case started
        /// A slot accepts.
        case open(Interfaces.Slot)
        /// The time to become ready is over.
        case readyDeadline
        /// The time it may live is over.
        case deadline
        /// Other bounds are in force.
        case limited(Limits)
        /// Somebody asks for the end.
        case stop(graceMs: UInt32)
        /// The time between TERM and KILL is over.
        case graceOver
        /// The witness did not end within its own time, either.
        case killOverdue
        /// The witness is gone, and this is what it left.
        case gone(Remains)
    }

    /// What an instance left behind.
    package struct Remains: Sendable, Equatable {
        /// The witness's record; nil where it left none.
        package var outcome: LaunchOutcome?
        /// What the kernel counted after all had ended.
        package var outOfMemory: Bool
        package var usage: Usage
        package var lastLines: [String]
        package var limitsMet: [String]

        package init(
            outcome: LaunchOutcome?, outOfMemory: Bool, usage: Usage, lastLines: [String],
            limitsMet: [String] = []
        ) {
            self.limitsMet = limitsMet
            self.outcome = outcome
            self.outOfMemory = outOfMemory
            self.usage = usage
            self.lastLines = lastLines
        }
    }

    /// What is to be done, in this order.
    package enum Action: Sendable, Equatable {
        /// Write the record down, then tell who watches.
        case save
        case armReadyDeadline
        /// For the deadline of the bounds, or for none.
        case armDeadline
        case probe([Interfaces.Slot])
        case stopProbing
        /// TERM, by way of the witness.
        case terminate
        /// KILL to everything, by way of the witness, which still writes down the end.
        case kill
        /// KILL to the witness, and with it to everything.
        case destroy
        case armGrace(milliseconds: UInt32)
        case armKillOverdue
        /// Remove all of it that nobody needs any more.
        case cleanUp
    }

    package init(_ record: InstanceRecord) {
        self.record = record
        closed = record.slots
        isLaunched = record.pid != 0
    }

    package mutating func handle(_ event: Event, nowMs: UInt64) -> [Action] {
        if record.hasEnded { return [] }
        switch event {
        case .begin:
            return begin() + (record.state.limits.deadlineMs == 0 ? [] : [.armDeadline])
        case .prepared:
            return advance(to: .preparing)
        case .prepareFailed(let failure):
            return end(
                Remains(
                    outcome: .failed(failure), outOfMemory: false, usage: Usage(), lastLines: []),
                nowMs)
        case .launched(let pid, let startTime):
            isLaunched = true
            record.pid = pid
            record.startTime = startTime
            // Asked to end while it was made: there is nothing yet to say TERM to.
            if record.stop != nil { return [.save] + kill() }
            return [.save] + (hasStarted ? started(nowMs) : [])
        case .started:
            // Whoever hears that it runs comes for its network, which is not known before its witness is.
            hasStarted = true
            return isLaunched ? started(nowMs) : []
        case .open(let slot):
            return open(slot, nowMs)
        case .readyDeadline:
            return readyDeadline()
        case .deadline:
            return deadline()
        case .limited(let limits):
            record.state.limits = limits
            return [.save, .armDeadline]
        case .stop(let graceMs):
            return stop(graceMs)
        case .graceOver:
            return record.stop == nil || !isLaunched ? [] : kill()
        case .killOverdue:
            return isKilled ? [.destroy] : []
        case .gone(let remains):
            return end(remains, nowMs)
        }
    }

    private mutating func begin() -> [Action] {
        switch record.state.phase {
        case .starting:
            return [.armReadyDeadline, .probe(closed)]
        case .ready:
            return []
        case .stopping:
            // How much of the grace time was left is not known; it is not given twice.
            return kill()
        default:
            return [.save, .armReadyDeadline]
        }
    }

    private mutating func started(_ nowMs: UInt64) -> [Action] {
        guard record.state.phase == .accepted || record.state.phase == .preparing else { return [] }
        record.state.phase = .starting
        return closed.isEmpty ? ready(nowMs) : [.save, .probe(closed)]
    }

    private mutating func open(_ slot: Interfaces.Slot, _ nowMs: UInt64) -> [Action] {
        guard record.state.phase == .starting else { return [] }
        closed.removeAll { $0 == slot }
        return closed.isEmpty ? ready(nowMs) : []
    }

    private mutating func ready(_ nowMs: UInt64) -> [Action] {
        record.state.phase = .ready
        record.state.readyAtMs = nowMs
        return [.stopProbing, .save]
    }

    private mutating func readyDeadline() -> [Action] {
        switch record.state.phase {
        case .accepted, .preparing, .starting:
            let slot = closed.first.map(Self.name) ?? ""
            return beginStop(.notReady(slot)) + (isLaunched ? kill() : [])
        default:
            return []
        }
    }

    private mutating func deadline() -> [Action] {
        // What was asked before it stays the cause, but waits no longer.
        let actions = record.stop == nil ? beginStop(.deadline) : []
        return actions + (isLaunched ? kill() : [])
    }

    private mutating func stop(_ graceMs: UInt32) -> [Action] {
        if record.state.phase == .stopping {
            // A second request can only shorten the time.
            return graceMs == 0 && isLaunched ? kill() : []
        }
        // The entrypoint may not run yet; then TERM has nobody to go to and the grace decides.
        let actions = beginStop(.requested)
        if !isLaunched { return actions }
        if graceMs == 0 { return actions + kill() }
        return actions + [.terminate, .armGrace(milliseconds: graceMs)]
    }

    private mutating func beginStop(_ cause: StopCause) -> [Action] {
        record.stop = cause
        record.state.phase = .stopping
        return [.stopProbing, .save]
    }

    private mutating func kill() -> [Action] {
        if isKilled { return [] }
        isKilled = true
        return [.kill, .armKillOverdue]
    }

    private mutating func advance(to phase: Phase) -> [Action] {
        guard record.state.phase.rawValue < phase.rawValue else { return [] }
        record.state.phase = phase
        return [.save]
    }

    private mutating func end(_ remains: Remains, _ nowMs: UInt64) -> [Action] {
        var ended = Self.ended(remains, record.stop)
        ended.lastLines = remains.lastLines
        ended.limitsMet = remains.limitsMet
        record.state.ended = ended
        record.state.phase = .ended
        record.state.endedAtMs = nowMs
        if case .ended(let end)? = remains.outcome {
            record.state.endedAtMs = end.timeNanoseconds / 1_000_000
        }
        record.state.usage = remains.usage
        record.state.usage.memoryBytes = 0
        record.state.usage.processes = 0
        return [.stopProbing, .cleanUp, .save]
    }

    private static func ended(_ remains: Remains, _ stop: StopCause?) -> Ended {
        var ended = Ended()
        var outOfMemory = remains.outOfMemory
        var status: WitnessedEnd.Status?
        switch remains.outcome {
        case .failed(let failure)? where stop == nil:
            ended.cause = .startFailed
            ended.subject = "\(failure.step): \(ErrorName.of(failure.code))"
            return ended
        case .ended(let end)?:
            status = end.status
            outOfMemory = outOfMemory || end.outOfMemory
        default:
            break
        }
        switch status {
        case .exited(let code)?: ended.exitCode = UInt32(code)
        case .signalled(let signal)?: ended.signal = UInt32(signal)
        case nil: break
        }
        switch (stop, status) {
        case (.notReady(let slot)?, _):
            ended.cause = .notReady
            ended.subject = slot
        case (.requested?, _): ended.cause = .stopped
        case (.deadline?, _): ended.cause = .deadline
        case (nil, _) where outOfMemory: ended.cause = .outOfMemory
        case (nil, .exited?): ended.cause = .exited
        case (nil, .signalled?): ended.cause = .signalled
        case (nil, nil): ended.cause = .lost
        }
        return ended
    }

    /// "6379/tcp".
    package static func name(_ slot: Interfaces.Slot) -> String {
        "\(slot.port)/\(slot.transport == .udp ? "udp" : "tcp")"
    }
}
