// What every daemon of a run has: a life after another, a socket, and what its death leaves.

import Channel
import Interfaces

/// One of the node's daemons. A subclass has its machines, makes them anew in `begin`, and keeps
/// nothing across `begin` but its store.
class SimDaemon: SimListener {
    let world: World
    let name: String
    let interfaces: [InterfaceDescriptor]
    private(set) var life: Life
    var isListening = false
    private var links: [SimServed] = []
    private var peers: [SimPeer] = []
    /// Kills per ten thousand events.
    private let killRate: Int
    /// Lives so far.
    private(set) var lives = 0

    init(_ world: World, _ name: String, _ interfaces: [InterfaceDescriptor], killRate: Int) {
        self.world = world
        self.name = name
        self.interfaces = interfaces
        self.killRate = killRate
        life = Life(name)
        life.end()
    }

    // MARK: Life

    final func start() {
        guard life.isOver else { return }
        lives += 1
        life = Life(name)
        world.say { "\(self.name) starts (\(self.lives))" }
        begin()
    }

    /// KILL, at any point of what it does, or its machine going down.
    final func kill(powerLoss: Bool = false) {
        guard !life.isOver else { return }
        world.say { "\(self.name) is killed" }
        world.disturb()
        life.end()
        isListening = false
        for link in links { link.end(nil) }
        links = []
        for peer in peers { peer.close() }
        peers = []
        world.descriptors.closeAll(of: life)
        crashed(powerLoss: powerLoss)
        let patience = world.random.below(8) == 0 ? 20_000_000_000 : 500_000_000
        world.after(world.random.between(5_000_000...UInt64(patience)), nil) { [self] in
            world.disturb()
            start()
        }
    }

    /// Whether it goes on: a daemon can die between any two things it does.
    final func goesOn() -> Bool {
        guard !life.isOver else { return false }
        guard world.swarm.insideSteps, world.fault(killRate) else { return true }
        kill()
        return false
    }

    /// A fault between two events.
    final func mayDie() {
        if world.fault(killRate) { kill() }
    }

    /// Cuts one connection that others have to it.
    final func cutSomething() {
        links.removeAll(where: \.isEnded)
        guard let link = world.random.element(links) else { return }
        world.say { "\(link.label) is cut" }
        world.disturb()
        if world.random.below(2) == 0 { link.end(nil) } else { link.peer?.end(nil) }
    }

    // MARK: Connections

    final func accepted(_ link: SimServed) {
        links.removeAll(where: \.isEnded)
        links.append(link)
    }

    final func peer(_ role: Role, _ find: @escaping () -> (any SimListener)?) -> SimPeer {
        let peer = SimPeer(world, life, program: name, role: role, find)
        peers.append(peer)
        return peer
    }

    /// Requests that have no answer yet.
    final var openRequests: Int { links.reduce(0) { $0 + ($1.isEnded ? 0 : $1.requests.count) } }

    /// Requests that were cancelled, and are worked for all the same.
    final func lookAtRequests() {
        for link in links where !link.isEnded {
            for request in link.requests.values {
                guard let cancelledAt = request.cancelledAt else { continue }
                world.check(
                    world.now <= cancelledAt + 1_000_000_000,
                    "\(link.label): \(request.method.name) is worked for after its cancel")
            }
        }
    }

    // MARK: For subclasses

    /// A new process: everything from the store.
    func begin() {}
    /// What the store and the kernel have after a death.
    func crashed(powerLoss: Bool) {}
    func serve(_ request: SimRequest) {}
}
