// The life of an instance as a table: what it does in each phase, and how it says that it ended.

import Interfaces
import LaunchPlan
import Testing
import sandbox_supervisor

private let redis = slot(6_379)
private let metrics = slot(9_121)

private func slot(_ port: UInt32, _ transport: Transport = .tcp) -> Interfaces.Slot {
    var slot = Interfaces.Slot()
    slot.port = port
    slot.transport = transport
    return slot
}

private func machine(_ slots: [Interfaces.Slot] = [redis]) throws -> InstanceMachine {
    let id = try #require(InstanceID(Array(repeating: 7, count: 16)))
    var state = InstanceState()
    state.phase = .accepted
    state.acceptedAtMs = 1_000
    return InstanceMachine(
        InstanceRecord(id: id, state: state, slots: slots, readyDeadlineMs: 500, uidSlot: 3))
}

/// A machine that was told all of these.
private func machine(
    _ slots: [Interfaces.Slot] = [redis], after events: [InstanceMachine.Event]
) throws -> InstanceMachine {
    var machine = try machine(slots)
    for event in events { _ = machine.handle(event, nowMs: 2_000) }
    return machine
}

private let toStarting: [InstanceMachine.Event] = [
    .begin, .prepared, .launched(pid: 100, startTime: 5), .started,
]

private func remains(
    _ outcome: LaunchOutcome?, outOfMemory: Bool = false
) -> InstanceMachine.Event {
    .gone(.init(outcome: outcome, outOfMemory: outOfMemory, usage: Usage(), lastLines: ["last"]))
}

private func end(
    _ status: WitnessedEnd.Status, outOfMemory: Bool = false, killed: Bool = false
) -> LaunchOutcome {
    .ended(
        WitnessedEnd(
            status: status, outOfMemory: outOfMemory, killed: killed,
            timeNanoseconds: 9_000_000_000))
}

