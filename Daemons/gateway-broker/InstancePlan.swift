package import Interfaces

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
    private static let diskBytesMin: UInt64 = 1 << 20
    // LIMIT: 512 processes and threads: specifications have no word for it.
    private static let processes: UInt32 = 512
    private static let cpuPeriods: ClosedRange<UInt64> = 1_000...1_000_000
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
        ceiling: Limits? = nil
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
        request.limits = try Self.limits(terms, wishes)
        if let ceiling { try Self.check(request.limits, within: ceiling) }
        request.slots = terms.slots.map { slot in
            var message = Interfaces.Slot()
            message.port = UInt32(slot.port)
            message.transport = slot.transport
            return message
        }
        request.readyDeadlineMs = record.readyDeadline
        self.request = request
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

    package static func limits(
        _ terms: BoxTerms, _ wishes: LaunchWishes
    ) throws(Fault) -> Limits {
        var limits = Limits()
        limits.memoryBytes = try memory(terms, wishes.memoryBytes)
        limits.processes = processes
        limits.diskBytes = firstSaid(
            terms.atInit.diskBytes, terms.atMost.diskBytes, diskBytesDefault)
        guard limits.diskBytes >= diskBytesMin else {
            throw GatewayFault.belowMinimum(
                "resources.at_init.disk_space", limit: diskBytesMin, actual: limits.diskBytes)
        }
        limits.cpuQuotaUs = terms.atInit.cpuQuota
        limits.cpuPeriodUs = terms.atInit.cpuPeriod
        try check(limits.cpuPeriodUs, in: cpuPeriods, "resources.at_init.cpu_period")
        try check(terms.atInit.blockWeight, in: blockWeights, "resources.at_init.blkio_weight")
        limits.blockIoWeight = UInt32(terms.atInit.blockWeight)
        return limits
    }

    /// The bounds after a change; only what changes is in the answer.
    package static func changed(
        _ now: Limits, by request: ModifyServiceRequest, terms: BoxTerms, ceiling: Limits?
    ) throws(Fault) -> Limits {
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
        if terms.atMost.cpuQuota != 0 {
            var most = Limits()
            most.cpuQuotaUs = terms.atMost.cpuQuota
            most.cpuPeriodUs = terms.atMost.cpuPeriod
            try check(after, within: most)
        }
        if let ceiling { try check(after, within: ceiling) }
        return limits
    }

    /// A child has no more than its parent: zero stands for no bound, and is more than any.
    package static func check(_ limits: Limits, within parent: Limits) throws(Fault) {
        if parent.memoryBytes != 0 {
            guard limits.memoryBytes <= parent.memoryBytes else {
                throw GatewayFault.outOfRange(
                    "family.memory_bytes", limit: parent.memoryBytes, actual: limits.memoryBytes)
            }
        }
        if parent.diskBytes != 0 {
            guard limits.diskBytes <= parent.diskBytes else {
                throw GatewayFault.outOfRange(
                    "family.disk_bytes", limit: parent.diskBytes, actual: limits.diskBytes)
            }
        }
        guard parent.cpuQuotaUs != 0 else { return }
        // Shares of a CPU in millionths; a period of zero is the kernel's 100 ms.
        let share = { (limits: Limits) -> UInt64 in
            let period = limits.cpuPeriodUs == 0 ? 100_000 : limits.cpuPeriodUs
            return limits.cpuQuotaUs == 0
                ? .max : limits.cpuQuotaUs.multipliedReportingOverflow(by: 1_000_000).0 / period
        }
        guard share(limits) <= share(parent) else {
            throw GatewayFault.outOfRange(
                "family.cpu_quota_us", limit: parent.cpuQuotaUs, actual: limits.cpuQuotaUs)
        }
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
    private static func check(
        _ value: UInt64, in range: ClosedRange<UInt64>, _ subject: String
    ) throws(Fault) {
        guard value != 0, !range.contains(value) else { return }
        throw GatewayFault.outOfRange(
            subject, limit: value < range.lowerBound ? range.lowerBound : range.upperBound,
            actual: value)
    }
}
