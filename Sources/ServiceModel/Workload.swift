/// One possible set of descendants that a service may have running at the same time. Scenarios do
/// not add up and have no order.
package struct WorkloadScenario: ProtoMessage {
    /// What runs at the same time, each with its number.
    package var workloads: [Workload] = []

    package init() {}

    package init(workloads: [Workload]) {
        self.workloads = workloads
    }

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        if field.number == 1 { workloads.append(try field.message()) }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.messages(1, workloads)
    }
}

/// Some equal descendants at the same time.
package struct Workload: ProtoMessage {
    /// How many.
    package var count: UInt32 = 0
    /// What each of them needs.
    package var resources: Sysresources?
    /// Which service they are of; nil where that is not said.
    package var dependency: Dependency?

    package init() {}

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: count = UInt32(truncatingIfNeeded: try field.unsigned())
        case 2: try field.merge(into: &resources)
        case 3: try field.merge(into: &dependency)
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.number(1, UInt64(count))
        writer.message(2, resources)
        writer.message(3, dependency)
    }
}

/// Which service a workload is of.
package struct Dependency: ProtoMessage {
    /// Digests the service is known by.
    package var hashes: [Hash] = []
    /// The service as it was given; kept as bytes, so that nothing nests without a bound.
    package var service: [UInt8]?
    /// `service` is whole, so its digests can be computed.
    package var isCompleted = false
    /// The service is in this one's filesystem.
    package var onFilesystem = false

    package init() {}

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: hashes.append(try field.message())
        case 2: service = try field.blob()
        case 3: isCompleted = try field.flag()
        case 4: onFilesystem = try field.flag()
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.messages(1, hashes)
        if let service { writer.always(2, blob: service) }
        writer.flag(3, isCompleted)
        writer.flag(4, onFilesystem)
    }
}
