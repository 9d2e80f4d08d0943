package import Interfaces
package import LaunchPlan

/// A start request that says what it must, with its defaults filled in; or the fault that names what
/// does not.
package struct StartCheck: Sendable {
    package let id: InstanceID
    package let limits: Limits
    package let environment: [[UInt8]]
    package let rootKind: LaunchPlan.RootKind
    package let inherited: [InstanceShare]
    /// Whose directories those are.
    package let parent: InstanceID?
    package let listeners: [LaunchPlan.Listener]

    // LIMIT: below these nothing can run: a page table, a process, a file system.
    private static let memoryBytesMin: UInt64 = 1 << 20
    private static let diskBytesMin: UInt64 = 1 << 20
    private static let openFilesMin: UInt32 = 8
    // LIMIT: what the kernel takes; more than any one instance has use for.
    private static let openFilesMax: UInt32 = 1_048_576
    private static let processesMax: UInt32 = 4_194_304
    // LIMIT: 16 TiB, ext4's own with blocks of 4 KiB.
    private static let diskBytesMax: UInt64 = 1 << 44
    private static let openFilesDefault: UInt32 = 1_024
    // LIMIT: a hundred years in milliseconds, so that a time plus it is a time.
    private static let deadlineMsMax: UInt64 = 3_155_760_000_000
    // LIMIT: bytes of output per second; less would keep a line waiting for seconds.
    private static let outputRateMin: UInt64 = 1_024
    private static let periodDefault: UInt64 = 100_000
    // LIMIT: slots of one service; each is probed by itself.
    package static let slotsMax = 256
    package static let readyDeadlineMsMax: UInt32 = 3_600_000

    package init(_ request: StartInstanceRequest) throws(Fault) {
        guard let id = InstanceID(request.instanceID) else {
            throw .invalid(.malformed, subject: "instance_id", limit: 16)
        }
        self.id = id
        guard request.serviceID.count == 32 else {
            throw .invalid(.malformed, subject: "service_id", limit: 32)
        }
        guard LaunchPlan.isPath(request.entrypoint) else {
            throw .invalid(.malformed, subject: "entrypoint")
        }
        guard LaunchPlan.isPath(request.configurationPath) else {
            throw .invalid(.malformed, subject: "configuration_path")
        }
        rootKind = try Self.rootKind(request.root)
        environment = try Self.environment(request.environment)
        limits = try Self.limits(request.limits)
        try Self.check(request.slots)
        listeners = try Self.listeners(request.listeners)
        try Self.check(request.offers, "offers")
        try Self.check(request.inherited, "inherited")
        inherited = request.inherited
        parent = InstanceID(request.parentID)
        guard parent != nil || (request.parentID.isEmpty && inherited.isEmpty) else {
            throw .invalid(.malformed, subject: "parent_id", limit: 16)
        }
        try Self.check(
            UInt64(request.readyDeadlineMs), in: 1...UInt64(Self.readyDeadlineMsMax),
            "ready_deadline_ms")
    }

    // LIMIT: bytes of a name: a path, or a tag with a variable and a digest of its value.
    private static let shareNameBytesMax = 4_400

    private static func check(_ shares: [InstanceShare], _ subject: String) throws(Fault) {
        guard shares.count <= LaunchLimits.sharesMax else {
            throw .tooLarge(
                subject: subject, limit: UInt64(LaunchLimits.sharesMax),
                actual: UInt64(shares.count))
        }
        for share in shares {
            guard LaunchPlan.isPath(share.path) else {
                throw .invalid(.malformed, subject: "\(subject).path")
            }
            guard (1...shareNameBytesMax).contains(share.name.utf8.count) else {
                throw .invalid(.badName, subject: "\(subject).name")
            }
        }
    }

    private static func rootKind(_ root: BoxRoot) throws(Fault) -> LaunchPlan.RootKind {
        switch root {
        case .unspecified, .layers: return .layers
        case .checkout: return .checkout
        case .UNRECOGNIZED: throw .invalid(.outOfRange, subject: "root")
        }
    }

    private static func environment(
        _ variables: [EnvironmentVariable]
    ) throws(Fault) -> [[UInt8]] {
        guard variables.count <= LaunchLimits.variablesMax else {
            throw .tooLarge(
                subject: "environment", limit: UInt64(LaunchLimits.variablesMax),
                actual: UInt64(variables.count))
        }
        var environment: [[UInt8]] = []
        for variable in variables {
            let name = variable.name.utf8
            guard !name.isEmpty, !name.contains(0), !name.contains(UInt8(ascii: "=")) else {
                throw .invalid(.badName, subject: "environment \(variable.name)")
            }
            let whole = [UInt8](name) + [UInt8(ascii: "=")] + [UInt8](variable.value)
            guard !variable.value.contains(0), whole.count <= LaunchLimits.variableBytesMax else {
                throw .invalid(.malformed, subject: "environment \(variable.name)")
            }
            environment.append(whole)
        }
        return environment
    }

    /// Bounds as they will be in force.
    static func limits(_ asked: Limits) throws(Fault) -> Limits {
        var limits = asked
        // The answer says which bounds are in force: not those that nothing here knows of.
        limits.unknownFields = Limits().unknownFields
        guard asked.memoryBytes >= memoryBytesMin else {
            throw .invalid(
                .belowMinimum, subject: "limits.memory_bytes", limit: memoryBytesMin,
                actual: asked.memoryBytes)
        }
        guard asked.diskBytes >= diskBytesMin else {
            throw .invalid(
                .belowMinimum, subject: "limits.disk_bytes", limit: diskBytesMin,
                actual: asked.diskBytes)
        }
        try check(asked.memoryBytes, in: memoryBytesMin...(1 << 56), "limits.memory_bytes")
        try check(asked.diskBytes, in: diskBytesMin...diskBytesMax, "limits.disk_bytes")
        try check(UInt64(asked.processes), in: 1...UInt64(processesMax), "limits.processes")
        if asked.cpuPeriodUs == 0 { limits.cpuPeriodUs = periodDefault }
        try check(limits.cpuPeriodUs, in: 1_000...1_000_000, "limits.cpu_period_us")
        if asked.cpuQuotaUs != 0 {
            try check(asked.cpuQuotaUs, in: 1_000...1_000_000_000, "limits.cpu_quota_us")
        }
        if asked.openFiles == 0 { limits.openFiles = openFilesDefault }
        try check(
            UInt64(limits.openFiles), in: UInt64(openFilesMin)...UInt64(openFilesMax),
            "limits.open_files")
        if asked.blockIoWeight != 0 {
            try check(UInt64(asked.blockIoWeight), in: 10...1_000, "limits.block_io_weight")
        }
        try check(asked.deadlineMs, in: 0...deadlineMsMax, "limits.deadline_ms")
        if asked.outputBytesPerSecond != 0 {
            try check(
                asked.outputBytesPerSecond, in: outputRateMin...(1 << 40),
                "limits.output_bytes_per_second")
        }
        return limits
    }

    private static func listeners(
        _ asked: [InstanceListener]
    ) throws(Fault) -> [LaunchPlan.Listener] {
        guard asked.count <= LaunchLimits.listenersMax else {
            throw .tooLarge(
                subject: "listeners", limit: UInt64(LaunchLimits.listenersMax),
                actual: UInt64(asked.count))
        }
        var listeners: [LaunchPlan.Listener] = []
        for one in asked {
            guard one.transport == .tcp || one.transport == .udp,
                SandboxService.isInside(one.endpoint.address),
                let port = UInt16(exactly: one.endpoint.port), port != 0
            else { throw .invalid(.outOfRange, subject: "listeners") }
            let listener = LaunchPlan.Listener(
                address: one.endpoint.address, port: port, isDatagram: one.transport == .udp)
            guard !listeners.contains(listener) else {
                throw .invalid(.duplicate, subject: "listeners")
            }
            listeners.append(listener)
        }
        return listeners
    }

    private static func check(_ slots: [Interfaces.Slot]) throws(Fault) {
        guard slots.count <= slotsMax else {
            throw .tooLarge(
                subject: "slots", limit: UInt64(slotsMax), actual: UInt64(slots.count))
        }
        for (place, slot) in slots.enumerated() {
            try check(UInt64(slot.port), in: 1...65_535, "slots.port")
            guard slot.transport == .tcp || slot.transport == .udp else {
                throw .invalid(.outOfRange, subject: "slots.transport")
            }
            if slots[..<place].contains(slot) {
                throw .invalid(.duplicate, subject: "slots \(InstanceMachine.name(slot))")
            }
        }
    }

    private static func check(
        _ value: UInt64, in range: ClosedRange<UInt64>, _ subject: String
    ) throws(Fault) {
        guard !range.contains(value) else { return }
        throw .invalid(
            .outOfRange, subject: subject,
            limit: value < range.lowerBound ? range.lowerBound : range.upperBound, actual: value)
    }
}
