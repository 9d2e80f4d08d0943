/// What an instance may use of a machine. nil is not said; 0 is no limit.
package struct Sysresources: ProtoMessage {
    /// Block I/O weight against others: 10 to 1,000.
    package var blkioWeight: UInt64?
    /// The period of the processor quota, in microseconds.
    package var cpuPeriod: UInt64?
    /// Processor time per period, in microseconds.
    package var cpuQuota: UInt64?
    /// Memory in bytes.
    package var memLimit: UInt64?
    /// Disk space that can be written, in bytes.
    package var diskSpace: UInt64?

    package init() {}

    package init(
        blkioWeight: UInt64? = nil, cpuPeriod: UInt64? = nil, cpuQuota: UInt64? = nil,
        memLimit: UInt64? = nil, diskSpace: UInt64? = nil
    ) {
        self.blkioWeight = blkioWeight
        self.cpuPeriod = cpuPeriod
        self.cpuQuota = cpuQuota
        self.memLimit = memLimit
        self.diskSpace = diskSpace
    }

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: blkioWeight = try field.unsigned()
        case 2: cpuPeriod = try field.unsigned()
        case 3: cpuQuota = try field.unsigned()
        case 4: memLimit = try field.unsigned()
        case 5: diskSpace = try field.unsigned()
        default: break  // 99 is a benchmark figure of some nodes; nothing here depends on it.
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.optional(1, blkioWeight)
        writer.optional(2, cpuPeriod)
        writer.optional(3, cpuQuota)
        writer.optional(4, memLimit)
        writer.optional(5, diskSpace)
    }
}

extension Sysresources {
    // LIMIT: the least memory with which a static program and its loader run. Below it an instance
    // is killed before its first instruction, which nobody would understand.
    package static let memoryBytesMin: UInt64 = 4 << 20

    // LIMIT: the least writable space: the smallest file system with room for a few files.
    package static let diskBytesMin: UInt64 = 4 << 20

    /// What a service that says nothing gets.
    package static let standard = Sysresources(
        blkioWeight: 0, cpuPeriod: 0, cpuQuota: 0, memLimit: 10_000_000, diskSpace: 2_000_000_000)

    /// The larger of each; 0 (no limit) is larger than any limit of processor and I/O.
    package func maximum(with other: Sysresources) -> Sysresources {
        func larger(_ one: UInt64?, _ two: UInt64?) -> UInt64? {
            guard let one, let two else { return one ?? two }
            return one == 0 || two == 0 ? 0 : max(one, two)
        }
        return Sysresources(
            blkioWeight: larger(blkioWeight, other.blkioWeight),
            cpuPeriod: larger(cpuPeriod, other.cpuPeriod),
            cpuQuota: larger(cpuQuota, other.cpuQuota),
            memLimit: larger(memLimit, other.memLimit),
            diskSpace: larger(diskSpace, other.diskSpace))
    }
}

/// What an instance needs when it starts, and what it may grow to.
package struct Resources: ProtoMessage {
    /// What an instance starts with.
    package var atInit = Sysresources()
    /// The most it may ask for while it runs; as it is packed, each value at least that of `atInit`.
    package var atMost = Sysresources()

    package init() {}

    package init(atInit: Sysresources, atMost: Sysresources) {
        self.atInit = atInit
        self.atMost = atMost
    }

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: try field.merge(into: &atInit)
        case 2: try field.merge(into: &atMost)
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.spoken(1, atInit)
        writer.spoken(2, atMost)
    }
}
