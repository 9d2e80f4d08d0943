// Randomness that can be had again: every run prints its seed, and CELAUT_SEED sets it.

import FoundationEssentials
import Testing

/// Where a run's random choices start. Shown with the test it is an argument of.
struct Seed: CustomTestStringConvertible, Sendable {
    let value: UInt64

    var testDescription: String { "seed \(value)" }

    private static let start =
        ProcessInfo.processInfo.environment["CELAUT_SEED"].flatMap { UInt64($0) } ?? 20_260_101

    /// So many runs, each with its own seed.
    static func runs(_ count: UInt64) -> [Seed] {
        (0..<count).map { Seed(value: start &+ $0) }
    }

    var generator: SplitMix { SplitMix(state: value) }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and every seed is a good one.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(bound, 1))) }

    /// True once in so many times.
    mutating func once(in times: Int) -> Bool { below(times) == 0 }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}
