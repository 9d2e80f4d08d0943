package import Interfaces

/// What an instance may give its children. Pure.
///
/// It keeps true: no child has more than its parent, and all live children of one together have no
/// more either, of memory, disk, CPU and processes; none is allowed to outlive it. So a whole family
/// has at most as many times what its first instance has as it has generations.
package struct FamilyBudget: Sendable {
    /// What is in force for the parent. Zero is no bound.
    package let parent: Limits
    /// What is granted to its other live children.
    package let siblings: [Limits]
    /// Milliseconds until the parent's deadline; nil where it has none.
    package let lifetimeLeft: UInt64?

    // LIMIT: a child that does not say gets an eighth of its parent's processes, and no less than 16.
    private static let share: UInt32 = 8
    private static let processesMin: UInt32 = 16

    package init(parent: Limits, siblings: [Limits] = [], lifetimeLeft: UInt64? = nil) {
        self.parent = parent
        self.siblings = siblings
        self.lifetimeLeft = lifetimeLeft
    }

    /// For a child that did not say how many.
    package var processesDefault: UInt32 {
        max(Self.processesMin, parent.processes / Self.share)
    }

    /// - Parameter of: what the bounds are of, for the fault's subject.
    package func check(_ child: Limits, of bounds: String = "family") throws(Fault) {
        try check(
            "\(bounds).memory_bytes", child.memoryBytes, parent.memoryBytes,
            siblings.map(\.memoryBytes))
        try check(
            "\(bounds).disk_bytes", child.diskBytes, parent.diskBytes, siblings.map(\.diskBytes))
        try check(
            "\(bounds).processes", UInt64(child.processes), UInt64(parent.processes),
            siblings.map { UInt64($0.processes) })
        try check(
            "\(bounds).cpu_millionths", Self.share(child), Self.share(parent),
            siblings.map(Self.share))
        guard let lifetimeLeft else { return }
        guard child.deadlineMs != 0, child.deadlineMs <= lifetimeLeft else {
            throw GatewayFault.outOfRange(
                "\(bounds).lifetime_ms", limit: lifetimeLeft, actual: child.deadlineMs)
        }
    }

    /// Zero stands for no bound: it is more than any.
    private func check(
        _ subject: String, _ asked: UInt64, _ most: UInt64, _ given: [UInt64]
    ) throws(Fault) {
        guard most != 0 else { return }
        let left = given.reduce(most) { $0.saturatingMinus($1) }
        guard asked != 0, asked <= left else {
            throw GatewayFault.outOfRange(subject, limit: left, actual: asked == 0 ? .max : asked)
        }
    }

    /// Millionths of a CPU; zero for no quota. A period of zero is the
    /// kernel's 100 ms.
    private static func share(_ limits: Limits) -> UInt64 {
        let period = limits.cpuPeriodUs == 0 ? 100_000 : limits.cpuPeriodUs
        guard limits.cpuQuotaUs != 0 else { return 0 }
        let (product, overflow) = limits.cpuQuotaUs.multipliedReportingOverflow(by: 1_000_000)
        return overflow ? .max : max(1, product / period)
    }

    /// The larger of each: what counts while a change from one to the other is on its way.
    package static func most(_ one: Limits, _ other: Limits) -> Limits {
        var most = one
        most.memoryBytes = larger(one.memoryBytes, other.memoryBytes)
        most.diskBytes = larger(one.diskBytes, other.diskBytes)
        most.processes = UInt32(larger(UInt64(one.processes), UInt64(other.processes)))
        most.deadlineMs = larger(one.deadlineMs, other.deadlineMs)
        if larger(share(one), share(other)) != share(one) {
            most.cpuQuotaUs = other.cpuQuotaUs
            most.cpuPeriodUs = other.cpuPeriodUs
        }
        return most
    }

    /// The smaller of each.
    package static func least(_ one: Limits, _ other: Limits) -> Limits {
        var least = one
        least.memoryBytes = smaller(one.memoryBytes, other.memoryBytes)
        least.diskBytes = smaller(one.diskBytes, other.diskBytes)
        least.processes = UInt32(smaller(UInt64(one.processes), UInt64(other.processes)))
        least.deadlineMs = smaller(one.deadlineMs, other.deadlineMs)
        if smaller(share(one), share(other)) != share(one) {
            least.cpuQuotaUs = other.cpuQuotaUs
            least.cpuPeriodUs = other.cpuPeriodUs
        }
        return least
    }

    private static func smaller(_ one: UInt64, _ other: UInt64) -> UInt64 {
        one == 0 || other == 0 ? max(one, other) : min(one, other)
    }

    private static func larger(_ one: UInt64, _ other: UInt64) -> UInt64 {
        one == 0 || other == 0 ? 0 : max(one, other)
    }
}
