// The whole node of a run, with its host, its clients and its judge.

import Channel
import Interfaces

/// One seed: the three daemons among faults, then without, until everything has settled.
final class SimNode {
    let world: World
    private(set) lazy var host = SimHost(world, self)
    private(set) lazy var gateway = GatewayNode(world, self)
    private(set) lazy var supervisor = SupervisorNode(world, self)
    private(set) lazy var builder = BuilderNode(world, self)
    private(set) lazy var judge = Judge(world, self)
    private(set) var clients: [SimClient] = []
    private var families: [SimFamily] = []

    // LIMIT: simulated time with faults, and for all to settle after them.
    private static let faultsUntil: UInt64 = 90_000_000_000
    private static let settlesWithin: UInt64 = 300_000_000_000
    // LIMIT: events of a run: some thousands are usual; more is work without an end.
    private static let eventsMax = 20_000

    init(seed: UInt64, plant: Plant? = nil, records: Bool = false) {
        world = World(seed: seed, plant: plant, records: records)
    }

    /// - Returns: what was found wrong.
    func run() -> [String] {
        builder.start()
        supervisor.start()
        gateway.start()
        clients = (0..<world.swarm.clients).map { SimClient(world, self, uid: 1_000 + UInt32($0)) }
        for client in clients { client.begin() }
        while step(until: Self.faultsUntil) { faults() }
        settle()
        end()
        return world.broken
    }

    private func step(until limit: UInt64) -> Bool {
        guard world.broken.isEmpty else { return false }
        guard world.events < Self.eventsMax else {
            world.fail("work without an end: \(world.events) events")
            return false
        }
        guard world.step(until: limit) else { return false }
        judge.look()
        return true
    }

    /// Faults are over: whoever is dead comes back, clients stop what they have, and all settles.
    private func settle() {
        world.say { "faults are over" }
        world.faultsAreOn = false
        gateway.store.isFull = false
        gateway.grantStore.isFull = false
        supervisor.store.isFull = false
        builder.index.isFull = false
        builder.isFull = false
        host.isFull = false
        world.disturb()
        for client in clients { client.endAll() }
        for seconds in [90, 130, 170] as [UInt64] {
            world.after(seconds * 1_000_000_000, nil) { [self] in
                gateway.stopAll()
            }
        }
        let limit = world.now + Self.settlesWithin
        while step(until: limit) {}
        guard world.broken.isEmpty else { return }
        judge.settled()
    }

    /// Breaks the cycles of what knows each other.
    private func end() {
        for client in clients { client.life.end() }
        clients = []
        families = []
    }

    // MARK: Faults

    private func faults() {
        guard world.faultsAreOn else { return }
        gateway.mayDie()
        supervisor.mayDie()
        builder.mayDie()
        let swarm = world.swarm
        if world.fault(swarm.powerLoss) { powerLoss() }
        if world.fault(swarm.cut) {
            world.random.element([gateway, supervisor, builder] as [SimDaemon])?.cutSomething()
        }
        if world.fault(swarm.clockJumps) {
            world.disturb()
            world.jumpClock()
        }
        if world.fault(swarm.fullDisks) { fillDisk() }
    }

    private func powerLoss() {
        world.say { "the machine goes down" }
        for daemon in [gateway, supervisor, builder] as [SimDaemon] { daemon.kill(powerLoss: true) }
        for family in families { family.life.end() }
        host.powerLoss()
        for client in clients { client.machineWentDown() }
        if world.random.below(2) == 0 { world.jumpClock() }
    }

    private func fillDisk() {
        let isFull = world.random.below(3) != 0
        world.say { isFull ? "a disk is full" : "the disks have room" }
        world.disturb()
        switch world.random.below(4) {
        case 0:
            gateway.store.isFull = isFull
            gateway.grantStore.isFull = isFull
        case 1: supervisor.store.isFull = isFull
        case 2:
            builder.index.isFull = isFull
            builder.isFull = isFull
        default: host.isFull = isFull
        }
    }

    var hasFullDisk: Bool {
        gateway.store.isFull || supervisor.store.isFull || builder.isFull || host.isFull
    }

    // MARK: Instances

    func behaviour() -> Behaviour {
        var made = Behaviour()
        let swarm = world.swarm
        made.startDelay = world.random.between(1_000_000...50_000_000)
        made.openDelay = world.random.between(1_000_000...800_000_000)
        made.children = world.fault(percent: swarm.children) ? 1 + world.random.below(2) : 0
        made.failsToStart = world.fault(percent: swarm.startFails)
        made.hangs = world.fault(percent: swarm.hang)
        made.isStuck = made.hangs && world.random.below(3) == 0
        if world.fault(percent: swarm.neverReady) { made.openDelay = nil }
        if world.fault(percent: swarm.crash) {
            made.end = .crash(after: world.random.between(1_000_000...20_000_000_000))
        } else if world.fault(percent: swarm.outOfMemory) {
            made.end = .outOfMemory(after: world.random.between(1_000_000...20_000_000_000))
        }
        return made
    }

    func beginFamily(_ instance: SimInstance, uid: UInt32) {
        let family = SimFamily(world, self, instance, uid: uid)
        families.append(family)
        family.begin()
    }
}
