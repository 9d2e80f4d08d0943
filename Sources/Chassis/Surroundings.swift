// What a pure machine is given from outside: time and randomness. A daemon gets the system's; a
// simulation gives its own, and the same seed gives the same run.

import Syscalls

package struct TimeSource: Sendable {
    /// Nanoseconds that never go back: for deadlines and intervals.
    package var monotonicNanoseconds: @Sendable () -> UInt64
    /// Nanoseconds since 1970 UTC, which may jump: for what is written down for people.
    package var realtimeNanoseconds: @Sendable () -> UInt64

    package init(
        monotonicNanoseconds: @escaping @Sendable () -> UInt64,
        realtimeNanoseconds: @escaping @Sendable () -> UInt64
    ) {
        self.monotonicNanoseconds = monotonicNanoseconds
        self.realtimeNanoseconds = realtimeNanoseconds
    }

    package static let system = TimeSource(
        monotonicNanoseconds: { Clock.monotonicNanoseconds() },
        realtimeNanoseconds: { Clock.realtimeNanoseconds() })
}

package struct RandomSource: RandomNumberGenerator, Sendable {
    private enum Origin: Sendable {
        case system
        case seeded(UInt64)
    }

    private var origin: Origin

    /// The kernel's: fit for tokens and keys.
    package static let system = RandomSource(origin: .system)

    /// Reproducible, for simulations (SplitMix64, Steele et al. 2014). Never for secrets.
    package static func seeded(_ seed: UInt64) -> RandomSource {
        RandomSource(origin: .seeded(seed))
    }

    package mutating func next() -> UInt64 {
        guard case .seeded(let state) = origin else { return Random.integer() }
        let advanced = state &+ 0x9E37_79B9_7F4A_7C15
        origin = .seeded(advanced)
        var mixed = advanced
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    package mutating func bytes(_ count: Int) -> [UInt8] {
        guard case .seeded = origin else { return Random.bytes(count) }
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 56) }
    }
}
