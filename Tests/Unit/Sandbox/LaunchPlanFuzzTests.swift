// The decoder against packets that nobody wrote: plans changed in ways that reach past the first check,
// and noise. Whatever comes, it answers, and what it takes is a good plan that is written as it was read.

import LaunchPlan
import Testing

/// SplitMix64 (Steele, Lea, Flood 2014): the same packets in every run.
private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

private enum Packets {
    /// Values at which a length, a count or a bound tips over.
    static let edges: [UInt32] = [
        0, 1, 7, 8, 127, 128, 129, 255, 256, 1_024, 1_025, 65_535, 65_536, 98_304, 1_048_576,
        1 << 31,
        .max - 1, .max,
    ]

    static func plan(_ generator: inout Generator) -> LaunchPlan {
        func path() -> [String] {
            (0..<Int.random(in: 1...6, using: &generator)).map { _ in
                String(repeating: "p", count: .random(in: 1...20, using: &generator))
            }
        }
        var plan = LaunchPlan(
            instanceID: (0..<16).map { _ in .random(in: 0...255, using: &generator) },
            entrypoint: path(),
            environment: (0..<Int.random(in: 0...9, using: &generator)).map {
                Array("NAME\($0)=".utf8)
                    + Array(repeating: 33, count: .random(in: 0...90, using: &generator))
            },
            configurationPath: path(),
            uidBase: .random(in: 65_536...3_000_000_000, using: &generator),
            openFilesMax: .random(in: 8...1_048_576, using: &generator),
            outputBytesMax: .random(in: 65_536...(1 << 32), using: &generator),
            outputBytesPerSecond: .random(in: 0...(1 << 40), using: &generator),
            sharedMemoryBytesMax: .random(in: 1...UInt64.max, using: &generator),
            rootKind: .random(using: &generator) ? .layers : .checkout,
            groupKind: .version1, groups: .random(in: 0...8, using: &generator))
        plan.offered = (0..<Int.random(in: 0...3, using: &generator)).map { _ in path() }
        plan.inherited = (0..<Int.random(in: 0...3, using: &generator)).map { _ in
            LaunchPlan.Inherited(
                path: path(), device: .random(in: 0..<1 << 20, using: &generator),
                index: .random(in: 0..<64, using: &generator),
                isReadOnly: .random(using: &generator))
        }
        plan.hasTerminals = .random(using: &generator)
        plan.isReadOnly = .random(using: &generator)
        plan.listeners = (0..<UInt16.random(in: 0...3, using: &generator)).map { number in
            LaunchPlan.Listener(
                address: .random(in: 0...UInt32.max, using: &generator), port: number + 1,
                isDatagram: .random(using: &generator))
        }
        return plan
    }

    /// One change of a kind that the format has places for.
    static func change(_ bytes: inout [UInt8], _ generator: inout Generator) {
        guard !bytes.isEmpty else { return }
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<7, using: &generator) {
        case 0: bytes[place] = .random(in: 0...255, using: &generator)
        case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 2: bytes.removeSubrange(place..<min(bytes.count, place + 4))
        case 3: bytes.insert(contentsOf: [0, 0, 0, 0], at: place)
        case 4:
            // A whole number at a place where one may stand.
            guard let edge = edges.randomElement(using: &generator) else { return }
            for index in 0..<4 where place + index < bytes.count {
                bytes[place + index] = UInt8(truncatingIfNeeded: edge >> (8 * UInt32(index)))
            }
        case 5:
            let other = Int.random(in: 0..<bytes.count, using: &generator)
            bytes.swapAt(place, other)
        default:
            let end = min(bytes.count, place + Int.random(in: 1...64, using: &generator))
            bytes.append(contentsOf: bytes[place..<end])
        }
    }
}

@Suite struct LaunchPlanFuzzTests {
    // LIMIT: packets of a run, under a second in a debug build.
    private static let packets = 20_000

    private static func read(_ bytes: [UInt8]) -> Result<LaunchPlan, LaunchViolation> {
        do throws(LaunchViolation) {
            return .success(try LaunchPlan(reading: bytes))
        } catch {
            return .failure(error)
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func whateverIsReadIsAGoodPlanAndWrittenAsItWas(_ seed: UInt64) throws {
        var generator = Generator(state: seed)
        var taken = 0
        var refused: Set<String> = []
        var whole = try Packets.plan(&generator).encoded()
        for number in 0..<Self.packets {
            if number % 50 == 0 { whole = try Packets.plan(&generator).encoded() }
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                Packets.change(&bytes, &generator)
            }
            switch Self.read(bytes) {
            case .success(let plan):
                try #require(plan.invalid() == nil)
                try #require(try plan.encoded() == bytes)
                taken += 1
            case .failure(let violation):
                refused.insert(violation.field)
            }
        }
        // It reached every check, or the packets were too tame to say anything.
        #expect(taken > 100)
        let checks = [
            "magic", "version", "packet", "kind", "entrypoint", "environment",
            "configuration-path", "uid-base", "open-files", "output", "groups", "offered",
            "inherited",
        ]
        #expect(refused.isSuperset(of: checks), "\(refused)")
    }

    @Test func noiseOfAnyLengthIsRefused() throws {
        var generator = Generator(state: 4)
        let head = try Packets.plan(&generator).encoded().prefix(6)
        for _ in 0..<5_000 {
            let count = Int.random(in: 0...400, using: &generator)
            let noise = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            #expect(throws: LaunchViolation.self) { try LaunchPlan(reading: noise) }
            #expect(throws: LaunchViolation.self) { try LaunchPlan(reading: head + noise) }
        }
    }

    /// A peer that announces much and sends little costs little: nothing is reserved by a count.
    @Test func aCountPastWhatIsThereIsRefused() throws {
        var generator = Generator(state: 5)
        let whole = try Packets.plan(&generator).encoded()
        for place in whole.indices.dropLast(4) {
            for edge in Packets.edges {
                var bytes = whole
                for index in 0..<4 {
                    bytes[place + index] = UInt8(truncatingIfNeeded: edge >> (8 * UInt32(index)))
                }
                guard let read = try? LaunchPlan(reading: bytes) else { continue }
                #expect(try read.encoded() == bytes)
            }
        }
    }

    @Test(arguments: [6, 7] as [UInt64])
    func anOutcomeFromNoiseIsNoneOrWrittenAsItWas(_ seed: UInt64) {
        var generator = Generator(state: seed)
        let whole = [
            LaunchOutcome.launched(pid: 7), .started,
            .failed(LaunchFailure(step: "mount root", code: 22)),
            .ended(
                WitnessedEnd(
                    status: .exited(7), outOfMemory: false, killed: true, timeNanoseconds: 9)),
        ].map { $0.encoded() }
        var taken = 0
        for number in 0..<Self.packets {
            var bytes = whole[number % whole.count]
            Packets.change(&bytes, &generator)
            guard let read = try? LaunchOutcome(reading: bytes) else { continue }
            #expect(read.encoded() == bytes)
            taken += 1
        }
        #expect(taken > 100)
    }
}
