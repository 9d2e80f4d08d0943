// What the registry decides, event by event, with a clock that only moves when told to.

import Interfaces
import Testing
import gateway_broker

@Suite("The registry") struct RegistryMachineTests {
    typealias Fixture = RegistryFixture

    @Test("writes an acceptance down in the same step that announces and launches it")
    func acceptance() throws {
        var registry = Fixture()
        let step = try registry.start(Fixture.order(1))
        #expect(step.accepting == Fixture.id(1))
        #expect(step.writes.map(\.id) == [Fixture.id(1)])
        #expect(step.kinds == ["announce accepted -", "launch"])
    }

    @Test("goes from acceptance to readiness, and is ready only when the relay listens")
    func life() throws {
        var registry = Fixture()
        let id = Fixture.id(1)
        try registry.start(Fixture.order(1))
        #expect(
            registry.tell(.launched(id, Fixture.launch(id))).kinds
                == ["announce accepted -", "watch"])
        #expect(
            registry.tell(.observed(id, Fixture.state(id, .starting))).kinds
                == ["announce starting -"])
        let ready = registry.tell(.observed(id, Fixture.state(id, .ready)))
        #expect(ready.kinds == ["listen [0]"])
        #expect(ready.writes.isEmpty)
        let listening = registry.tell(.listening(id, Fixture.slots(hostPort: 40_000)))
        #expect(listening.kinds == ["announce ready started"])
        #expect(registry.stored[id]?.stage == .ready)
        #expect(registry.stored[id]?.slots.first?.hostPort == 40_000)
    }

    @Test("drops the values of environment variables once nothing needs them")
    func secretsAreDropped() throws {
        var registry = Fixture()
        try registry.makeReady(Fixture.order(1))
        #expect(registry.stored[Fixture.id(1)]?.wishes == nil)
    }

    @Test("gives the same instance for the same key, whatever the second id was")
    func keyed() throws {
        var registry = Fixture()
        try registry.start(Fixture.order(1))
        let again = try registry.machine.start(
            Fixture.order(2, key: 1), isMaintainer: false, now: registry.now)
        #expect(again.id == Fixture.id(1))
        #expect(again.step.isEmpty)
        #expect(registry.machine.records.count == 1)
    }

    @Test("keeps users' keys apart")
    func keysBelongToUsers() throws {
        var registry = Fixture()
        try registry.start(Fixture.order(1, owner: 1_000))
        let other = try registry.machine.start(
            Fixture.order(2, owner: 1_001, key: 1), isMaintainer: false, now: registry.now)
        #expect(other.id == Fixture.id(2))
    }

    @Test("refuses a key that stood for something else")
    func keyReused() throws {
        var registry = Fixture()
        try registry.start(Fixture.order(1))
        #expect(throws: Fault(.invalid, reason: .keyReused, subject: "key")) {
            try registry.start(Fixture.order(2, key: 1, content: 9))
        }
    }

    @Test("refuses a name that a live instance has, and gives it again when that ended")
    func names() throws {
        var registry = Fixture()
        try registry.makeReady(Fixture.order(1, name: "cache"))
        #expect(throws: Fault(.alreadyExists, subject: "cache")) {
            try registry.start(Fixture.order(2, name: "cache"))
        }
        registry.tell(.observed(Fixture.id(1), Fixture.state(Fixture.id(1), .ended, .exited)))
        try registry.start(Fixture.order(2, name: "cache"))
        #expect(
            try registry.machine.find(.instance("cache", .user(uid: 1_000, isMaintainer: false)))
                == Fixture.id(2))
    }

    @Test("bounds live instances, in all and per user; the maintainer only in all")
    func bounds() throws {
        var limits = GatewayLimits()
        limits.instances = 3
        limits.instancesPerUser = 1
        var registry = Fixture(limits: limits)
        try registry.start(Fixture.order(1))
        #expect(throws: GatewayFault.limitReached("instances-per-user", 1)) {
            try registry.start(Fixture.order(2))
        }
        try registry.start(Fixture.order(2), isMaintainer: true)
        try registry.start(Fixture.order(3, owner: 7))
        #expect(throws: GatewayFault.limitReached("instances", 3)) {
            try registry.start(Fixture.order(4), isMaintainer: true)
        }
    }

    @Test("lets so many starts at once to the peers, and the next when one has got through")
    func turns() throws {
        var limits = GatewayLimits()
        limits.startsInProgress = 1
        var registry = Fixture(limits: limits)
        #expect(try registry.start(Fixture.order(1)).kinds.last == "launch")
        #expect(try registry.start(Fixture.order(2)).kinds == ["announce accepted -"])
        let id = Fixture.id(1)
        #expect(registry.tell(.launched(id, Fixture.launch(id))).kinds.last == "launch")
    }

    @Test("leaves nothing of a start that could not be written down")
    func notStored() throws {
        var registry = Fixture()
        try registry.start(Fixture.order(1, name: "cache"))
        #expect(registry.tell(.notStored(Fixture.id(1))).kinds == ["retract"])
        #expect(registry.machine.records.isEmpty)
        #expect(try registry.start(Fixture.order(2, key: 1, name: "cache")).accepting != nil)
    }

    // MARK: Failing

    @Test(
        "says why a start failed, by how it ended",
        arguments: [
            (EndCause.exited, "failed endedEarly exit 3"),
            (.signalled, "failed endedEarly signal 0"),
            (.outOfMemory, "failed endedEarly out of memory"),
            (.startFailed, "failed endedEarly 6379/tcp"),
            (.notReady, "failed slotClosed 6379/tcp"),
            (.stopped, "failed cancelled stopped"),
        ])
    func endsEarly(_ cause: EndCause, _ outcome: String) throws {
        var registry = Fixture()
        let id = Fixture.id(1)
        try registry.start(Fixture.order(1))
        registry.tell(.launched(id, Fixture.launch(id)))
        let state = Fixture.state(
            id, .ended, cause, exit: 3, subject: "6379/tcp", lines: ["last words"])
        let end = registry.tell(.observed(id, state))
        #expect(end.kinds == ["close", "release"])
        #expect(registry.stored[id]?.stage == .ended)
        #expect(
            registry.stored[id]?.fault?.lines
                == (cause == .stopped ? ["last words"] : ["last words"]))
        #expect(registry.tell(.released(id)).kinds == ["announce ended \(outcome)"])
    }

    @Test(
        "tells of an end when the box is let go, and does not wait for a box-builder that is away")
    func endWithoutBoxBuilder() throws {
        var registry = Fixture()
        let id = Fixture.id(1)
        try registry.makeReady(Fixture.order(1))
        registry.tell(.observed(id, Fixture.state(id, .ended, .exited)))
        #expect(registry.tell(.releaseFailed(id)).kinds == ["announce ended ended"])
        registry.advance(milliseconds: 200)
        #expect(registry.tell(.timePassed).kinds == ["release"])
        #expect(registry.tell(.released(id)).kinds == [])
    }

    @Test("fails a start with what a peer said, and stops whatever the supervisor may have of it")
    func launchFails() throws {
        var registry = Fixture()
        let id = Fixture.id(1)
        try registry.start(Fixture.order(1))
        let failure = registry.tell(.launchFailed(id, Fault(.notFound, subject: "redis")))
        #expect(failure.kinds == ["stop 0"])
        // Not told before the supervisor has said that nothing of it is left.
        let end = registry.tell(.stopFailed(id, Fault(.notFound)))
        #expect(end.kinds == ["close", "release"])
        #expect(registry.tell(.released(id)).kinds == ["announce ended failed notFound redis"])
        // The same key gets the same answer, also after a restart.
        let restarted = registry.restart()
        #expect(restarted.kinds.contains("announce ended failed notFound redis"))
    }

    @Test("tries a launch again while a peer is away, and gives up after its patience")
    func launchIsRepeated() throws {
        var registry = Fixture()
        let id = Fixture.id(1)
        try registry.start(Fixture.order(1))
        var attempts = 1
        while true {
            let step = registry.tell(.launchFailed(id, Fault(.unavailable)))
            if !step.isEmpty {
                #expect(step.kinds == ["stop 0"])
                break
            }
            let due = try #require(registry.machine.nextDue)
            registry.advance(milliseconds: (due - registry.now.monotonic) / 1_000_000 + 1)
            #expect(registry.tell(.timePassed).kinds.contains("launch"))
            attempts += 1
        }
        #expect((10...40).contains(attempts))
        // Nor does it wait for ever to hear that nothing of it is left.
        var asked = 1
        while registry.tell(.stopFailed(id, Fault(.unavailable))).isEmpty {
            let due = try #require(registry.machine.nextDue)
            registry.advance(milliseconds: (due - registry.now.monotonic) / 1_000_000 + 1)
            #expect(registry.tell(.timePassed).kinds.contains("stop 0"))
            asked += 1
        }
        #expect(asked == 11)
        #expect(registry.machine.records[id]?.fault?.code == .unavailable)
    }

    // MARK: Stopping

    @Test("stops one that waits for its turn without asking anybody")
    func stopWaiting() throws {
        var limits = GatewayLimits()
        limits.startsInProgress = 1
        var registry = Fixture(limits: limits)
        try registry.start(Fixture.order(1))
        try registry.start(Fixture.order(2))
        let step = registry.tell(.stopAsked(Fixture.id(2), grace: 5))
        #expect(step.kinds == ["close", "announce ended failed cancelled stopped"])
        #expect(step.writes.count == 1)
    }

    @Test("stops one that is being launched as soon as the supervisor has it")
    func stopLaunching() throws {
        var registry = Fixture()
        let id = Fixture.id(1)
        try registry.start(Fixture.order(1))
        #expect(registry.tell(.stopAsked(id, grace: 5)).kinds == ["announce stopping -"])
        #expect(
            registry.tell(.launched(id, Fixture.launch(id))).kinds
                == ["announce stopping -", "watch", "stop 5"])
    }

    @Test("writes a stop down before it is told, and asks again only for less grace")
    func stopReady() throws {
        var registry = Fixture()
        let id = Fixture.id(1)
        try registry.makeReady(Fixture.order(1))
        let first = registry.tell(.stopAsked(id, grace: 5_000))
        #expect(first.writes.count == 1)
        #expect(first.kinds == ["announce stopping started", "stop 5000"])
        #expect(registry.tell(.stopAsked(id, grace: 9_000)).isEmpty)
        #expect(registry.tell(.stopAsked(id, grace: 0)).kinds == ["stop 0"])
        let state = Fixture.state(id, .ended, .stopped)
        #expect(registry.tell(.observed(id, state)).kinds == ["close", "release"])
        #expect(registry.tell(.observed(id, state)).isEmpty)
        #expect(registry.tell(.stopAsked(id, grace: 0)).isEmpty)
    }

    @Test("asks again for a stop that did not get through")
    func stopIsRepeated() throws {
        var registry = Fixture()
        let id = Fixture.id(1)
        try registry.makeReady(Fixture.order(1))
        registry.tell(.stopAsked(id, grace: 5))
        #expect(registry.tell(.stopFailed(id, Fault(.unavailable))).isEmpty)
        registry.advance(milliseconds: 200)
        #expect(registry.tell(.timePassed).kinds == ["stop 5"])
    }

    // MARK: Restarts

    @Test("goes on after a restart: unfinished starts, ports, watches, stops")
    func restart() throws {
        var registry = Fixture()
        try registry.makeReady(Fixture.order(1))
        try registry.start(Fixture.order(2))
        try registry.makeReady(Fixture.order(3))
        registry.tell(.stopAsked(Fixture.id(3), grace: 7))
        let kinds = registry.restart().kinds
        #expect(kinds.count { $0 == "listen [40000]" } == 2)
        #expect(kinds.count { $0 == "watch" } == 2)
        #expect(kinds.count { $0 == "stop 7" } == 1)
        #expect(kinds.count { $0 == "launch" } == 1)
        #expect(kinds.contains("listInstances") && kinds.contains("listHolds"))
        // Still the same instance for its key.
        let again = try registry.machine.start(
            Fixture.order(9, key: 1), isMaintainer: false, now: registry.now)
        #expect(again.id == Fixture.id(1))
    }

    @Test("does not start after a restart what was told to stop")
    func restartWhileStopping() throws {
        var registry = Fixture()
        try registry.start(Fixture.order(1))
        registry.tell(.stopAsked(Fixture.id(1), grace: 7))
        let step = registry.restart()
        #expect(!step.kinds.contains("launch"))
        // Not ready, and nobody's yet: what there is of it goes at once, and the end is told then.
        #expect(step.kinds.contains("stop 0"))
        registry.tell(.stopFailed(Fixture.id(1), Fault(.notFound)))
        #expect(registry.stored[Fixture.id(1)]?.stage == .ended)
    }

    @Test("writes nothing when the port is the one it had, and the new one when it was taken")
    func portsAfterRestart() throws {
        var registry = Fixture()
        let id = Fixture.id(1)
        try registry.makeReady(Fixture.order(1))
        _ = registry.restart()
        #expect(registry.tell(.listening(id, Fixture.slots(hostPort: 40_000))).isEmpty)
        let moved = registry.tell(.listening(id, Fixture.slots(hostPort: 40_001)))
        #expect(moved.writes.count == 1)
        #expect(moved.kinds == ["announce ready started"])
    }

    @Test("stops and forgets what the supervisor runs and nobody knows; its own it leaves alone")
    func orphans() throws {
        var registry = Fixture()
        try registry.makeReady(Fixture.order(1))
        let step = registry.tell(
            .supervisorListed([
                Fixture.state(Fixture.id(1), .ready), Fixture.state(Fixture.id(8), .ready),
                Fixture.state(Fixture.id(9), .ended),
            ]))
        #expect(
            step.actions == [
                .stop(Fixture.id(8), grace: 0), .forget(Fixture.id(8)), .forget(Fixture.id(9)),
            ])
    }

    @Test("releases the holds of instances that are over or unknown, and no one else's")
    func staleHolds() throws {
        var registry = Fixture()
        try registry.makeReady(Fixture.order(1))
        let step = registry.tell(
            .holdsListed([
                Fixture.id(1).description, Fixture.id(8).description, "somebody else",
            ]))
        #expect(step.actions == [.release(Fixture.id(8))])
    }

    @Test(
        "says lost when the supervisor does not know an instance, and watches again when it is away"
    )
    func watchLost() throws {
        var registry = Fixture()
        let id = Fixture.id(1)
        try registry.makeReady(Fixture.order(1))
        #expect(registry.tell(.watchLost(id, Fault(.unavailable))).isEmpty)
        registry.advance(milliseconds: 200)
        #expect(registry.tell(.timePassed).kinds == ["watch"])
        #expect(registry.tell(.watchLost(id, Fault(.notFound))).kinds == ["close", "release"])
        #expect(registry.stored[id]?.state.ended.cause == .lost)
    }

    // MARK: Forgetting

    @Test("remembers so many ended instances, for so long, and then nothing of them")
    func forgetting() throws {
        var limits = GatewayLimits()
        limits.endedInstances = 2
        limits.endedSeconds = 60
        var registry = Fixture(limits: limits)
        for number: UInt8 in 1...3 {
            try registry.makeReady(Fixture.order(number))
            var state = Fixture.state(Fixture.id(number), .ended, .exited)
            state.endedAtMs = registry.now.wallMilliseconds
            let end = registry.tell(.observed(Fixture.id(number), state))
            if number == 3 { #expect(end.kinds.contains("forget")) }
            registry.tell(.released(Fixture.id(number)))
        }
        #expect(registry.stored.keys.sorted() == [Fixture.id(2), Fixture.id(3)])
        registry.advance(milliseconds: 61_000)
        _ = registry.restart()
        let step = registry.tell(.timePassed)
        #expect(step.kinds == ["retract", "forget", "retract", "forget"])
        #expect(registry.stored.isEmpty)
        #expect(registry.machine.records.isEmpty)
    }

    // MARK: Finding

    @Test("finds by token for anybody, by name, id and prefix for owner and maintainer only")
    func finding() throws {
        var registry = Fixture()
        try registry.makeReady(Fixture.order(0x1a, owner: 5, name: "cache"))
        let id = Fixture.id(0x1a)
        let machine = registry.machine
        let tokens = TokenBook(secret: [UInt8](repeating: 7, count: 32))
        #expect(try machine.find(.token(tokens.digest(of: id))) == id)
        for text in ["cache", id.description, "1a1a1a1a", "1a1a1a1a1a"] {
            #expect(try machine.find(.instance(text, .user(uid: 5, isMaintainer: false))) == id)
            #expect(try machine.find(.instance(text, .user(uid: 9, isMaintainer: true))) == id)
            #expect(throws: GatewayFault.noInstance(text)) {
                try machine.find(.instance(text, .user(uid: 9, isMaintainer: false)))
            }
        }
        #expect(throws: GatewayFault.noInstance("1a1a1a1")) {
            try machine.find(.instance("1a1a1a1", .user(uid: 5, isMaintainer: false)))
        }
        #expect(throws: GatewayFault.wrongToken()) {
            try machine.find(.token(tokens.digest(of: Fixture.id(3))))
        }
    }
}