@Suite struct InstanceMachineTests {
    @Test func pastItsDeadlineItIsKilledAndThatIsTheCause() throws {
        var machine = try machine(after: toStarting)
        #expect(
            machine.handle(.deadline, nowMs: 3_000) == [
                .stopProbing, .save, .kill, .armKillOverdue,
            ])
        _ = machine.handle(remains(end(.signalled(9), killed: true)), nowMs: 3_001)
        #expect(machine.record.state.ended.cause == .deadline)
    }

    @Test func aDeadlineAfterAStopKillsButDoesNotChangeTheCause() throws {
        var machine = try machine(after: toStarting + [.stop(graceMs: 5_000)])
        #expect(machine.handle(.deadline, nowMs: 3_000) == [.kill, .armKillOverdue])
        _ = machine.handle(remains(end(.signalled(9), killed: true)), nowMs: 3_001)
        #expect(machine.record.state.ended.cause == .stopped)
    }

    @Test func otherBoundsAreWrittenDownAndTheDeadlineIsArmedAgain() throws {
        var machine = try machine(after: toStarting)
        var limits = machine.record.state.limits
        limits.deadlineMs = 60_000
        #expect(machine.handle(.limited(limits), nowMs: 3_000) == [.save, .armDeadline])
        #expect(machine.record.state.limits == limits)
        // Found again by a later supervisor, it still has its deadline.
        var again = InstanceMachine(machine.record)
        #expect(again.handle(.begin, nowMs: 4_000).last == .armDeadline)
    }

    @Test func aWitnessThatIsHeardBeforeItsLauncherIsNotSaidToRunBeforeItIsKnown() throws {
        for slots in [[redis], []] {
            var machine = try machine(slots, after: [.begin, .prepared])
            #expect(machine.handle(.started, nowMs: 1_002) == [])
            #expect(machine.record.state.phase == .preparing)
            _ = machine.handle(.launched(pid: 9, startTime: 4), nowMs: 1_003)
            #expect(machine.record.state.phase == (slots.isEmpty ? .ready : .starting))
            #expect(machine.record.state.readyAtMs == (slots.isEmpty ? 1_003 : 0))
        }
    }

    @Test func slotsAreAskedAlsoWhenTheWitnessIsHeardBeforeItsLauncher() throws {
        var machine = try machine(after: [.begin, .prepared, .started])
        #expect(
            machine.handle(.launched(pid: 9, startTime: 4), nowMs: 1_003)
                == [.save, .save, .probe([redis])])
        #expect(machine.handle(.open(redis), nowMs: 1_004) == [.stopProbing, .save])
    }

    @Test func itIsReadyWhenTheLastSlotOpensAndNotBefore() throws {
        var machine = try machine([redis, metrics])
        #expect(machine.handle(.begin, nowMs: 1_000) == [.save, .armReadyDeadline])
        #expect(machine.handle(.prepared, nowMs: 1_001) == [.save])
        #expect(machine.handle(.launched(pid: 9, startTime: 4), nowMs: 1_002) == [.save])
        #expect(machine.record.pid == 9 && machine.record.startTime == 4)
        #expect(machine.handle(.started, nowMs: 1_003) == [.save, .probe([redis, metrics])])
        #expect(machine.handle(.open(metrics), nowMs: 1_004) == [])
        #expect(machine.record.state.phase == .starting)
        #expect(machine.handle(.open(redis), nowMs: 1_005) == [.stopProbing, .save])
        #expect(machine.record.state.phase == .ready)
        #expect(machine.record.state.readyAtMs == 1_005)
    }

    @Test func withoutSlotsItIsReadyWhenItRuns() throws {
        let machine = try machine([], after: toStarting)
        #expect(machine.record.state.phase == .ready)
    }

    @Test func aClosedSlotAtTheDeadlineKillsItAndIsTheSubject() throws {
        var machine = try machine([redis, metrics], after: toStarting + [.open(redis)])
        #expect(
            machine.handle(.readyDeadline, nowMs: 3_000)
                == [.stopProbing, .save, .kill, .armKillOverdue])
        _ = machine.handle(remains(end(.signalled(9), killed: true)), nowMs: 3_100)
        #expect(machine.record.state.ended.cause == .notReady)
        #expect(machine.record.state.ended.subject == "9121/tcp")
        #expect(machine.record.state.ended.lastLines == ["last"])
    }

    @Test func theDeadlineMeansNothingToAReadyInstance() throws {
        var machine = try machine(after: toStarting + [.open(redis)])
        #expect(machine.handle(.readyDeadline, nowMs: 3_000) == [])
        #expect(machine.record.state.phase == .ready)
    }

    @Test func stoppingIsTermThenKillAfterTheGrace() throws {
        var machine = try machine(after: toStarting + [.open(redis)])
        #expect(
            machine.handle(.stop(graceMs: 700), nowMs: 3_000)
                == [.stopProbing, .save, .terminate, .armGrace(milliseconds: 700)])
        #expect(machine.handle(.stop(graceMs: 900), nowMs: 3_001) == [])
        #expect(machine.handle(.graceOver, nowMs: 3_700) == [.kill, .armKillOverdue])
        #expect(machine.handle(.graceOver, nowMs: 3_701) == [])
        #expect(machine.handle(.killOverdue, nowMs: 9_000) == [.destroy])
        _ = machine.handle(remains(nil), nowMs: 9_001)
        #expect(machine.record.state.ended.cause == .stopped)
    }

    @Test func aSecondStopWithoutGraceKillsAtOnce() throws {
        var machine = try machine(after: toStarting + [.stop(graceMs: 60_000)])
        #expect(machine.handle(.stop(graceMs: 0), nowMs: 3_000) == [.kill, .armKillOverdue])
    }

    @Test func whatIsStoppedBeforeItsWitnessExistsIsKilledWithIt() throws {
        var machine = try machine(after: [.begin, .prepared, .stop(graceMs: 5_000)])
        #expect(
            machine.handle(.launched(pid: 9, startTime: 1), nowMs: 2_001)
                == [.save, .kill, .armKillOverdue])
        #expect(machine.handle(.started, nowMs: 2_002) == [])
        #expect(machine.record.state.phase == .stopping)
    }

    struct Ending: Sendable {
        let outcome: LaunchOutcome?
        let outOfMemory: Bool
        let cause: EndCause
        let exitCode: UInt32
        let signal: UInt32
    }

    @Test(arguments: [
        Ending(
            outcome: end(.exited(0)), outOfMemory: false, cause: .exited, exitCode: 0, signal: 0),
        Ending(
            outcome: end(.exited(255)), outOfMemory: false, cause: .exited, exitCode: 255,
            signal: 0),
        Ending(
            outcome: end(.signalled(11)), outOfMemory: false, cause: .signalled, exitCode: 0,
            signal: 11),
        Ending(
            outcome: end(.signalled(9), outOfMemory: true), outOfMemory: false,
            cause: .outOfMemory, exitCode: 0, signal: 9),
        Ending(
            outcome: end(.signalled(9)), outOfMemory: true, cause: .outOfMemory, exitCode: 0,
            signal: 9),
        Ending(outcome: nil, outOfMemory: false, cause: .lost, exitCode: 0, signal: 0),
    ])
    func theCauseIsWhatDecidedTheEnd(_ ending: Ending) throws {
        var machine = try machine(after: toStarting + [.open(redis)])
        let actions = machine.handle(
            remains(ending.outcome, outOfMemory: ending.outOfMemory), nowMs: 4_000)
        #expect(actions == [.stopProbing, .cleanUp, .save])
        let ended = machine.record.state.ended
        #expect(ended.cause == ending.cause)
        #expect(ended.exitCode == ending.exitCode)
        #expect(ended.signal == ending.signal)
        #expect(machine.record.state.endedAtMs == (ending.outcome == nil ? 4_000 : 9_000))
    }

    @Test func aFailedStepIsTheSubjectWithTheKernelsWord() throws {
        var machine = try machine(after: [.begin, .prepared, .launched(pid: 9, startTime: 1)])
        let failure = LaunchFailure(step: "exec /start", code: 8)
        _ = machine.handle(remains(.failed(failure)), nowMs: 2_100)
        #expect(machine.record.state.ended.cause == .startFailed)
        #expect(machine.record.state.ended.subject == "exec /start: ENOEXEC")
    }

    @Test func afterTheEndNothingChanges() throws {
        let ended = try machine(after: toStarting + [remains(end(.exited(3)))])
        for event: InstanceMachine.Event in [
            .begin, .prepared, .launched(pid: 1, startTime: 1), .started, .open(redis),
            .readyDeadline, .stop(graceMs: 0), .graceOver, .killOverdue, remains(nil),
        ] {
            var machine = ended
            #expect(machine.handle(event, nowMs: 9_999) == [])
            #expect(machine.record == ended.record)
        }
    }

    @Test(arguments: [Phase.starting, .ready, .stopping])
    func aSupervisorThatComesBackGoesOnWhereTheRecordStands(_ phase: Phase) throws {
        var record = try machine().record
        record.state.phase = phase
        record.pid = 77
        if phase == .stopping { record.stop = .requested }
        var machine = InstanceMachine(record)
        let actions = machine.handle(.begin, nowMs: 5_000)
        switch phase {
        case .starting: #expect(actions == [.armReadyDeadline, .probe([redis])])
        case .ready: #expect(actions == [])
        default: #expect(actions == [.kill, .armKillOverdue])
        }
    }

    @Test func anyOrderOfEventsKeepsThePhasesGoingForward() throws {
        var generator = Seeded(state: 42)
        for _ in 0..<2_000 {
            var machine = try machine([redis, metrics])
            var phase = Phase.accepted.rawValue
            for _ in 0..<30 {
                _ = machine.handle(Self.event(generator.next()), nowMs: generator.next() >> 40)
                #expect(machine.record.state.phase.rawValue >= phase)
                phase = machine.record.state.phase.rawValue
                #expect(machine.record.state.hasEnded == (machine.record.state.phase == .ended))
            }
        }
    }

    private static func event(_ number: UInt64) -> InstanceMachine.Event {
        let events: [InstanceMachine.Event] = [
            .begin, .prepared, .launched(pid: 5, startTime: 5), .started, .open(redis),
            .open(metrics), .readyDeadline, .stop(graceMs: 0), .stop(graceMs: 10), .graceOver,
            .killOverdue, .prepareFailed(LaunchFailure(step: "disk", code: 28)),
            remains(end(.exited(1))), remains(nil), .started, .prepared,
        ]
        return events[Int(number % UInt64(events.count))]
    }
}

/// SplitMix64: the same run from the same seed.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
