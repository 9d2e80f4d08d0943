// The node from one seed: that it keeps its promises, that a seed replays, and that bugs are found.

import Syscalls
import Testing

/// How many seeds, and which.
enum Seeds {
    #if DEBUG
        private static let usual: UInt64 = 200
    #else
        private static let usual: UInt64 = 2_000
    #endif
    /// `deploy/test --simulation --seeds N`.
    static let count = number("CELAUT_SIMULATION_SEEDS") ?? usual
    static let first = number("CELAUT_SIMULATION_FIRST") ?? 1

    // LIMIT: seeds of one test: two cores share them, and a failure is seen before all are over.
    private static let perTest: UInt64 = 100

    static let chunks: [ClosedRange<UInt64>] = {
        stride(from: first, to: first + count, by: Int(perTest)).map { start in
            start...min(start + perTest - 1, first + count - 1)
        }
    }()

    private static func number(_ name: String) -> UInt64? {
        Process.environment(name).flatMap { UInt64($0) }
    }
}

@Suite("The node from one seed") struct SimulationTests {
    @Test("keeps its promises after every step, and settles", arguments: Seeds.chunks)
    func promises(_ seeds: ClosedRange<UInt64>) {
        for seed in seeds {
            let broken = SimNode(seed: seed).run()
            guard broken.isEmpty else {
                let again = SimNode(seed: seed, records: true)
                _ = again.run()
                Issue.record("seed \(seed): \(broken[0])\n\(again.world.trace.text)")
                return
            }
        }
    }

    @Test("runs byte for byte the same again", arguments: [159, 708, 870, 1_580] as [UInt64])
    func replays(_ seed: UInt64) {
        let first = SimNode(seed: seed, records: true)
        let second = SimNode(seed: seed, records: true)
        #expect(first.run() == second.run())
        #expect(Array(first.world.trace.text.utf8) == Array(second.world.trace.text.utf8))
        #expect(first.world.trace.text.utf8.count > 2_000)
    }

    // LIMIT: seeds until a planted bug must be found.
    private static let plantedMax: UInt64 = 10_000

    @Test("finds every planted bug")
    func planted() {
        var table = ""
        for plant in Plant.allCases {
            let found = (1...Self.plantedMax).lazy
                .map { (seed: $0, broken: SimNode(seed: $0, plant: plant).run()) }
                .first { !$0.broken.isEmpty }
            #expect(found != nil, "\(plant.rawValue)")
            let seed = found.map { String($0.seed) } ?? "-"
            table += String(repeating: " ", count: max(0, 6 - seed.count)) + seed
            table += "  \(plant.rawValue): \(found?.broken[0] ?? "not found")\n"
        }
        print("seeds  planted bug: what was seen\n\(table)")
    }
}
