// The kernel of a run, and what runs in it: witnesses and their instances outlive every daemon.

/// How an instance will behave; drawn when it is launched.
struct Behaviour {
    enum End { case never, crash(after: UInt64), outOfMemory(after: UInt64) }

    var startDelay: UInt64 = 5_000_000
    var failsToStart = false
    var openDelay: UInt64? = 20_000_000
    var end = End.never
    /// TERM is not heard.
    var hangs = false
    /// Nor what its witness is told.
    var isStuck = false
    var children = 0
}

/// An instance in the kernel: its witness and, once started, its entrypoint.
final class SimInstance {
    let id: [UInt8]
    let pid: Int32
    let startTime: UInt64
    let life: Life
    let behaviour: Behaviour
    var isStarted = false
    var isOpen = false
    /// It was told to end by the supervisor.
    var wasSignalled = false
    /// Closes what it has open.
    var onEnd: (() -> Void)?
    /// What it may use: what its cgroup has.
    var memoryBytes: UInt64 = 0

    init(id: [UInt8], pid: Int32, startTime: UInt64, behaviour: Behaviour) {
        self.id = id
        self.pid = pid
        self.startTime = startTime
        self.behaviour = behaviour
        life = Life("instance \(pid)")
    }
}

/// What a witness wrote down of an end, and what the kernel counted.
struct SimRemains {
    enum End: Equatable { case exited(UInt8), signalled(UInt8), startFailed }
    var end: End?
    var outOfMemory = false
    var timeMs: UInt64 = 0
}

/// The host: processes, cgroups, directories of instances. No decision of the node is made here.
final class SimHost {
    unowned let node: SimNode
    let world: World
    /// By pid.
    private(set) var running: [Int32: SimInstance] = [:]
    /// What is in the directory of an instance.
    private(set) var directories: Set<[UInt8]> = []
    private(set) var identities: [[UInt8]: Int32] = [:]
    private(set) var remains: [[UInt8]: SimRemains] = [:]
    /// Memory each cgroup may use.
    private(set) var cgroups: [[UInt8]: UInt64] = [:]
    var isFull = false
    private var lastPid: Int32 = 1_000
    /// Told of the end of a witness, as a pidfd tells it.
    private var exitWatches: [Int32: (life: Life, body: () -> Void)] = [:]
    /// When an instance ended, for who must follow it.
    private(set) var endedAt: [[UInt8]: UInt64] = [:]
    private(set) var launches: [[UInt8]: Int] = [:]
    private var families: [UInt32: [UInt8]] = [:]

    init(_ world: World, _ node: SimNode) {
        self.world = world
        self.node = node
    }

    func family(_ uid: UInt32) -> [UInt8]? { families[uid] }

    func instances(_ id: [UInt8]) -> [SimInstance] {
        running.values.filter { $0.id == id }.sorted { $0.pid < $1.pid }
    }

    var all: [SimInstance] { running.keys.sorted().compactMap { running[$0] } }

    // MARK: Made by the supervisor

    /// - Returns: false where the disk is full or it is there already.
    func prepare(_ id: [UInt8], memoryBytes: UInt64) -> Bool {
        guard !isFull, !directories.contains(id) else { return false }
        directories.insert(id)
        cgroups[id] = memoryBytes
        return true
    }

    func removeGroup(_ id: [UInt8]) -> Bool {
        guard instances(id).isEmpty else { return false }
        cgroups[id] = nil
        return true
    }

    func forget(_ id: [UInt8]) {
        directories.remove(id)
        identities[id] = nil
        remains[id] = nil
    }

    /// Made by the launcher, which dies with the supervisor: from here on it is on its own.
    func launch(_ id: [UInt8], _ behaviour: Behaviour, report: @escaping () -> Void) -> SimInstance
    {
        lastPid += 1
        let instance = SimInstance(
            id: id, pid: lastPid, startTime: world.now, behaviour: behaviour)
        instance.memoryBytes = cgroups[id] ?? 0
        running[instance.pid] = instance
        launches[id, default: 0] += 1
        world.say { "host: a witness \(instance.pid) of \(Self.short(id))" }
        let delay = world.random.between(100_000...20_000_000)
        world.after(delay, instance.life) { [self] in identities[id] = instance.pid }
        world.after(behaviour.startDelay, instance.life) { [self] in
            if behaviour.failsToStart { return end(instance, .startFailed) }
            instance.isStarted = true
            report()
            live(instance)
        }
        return instance
    }

    private func live(_ instance: SimInstance) {
        if let delay = instance.behaviour.openDelay {
            world.after(delay, instance.life) { [self] in
                instance.isOpen = true
                if instance.behaviour.children > 0 { begin(instance) }
            }
        }
        switch instance.behaviour.end {
        case .never: break
        case .crash(let delay):
            world.after(delay, instance.life) { [self] in end(instance, .exited(3)) }
        case .outOfMemory(let delay):
            world.after(delay, instance.life) { [self] in
                end(instance, .signalled(9), outOfMemory: true)
            }
        }
    }

    private func begin(_ instance: SimInstance) {
        let uid = GatewayNode.instanceUIDs + UInt32(instance.pid)
        families[uid] = instance.id
        node.beginFamily(instance, uid: uid)
    }

    // MARK: Signals

    enum Signal { case terminate, kill, destroy }

    func signal(_ pid: Int32, _ signal: Signal) {
        guard let instance = running[pid] else { return }
        instance.wasSignalled = true
        switch signal {
        case .terminate:
            guard !instance.behaviour.hangs, instance.isStarted else { return }
            let delay = world.random.between(1_000_000...300_000_000)
            world.after(delay, instance.life) { [self] in end(instance, .exited(0)) }
        case .kill:
            guard !instance.behaviour.isStuck else { return }
            world.after(2_000_000, instance.life) { [self] in end(instance, .signalled(9)) }
        case .destroy:
            end(instance, nil)
        }
    }

    /// - Parameter end: what the witness writes down; nil where it cannot.
    private func end(
        _ instance: SimInstance, _ end: SimRemains.End?, outOfMemory: Bool = false
    ) {
        guard running.removeValue(forKey: instance.pid) != nil else { return }
        world.say { "host: \(instance.pid) of \(Self.short(instance.id)) ends" }
        instance.life.end()
        instance.onEnd?()
        if directories.contains(instance.id) {
            remains[instance.id] = SimRemains(
                end: end, outOfMemory: outOfMemory, timeMs: world.wallMilliseconds)
        }
        endedAt[instance.id] = world.now
        if let watch = exitWatches.removeValue(forKey: instance.pid) {
            world.after(50_000, watch.life, watch.body)
        }
    }

    func watchExit(_ pid: Int32, _ life: Life, _ body: @escaping () -> Void) {
        guard running[pid] != nil else { return world.after(50_000, life, body) }
        exitWatches[pid] = (life, body)
    }

    /// The machine goes down: every process, every cgroup; what was written stays.
    func powerLoss() {
        for instance in all {
            running[instance.pid] = nil
            instance.life.end()
            instance.onEnd?()
            endedAt[instance.id] = world.now
        }
        exitWatches = [:]
        cgroups = [:]
    }

    static func short(_ id: [UInt8]) -> String {
        id.prefix(3).map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }
}
