// What the foreground node does about its daemons, event by event.

import Channel
import Syscalls
import Testing
import celautctl

@Suite struct KeeperMachineTests {
    private static let names = ["gateway", "supervisor", "builder"]
    private static let start = Instant(nanoseconds: 1_000_000_000)

    private static func at(_ duration: Duration) -> Instant { start.advanced(by: duration) }

    private static func running() -> KeeperMachine {
        var machine = KeeperMachine(names: names)
        _ = machine.begin()
        for name in names {
            machine.started(name, now: start)
            _ = machine.ready(name, now: start)
        }
        return machine
    }

    private func starts(_ actions: [KeeperMachine.Action]) -> [String] {
        actions.compactMap { if case .start(let name) = $0 { name } else { nil } }
    }

    private func signals(_ actions: [KeeperMachine.Action]) -> [String] {
        actions.compactMap {
            if case .signal(let name, let signal) = $0 { "\(name) \(signal.name)" } else { nil }
        }
    }

    @Test("All are started at the beginning")
    func begins() {
        var machine = KeeperMachine(names: Self.names)
        #expect(starts(machine.begin()) == Self.names)
    }

    @Test("One that crashes again and again waits twice as long each time, up to ten seconds")
    func backoff() {
        var machine = Self.running()
        var now = Self.start
        var waits: [Duration] = []
        for _ in 0..<10 {
            let before = machine.tick(now: now)
            #expect(starts(before).isEmpty)
            #expect(starts(machine.ended("builder", .exited(70), now: now)).isEmpty)
            let due = machine.nextDeadline ?? now
            // The others' watchdog is not what is waited for here.
            for name in ["gateway", "supervisor"] { machine.heard(name, now: due) }
            waits.append(now.duration(until: due))
            now = due
            #expect(starts(machine.tick(now: now)) == ["builder"])
            machine.started("builder", now: now)
            _ = machine.ready("builder", now: now)
        }
        #expect(
            waits.prefix(4) == [
                .milliseconds(20), .milliseconds(40), .milliseconds(80), .milliseconds(160),
            ])
        #expect(waits.last == .seconds(10))
        #expect(zip(waits, waits.dropFirst()).allSatisfy { $0 <= $1 })
    }

    @Test("After a long life the first wait is short again")
    func forgives() {
        var machine = Self.running()
        var now = Self.start
        for _ in 0..<5 {
            _ = machine.ended("builder", .signaled(.kill, coreDumped: false), now: now)
            now = machine.nextDeadline ?? now
            _ = machine.tick(now: now)
            machine.started("builder", now: now)
            _ = machine.ready("builder", now: now)
        }
        now = now.advanced(by: .seconds(11))
        for name in Self.names { machine.heard(name, now: now) }
        _ = machine.ended("builder", .exited(70), now: now)
        #expect(machine.nextDeadline == now.advanced(by: KeeperMachine.backoffMin))
    }

    @Test("One that ended by itself comes back with the next request, not before")
    func idles() {
        var machine = Self.running()
        let actions = machine.ended("builder", .exited(0), now: Self.at(.seconds(1)))
        #expect(starts(actions).isEmpty && actions.contains(.listen("builder")))
        #expect(starts(machine.connectionWaits("builder")) == ["builder"])
    }

    @Test("One that ends with 0 before it was ready is a failure, with its back-off")
    func endsEarly() {
        var machine = KeeperMachine(names: Self.names)
        _ = machine.begin()
        machine.started("builder", now: Self.start)
        let actions = machine.ended("builder", .exited(0), now: Self.start)
        #expect(!actions.contains(.listen("builder")))
        #expect(machine.connectionWaits("builder").isEmpty)
    }

    @Test("One that is not ready in time is killed, and then started again")
    func neverReady() {
        var machine = KeeperMachine(names: ["builder"])
        _ = machine.begin()
        machine.started("builder", now: Self.start)
        let due = Self.at(KeeperMachine.startTimeout)
        #expect(machine.nextDeadline == due)
        #expect(signals(machine.tick(now: due)) == ["builder KILL"])
        #expect(machine.tick(now: due.advanced(by: .seconds(1))).isEmpty)
        _ = machine.ended("builder", .signaled(.kill, coreDumped: false), now: due)
        #expect(starts(machine.tick(now: due.advanced(by: .milliseconds(100)))) == ["builder"])
    }

    @Test("One whose watchdog is silent is killed; one that says it lives is not")
    func watchdog() {
        var machine = Self.running()
        let due = Self.at(KeeperMachine.watchdogInterval)
        machine.heard("gateway", now: Self.at(.seconds(10)))
        machine.heard("builder", now: Self.at(.seconds(10)))
        #expect(signals(machine.tick(now: due)) == ["supervisor KILL"])
    }

    @Test("They are stopped one after the other, in order, and then it is finished")
    func stops() {
        var machine = Self.running()
        var now = Self.at(.seconds(5))
        #expect(signals(machine.stop(now: now)) == ["gateway TERM"])
        for (index, name) in Self.names.enumerated() {
            now = now.advanced(by: .milliseconds(10))
            let actions = machine.ended(name, .exited(0), now: now)
            if index + 1 < Self.names.count {
                #expect(signals(actions) == ["\(Self.names[index + 1]) TERM"])
                #expect(!actions.contains(.finish))
            } else {
                #expect(actions.last == .finish)
            }
        }
        #expect(machine.nextDeadline == nil)
    }

    @Test("One that does not end when it is told is killed")
    func stubborn() {
        var machine = Self.running()
        let now = Self.at(.seconds(5))
        _ = machine.stop(now: now)
        let due = now.advanced(by: KeeperMachine.stopTimeout)
        #expect(machine.nextDeadline == due)
        #expect(machine.tick(now: now.advanced(by: .seconds(1))).isEmpty)
        #expect(signals(machine.tick(now: due)) == ["gateway KILL"])
    }

    @Test("While it stops nothing is started: not what crashes, nor what is called")
    func staysDown() {
        var machine = Self.running()
        let now = Self.at(.seconds(5))
        _ = machine.stop(now: now)
        #expect(starts(machine.ended("builder", .exited(70), now: now)).isEmpty)
        #expect(machine.connectionWaits("builder").isEmpty)
        #expect(starts(machine.tick(now: now.advanced(by: .seconds(1)))).isEmpty)
        #expect(machine.stop(now: now).isEmpty)
    }
}
