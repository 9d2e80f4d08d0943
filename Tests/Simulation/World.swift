// One run: time, chance, what is due when, and what was seen to be wrong.

import Channel

/// One life of a daemon, client or instance: what was scheduled for it does not happen after it.
final class Life {
    let name: String
    fileprivate(set) var isOver = false

    init(_ name: String) { self.name = name }

    func end() { isOver = true }
}

/// The world of one seed: simulated time, the events to come, and the trace.
///
/// Keeps true: one thing at a time, in the order of their times, equal times in the order they were
/// scheduled; nothing in it reads a clock or a random number that is not its own.
final class World {
    let seed: UInt64
    let plant: Plant?
    var random: SeededRandom
    let swarm: Swarm
    /// Monotonic nanoseconds; also in a power loss, which takes no time.
    private(set) var now: UInt64 = 1_000_000_000
    /// Of the wall clock from the monotonic one, in milliseconds.
    private(set) var wallOffset: Int64 = 1_700_000_000_000
    var faultsAreOn = true
    /// When something was last done to the world that excuses delay.
    private(set) var disturbedAt: UInt64 = 0
    private(set) var events = 0
    var trace: Trace
    let descriptors = DescriptorBook()
    /// What was found wrong, first first.
    private(set) var broken: [String] = []

    private var heap = EventHeap()

    init(seed: UInt64, plant: Plant?, records: Bool) {
        self.seed = seed
        self.plant = plant
        random = SeededRandom(seed: seed)
        swarm = Swarm(&random)
        trace = Trace(records: records)
        trace.add(0) { "seed \(seed): \(self.swarm.text)" }
    }

    // MARK: Time

    var instant: Instant { Instant(nanoseconds: now) }
    var wallMilliseconds: UInt64 { UInt64(Int64(now / 1_000_000) + wallOffset) }

    func after(_ nanoseconds: UInt64, _ life: Life?, _ body: @escaping () -> Void) {
        heap.add(at: now + nanoseconds, life, body)
    }

    /// The next event, where there is one before `limit`.
    func step(until limit: UInt64) -> Bool {
        guard let due = heap.next, due <= limit else {
            now = max(now, limit)
            return false
        }
        let event = heap.takeFirst()
        now = max(now, event.due)
        guard event.life?.isOver != true else { return true }
        events += 1
        event.body()
        return true
    }

    func jumpClock() {
        let jump = Int64(random.below(7_200_000)) - 3_600_000
        wallOffset = max(1_000_000_000_000, wallOffset + jump)
        say { "the wall clock jumps by \(jump) ms" }
    }

    func disturb() { disturbedAt = now }

    /// Whether a chance fault happens now: never after the faults were turned off.
    func fault(_ perTenThousand: Int) -> Bool {
        faultsAreOn && random.chance(perTenThousand)
    }

    func fault(percent: Int) -> Bool { fault(percent * 100) }

    // MARK: Delays

    /// How long a packet is on its way.
    func channelDelay() -> UInt64 {
        guard faultsAreOn, swarm.slowChannels, random.chance(1_000) else {
            return random.between(5_000...200_000)
        }
        return random.between(1_000_000...3_000_000_000)
    }

    func diskDelay() -> UInt64 {
        guard faultsAreOn, swarm.slowDisks, random.chance(1_500) else {
            return random.between(100_000...5_000_000)
        }
        return random.between(5_000_000...4_000_000_000)
    }

    // MARK: What is seen

    func say(_ text: () -> String) { trace.add(now, text) }

    func check(_ holds: Bool, _ what: @autoclosure () -> String) {
        if !holds { fail(what()) }
    }

    func fail(_ what: String) {
        say { "BROKEN: \(what)" }
        if broken.count < 8 { broken.append(what) }
    }

    /// Whether a planted bug is in force.
    func has(_ plant: Plant) -> Bool { self.plant == plant }
}

/// What is due, nearest first.
struct EventHeap {
    struct Event {
        let due: UInt64
        let sequence: UInt64
        let life: Life?
        let body: () -> Void

        func isBefore(_ other: Event) -> Bool {
            due == other.due ? sequence < other.sequence : due < other.due
        }
    }

    private var events: [Event] = []
    private var sequence: UInt64 = 0

    var next: UInt64? { events.first?.due }

    mutating func add(at due: UInt64, _ life: Life?, _ body: @escaping () -> Void) {
        sequence += 1
        events.append(Event(due: due, sequence: sequence, life: life, body: body))
        var child = events.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard events[child].isBefore(events[parent]) else { break }
            events.swapAt(child, parent)
            child = parent
        }
    }

    mutating func takeFirst() -> Event {
        events.swapAt(0, events.count - 1)
        let first = events.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < events.count && events[child].isBefore(events[least]) {
                least = child
            }
            if least == parent { return first }
            events.swapAt(parent, least)
            parent = least
        }
    }
}

/// What happened, one line each: the time in seconds, then who did what.
struct Trace {
    let records: Bool
    private(set) var text = ""

    init(records: Bool) { self.records = records }

    /// The line is only made where somebody will read it.
    mutating func add(_ now: UInt64, _ line: () -> String) {
        guard records else { return }
        let micros = now / 1_000
        let fraction = String(micros % 1_000_000)
        text += "\(micros / 1_000_000)."
        text += String(repeating: "0", count: 6 - fraction.count) + fraction
        text += "  \(line())\n"
    }
}

/// Who has which descriptor, across all processes: each has one owner, or is on its way.
final class DescriptorBook {
    private var owners: [Int: (life: Life?, what: String)] = [:]
    private var last = 0

    func make(_ what: String, _ owner: Life?) -> Int {
        last += 1
        owners[last] = (owner, what)
        return last
    }

    /// Nil for one that is on its way.
    func move(_ descriptors: [Int], to owner: Life?) {
        for one in descriptors { owners[one]?.life = owner }
    }

    func close(_ descriptors: [Int]) {
        for one in descriptors { owners[one] = nil }
    }

    /// What a process has does not outlive it.
    func closeAll(of life: Life) {
        for (one, owner) in owners where owner.life === life { owners[one] = nil }
    }

    func count(of life: Life) -> Int { owners.values.count { $0.life === life } }

    func held(by life: Life) -> [String] {
        owners.values.filter { $0.life === life }.map(\.what).sorted()
    }
}
