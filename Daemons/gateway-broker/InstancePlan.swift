package import Interfaces
import ServiceModel

/// What the supervisor is asked to run, from what the specification declares and the request asked
/// for. Pure: equal inputs give equal plans.
package struct InstancePlan: Sendable {
    package let request: StartInstanceRequest
    package let slots: [RelayedSlot]
    /// Given variables in declared order.
    package let environment: [EnvironmentVariable]
    package let configurationFormat: ConfigurationFormat

    // LIMIT: bounds where the specification sets none.
    private static let memoryBytesDefault: UInt64 = 256 << 20
    private static let diskBytesDefault: UInt64 = 1 << 30
    static let diskBytesMin: UInt64 = 1 << 20
    // LIMIT: 512 processes and threads: specifications have no word for it.
    static let processes: UInt32 = 512
    static let cpuPeriods: ClosedRange<UInt64> = 1_000...1_000_000
    private static let blockWeights: ClosedRange<UInt64> = 10...1_000

    /// The names of this host's architecture in specifications, the usual one first.
    package static var hostArchitectures: [String] {
        #if arch(x86_64)
            ["linux/amd64", "amd64", "linux/x86_64", "x86_64"]
        #elseif arch(arm64)
            ["linux/arm64", "arm64", "linux/aarch64", "aarch64"]
        #else
            []
        #endif
    }

    /// - Throws: `.unsupported` for what this node does not offer, `.invalid` for what the request or
    ///   the specification may not say.
    package init(
        record: InstanceRecord, serviceID: [UInt8], terms: BoxTerms, limits: GatewayLimits,
        budget: FamilyBudget? = nil
    ) throws(Fault) {
        guard terms.architectures.contains(where: Self.hostArchitectures.contains) else {
            throw GatewayFault.unsupported(
                "architecture \(terms.architectures.first ?? "")",
                offered: Array(Self.hostArchitectures.prefix(1)))
        }
        if let names = GatewayAddress.unspoken(terms.gatewayProtocols) {
            throw GatewayFault.unsupported(
                "node protocol \(names.joined(separator: " "))", offered: GatewayAddress.protocols)
        }
        configurationFormat = try ConfigurationFormat(terms.configurationFormat)
        guard terms.slots.count <= limits.slots else {
            throw Fault(
                .unsupported, subject: "slots", limit: UInt64(limits.slots),
                actual: UInt64(terms.slots.count))
        }
        let wishes = record.wishes ?? LaunchWishes()
        environment = try Self.environment(wishes.environment, declared: terms.variables)
        slots = terms.slots

        var request = StartInstanceRequest()
        request.instanceIDBytes = record.id.bytes
        request.serviceIDBytes = serviceID
        request.entrypoint = terms.entrypoint
        request.environment = environment
        request.configurationPath = terms.configurationPath
        request.limits = try Self.limits(terms, wishes, budget)
        request.slots = terms.slots.map { slot in
            var message = Interfaces.Slot()
            message.port = UInt32(slot.port)
            message.transport = slot.transport
            return message
        }
        request.readyDeadlineMs = record.readyDeadline
        request.terminals = terms.hasTerminals
        request.readOnly = terms.isReadOnly
        request.offers = ShareTerms.messages(terms.shares, .offered, environment)
        request.inherited = ShareTerms.messages(terms.shares, .inherited, environment)
        if let first = request.inherited.first {
            guard let parent = record.parent else { throw ShareTerms.refusal(first) }
            request.parentIDBytes = parent.bytes
        }
        self.request = request
    }

    /// What the supervisor says that it made, against what was asked for: one from before there was this
    /// wish ignores it. Nothing else is compared: what it ignores of the rest takes nothing from the
    /// isolation or the bounds, and bounds may have been changed since the first answer.
    ///
    /// - Throws: `.unsupported` with the wish that does not hold.
    package func check(_ made: InstanceState) throws(Fault) {
        guard request.readOnly, !made.readOnly else { return }
        throw GatewayFault.olderPeer("read_only_filesystem", "sandbox-supervisor")
    }

    private static func environment(
        _ given: [EnvironmentVariable], declared: [String]
    ) throws(Fault) -> [EnvironmentVariable] {
        var places: [String: Int] = [:]
        for (place, name) in declared.enumerated() { places[name] = places[name] ?? place }
        for variable in given where places[variable.name] == nil {
            throw GatewayFault.undeclared(variable.name, declared: declared)
        }
        return given.sorted { (places[$0.name] ?? 0) < (places[$1.name] ?? 0) }
    }

    /// - Parameter budget: what a parent may give, for a child.
    package static func limits(
        _ terms: BoxTerms, _ wishes: LaunchWishes, _ budget: FamilyBudget? = nil
    ) throws(Fault) -> Limits {
        var limits = Limits()
        limits.memoryBytes = try memory(terms, wishes.memoryBytes)
        limits.processes =
            wishes.processes != 0
            ? wishes.processes : min(processes, budget?.processesDefault ?? processes)
        limits.diskBytes = firstSaid(
            wishes.diskBytes, terms.atInit.diskBytes, terms.atMost.diskBytes, diskBytesDefault)
        if terms.atMost.diskBytes != 0, wishes.diskBytes > terms.atMost.diskBytes {
            throw GatewayFault.outOfRange(
                "disk_bytes", limit: terms.atMost.diskBytes, actual: wishes.diskBytes)
        }
        guard limits.diskBytes >= diskBytesMin else {
            throw GatewayFault.belowMinimum(
                "resources.at_init.disk_space", limit: diskBytesMin, actual: limits.diskBytes)
        }
        limits.cpuQuotaUs = firstSaid(wishes.cpuQuotaUs, terms.atInit.cpuQuota)
        limits.cpuPeriodUs = firstSaid(wishes.cpuPeriodUs, terms.atInit.cpuPeriod)
        try check(limits.cpuPeriodUs, in: cpuPeriods, "resources.at_init.cpu_period")
        if wishes.cpuQuotaUs != 0 { try checkCPU(limits, terms) }
        limits.deadlineMs = firstSaid(wishes.lifetimeMs, budget?.lifetimeLeft ?? 0)
        try check(terms.atInit.blockWeight, in: blockWeights, "resources.at_init.blkio_weight")
        limits.blockIoWeight = UInt32(terms.atInit.blockWeight)
        try budget?.check(limits)
        return limits
    }

    private static func checkCPU(_ limits: Limits, _ terms: BoxTerms) throws(Fault) {
        var most = Limits()
        most.cpuQuotaUs = terms.atMost.cpuQuota
        most.cpuPeriodUs = terms.atMost.cpuPeriod
        try FamilyBudget(parent: most).check(limits, of: "at_most")
    }

    /// The bounds after a change; only what changes is in the answer.
    package static func changed(
        _ now: Limits, by request: ModifyServiceRequest, terms: BoxTerms
    ) throws(Fault) -> (change: Limits, after: Limits) {
        var limits = Limits()
        if request.memoryBytes != 0 {
            guard request.memoryBytes >= GatewayLimits.memoryBytesMin else {
                throw GatewayFault.belowMinimum(
                    "memory_bytes", limit: GatewayLimits.memoryBytesMin,
                    actual: request.memoryBytes)
            }
            limits.memoryBytes = try memory(terms, request.memoryBytes)
        }
        limits.cpuQuotaUs = request.cpuQuotaUs
        limits.cpuPeriodUs = request.cpuPeriodUs
        try check(limits.cpuPeriodUs, in: cpuPeriods, "cpu_period_us")
        var after = now
        if limits.memoryBytes != 0 { after.memoryBytes = limits.memoryBytes }
        if limits.cpuQuotaUs != 0 { after.cpuQuotaUs = limits.cpuQuotaUs }
        if limits.cpuPeriodUs != 0 { after.cpuPeriodUs = limits.cpuPeriodUs }
        try checkCPU(after, terms)
        return (limits, after)
    }

    private static func memory(_ terms: BoxTerms, _ wish: UInt64) throws(Fault) -> UInt64 {
        let most = terms.atMost.memoryBytes
        if wish != 0 {
            guard most == 0 || wish <= most else {
                throw GatewayFault.outOfRange("memory_bytes", limit: most, actual: wish)
            }
            return wish
        }
        let said = firstSaid(terms.atInit.memoryBytes, most, memoryBytesDefault)
        guard said >= GatewayLimits.memoryBytesMin else {
            throw GatewayFault.belowMinimum(
                "resources.at_init.mem_limit", limit: GatewayLimits.memoryBytesMin, actual: said)
        }
        return said
    }

    private static func firstSaid(_ values: UInt64...) -> UInt64 {
        values.first { $0 != 0 } ?? 0
    }

    /// Zero stands for the kernel's default.
    static func check(
        _ value: UInt64, in range: ClosedRange<UInt64>, _ subject: String
    ) throws(Fault) {
        guard value != 0, !range.contains(value) else { return }
        throw GatewayFault.outOfRange(
            subject, limit: value < range.lowerBound ? range.lowerBound : range.upperBound,
            actual: value)
    }
}
