package import Interfaces
import SharedCrypto

/// What a name of an instance may look like: letters, digits, "-", "_", ".".
package enum NameRule {
    package static func allows(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
            UInt8(ascii: "."):
            true
        default: false
        }
    }

    /// - Throws: for a name that is too long or has another character. A name that could be taken for
    ///   an id or a prefix of one is refused too, so that a reference means one thing.
    package static func check(_ name: String) throws(Fault) {
        let count = name.utf8.count
        guard count <= GatewayLimits.nameBytesMax else {
            throw GatewayFault.nameTooLong("name", limit: GatewayLimits.nameBytesMax, actual: count)
        }
        guard name.utf8.allSatisfy(allows) else { throw GatewayFault.badName(name) }
        guard count < 8 || !Hexadecimal.isText(name) else { throw GatewayFault.badName(name) }
    }
}

/// The checks of a start that need nothing but the request. What depends on the service
/// (declared variables, its bounds) is checked by `InstancePlan` when its box is open.
package enum StartCheck {
    /// - Parameters:
    ///   - parent: the instance that asks, or that the request names.
    ///   - isAskedByParent: then its keys are its own.
    ///   - id: random, for the instance if this request is the first with its key.
    package static func order(
        _ request: StartServiceRequest, owner: UInt32, parent: InstanceID? = nil,
        isAskedByParent: Bool = true, id: InstanceID
    ) throws(Fault) -> StartOrder {
        guard GatewayLimits.keyBytes.contains(request.keyBytes.count) else {
            throw GatewayFault.badKey(bytes: request.keyBytes.count)
        }
        let reference = request.service
        guard !reference.isEmpty else { throw GatewayFault.missing("service") }
        guard reference.utf8.count <= GatewayLimits.referenceBytesMax else {
            throw GatewayFault.nameTooLong(
                "service", limit: GatewayLimits.referenceBytesMax, actual: reference.utf8.count)
        }
        try NameRule.check(request.name)
        try checkEnvironment(request.environment)
        let memory = request.memoryBytes
        guard memory == 0 || memory >= GatewayLimits.memoryBytesMin else {
            throw GatewayFault.belowMinimum(
                "memory_bytes", limit: GatewayLimits.memoryBytesMin, actual: memory)
        }
        try checkBounds(request)
        let deadline =
            request.readyDeadlineMs == 0
            ? GatewayLimits.readyDeadlineDefault : request.readyDeadlineMs
        guard GatewayLimits.readyDeadline.contains(deadline) else {
            throw GatewayFault.outOfRange(
                "ready_deadline_ms", limit: UInt64(GatewayLimits.readyDeadline.upperBound),
                actual: UInt64(deadline))
        }
        return StartOrder(
            id: id, owner: owner,
            key: key(request.keyBytes, of: isAskedByParent ? parent : nil),
            content: content(of: request, isAskedByParent ? nil : parent),
            reference: reference, name: request.name,
            wishes: LaunchWishes(request),
            readyDeadline: deadline, parent: parent)
    }

    private static func checkBounds(_ request: StartServiceRequest) throws(Fault) {
        let disk = request.diskBytes
        guard disk == 0 || disk >= InstancePlan.diskBytesMin else {
            throw GatewayFault.belowMinimum(
                "disk_bytes", limit: InstancePlan.diskBytesMin, actual: disk)
        }
        guard request.processes <= InstancePlan.processes else {
            throw GatewayFault.outOfRange(
                "processes", limit: UInt64(InstancePlan.processes),
                actual: UInt64(request.processes))
        }
        try InstancePlan.check(request.cpuPeriodUs, in: InstancePlan.cpuPeriods, "cpu_period_us")
        guard request.lifetimeMs <= GatewayLimits.lifetimeMsMax else {
            throw GatewayFault.outOfRange(
                "lifetime_ms", limit: GatewayLimits.lifetimeMsMax, actual: request.lifetimeMs)
        }
    }

    /// A key is its caller's own: what a child's parent calls "1" is not what its owner does.
    private static func key(_ key: [UInt8], of parent: InstanceID?) -> [UInt8] {
        guard let parent else { return key }
        return TokenBook.digest(ofParts: [parent.bytes, key])
    }

    private static func checkEnvironment(
        _ environment: [EnvironmentVariable]
    ) throws(Fault) {
        guard environment.count <= GatewayLimits.environmentCountMax else {
            throw GatewayFault.tooLarge(
                "environment", limit: GatewayLimits.environmentCountMax, actual: environment.count)
        }
        var bytes = 0
        var seen: Set<String> = []
        for variable in environment {
            guard !variable.name.isEmpty,
                !variable.name.utf8.contains(where: { $0 == UInt8(ascii: "=") || $0 == 0 })
            else { throw GatewayFault.badName(variable.name) }
            guard !variable.valueBytes.contains(0) else {
                throw GatewayFault.malformed("environment.\(variable.name)")
            }
            guard seen.insert(variable.name).inserted else {
                throw GatewayFault.duplicate("environment.\(variable.name)")
            }
            bytes += variable.name.utf8.count + variable.valueBytes.count
        }
        guard bytes <= GatewayLimits.environmentBytesMax else {
            throw GatewayFault.tooLarge(
                "environment", limit: GatewayLimits.environmentBytesMax, actual: bytes)
        }
    }

    /// SHA-256 of what the request asks for, its key left out. Each part is preceded by its length,
    /// so that no two requests have the same bytes.
    private static func content(
        of request: StartServiceRequest, _ parent: InstanceID?
    ) -> [UInt8] {
        var hash = SHA256()
        func add(_ bytes: some Collection<UInt8>) {
            hash.update(data: bigEndian(UInt64(bytes.count)))
            hash.update(data: Array(bytes))
        }
        add(request.service.utf8)
        add(request.name.utf8)
        add(bigEndian(request.memoryBytes))
        add(bigEndian(UInt64(request.readyDeadlineMs)))
        for variable in request.environment {
            add(variable.name.utf8)
            add(variable.valueBytes)
        }
        // What came later and is not asked for leaves the digest as it was.
        let bounds = [
            request.diskBytes, request.cpuQuotaUs, request.cpuPeriodUs, UInt64(request.processes),
            request.lifetimeMs,
        ]
        if parent != nil || bounds.contains(where: { $0 != 0 }) {
            add("bounds".utf8)
            for bound in bounds { add(bigEndian(bound)) }
            add(parent?.bytes ?? [])
        }
        return Array(hash.finalize())
    }

    private static func bigEndian(_ number: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
    }
}
