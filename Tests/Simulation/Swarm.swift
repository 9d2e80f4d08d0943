// Which faults a seed turns on, and how often they come.

/// The faults of one run. Each seed turns a random subset on (swarm testing, Groce and others 2012):
/// with all of them at once most runs end before anything interesting is reached, and some defects
/// show only where a certain fault never comes.
struct Swarm {
    /// Faults per ten thousand events; 0 is off.
    var killGateway = 0
    var killSupervisor = 0
    var killBuilder = 0
    /// All of them at once, with every instance and everything that was not synced.
    var powerLoss = 0
    var cut = 0
    /// Kills and cuts also in the middle of what a daemon does.
    var insideSteps = false
    var slowChannels = false
    var slowDisks = false
    var fullDisks = 0
    var clockJumps = 0
    /// Of instances, per hundred.
    var crash = 0
    var hang = 0
    var outOfMemory = 0
    var neverReady = 0
    var startFails = 0
    /// Of requests, per hundred.
    var shortDeadlines = 0
    var cancels = 0
    var repeats = 0
    var children = 0
    var tunnels = 0
    var removals = 0
    var grants = 0
    /// How many clients there are and how much each of them does.
    var clients = 2
    var actions = 6
    var smallLimits = false

    init(_ random: inout SeededRandom) {
        func on(_ value: Int, _ random: inout SeededRandom) -> Int {
            random.below(2) == 0 ? value : 0
        }
        killGateway = on(25, &random)
        killSupervisor = on(25, &random)
        killBuilder = on(25, &random)
        powerLoss = random.below(4) == 0 ? 6 : 0
        cut = on(40, &random)
        insideSteps = random.below(2) == 0
        slowChannels = random.below(3) == 0
        slowDisks = random.below(3) == 0
        fullDisks = random.below(3) == 0 ? 15 : 0
        clockJumps = on(20, &random)
        crash = on(15, &random)
        hang = on(20, &random)
        outOfMemory = on(10, &random)
        neverReady = on(10, &random)
        startFails = on(8, &random)
        shortDeadlines = on(15, &random)
        cancels = on(15, &random)
        repeats = on(40, &random)
        children = on(50, &random)
        tunnels = on(40, &random)
        removals = on(30, &random)
        grants = on(60, &random)
        clients = 1 + random.below(3)
        actions = 3 + random.below(8)
        smallLimits = random.below(3) == 0
    }

    /// For the head of a trace.
    var text: String {
        let on: [(String, Bool)] = [
            ("kill-gateway", killGateway > 0), ("kill-supervisor", killSupervisor > 0),
            ("kill-builder", killBuilder > 0), ("power-loss", powerLoss > 0), ("cut", cut > 0),
            ("inside-steps", insideSteps), ("slow-channels", slowChannels),
            ("slow-disks", slowDisks), ("full-disks", fullDisks > 0),
            ("clock-jumps", clockJumps > 0), ("crash", crash > 0), ("hang", hang > 0),
            ("out-of-memory", outOfMemory > 0), ("never-ready", neverReady > 0),
            ("start-fails", startFails > 0), ("short-deadlines", shortDeadlines > 0),
            ("cancels", cancels > 0), ("repeats", repeats > 0), ("children", children > 0),
            ("tunnels", tunnels > 0), ("removals", removals > 0), ("grants", grants > 0),
            ("small-limits", smallLimits),
        ]
        return on.filter(\.1).map(\.0).joined(separator: " ")
    }
}
