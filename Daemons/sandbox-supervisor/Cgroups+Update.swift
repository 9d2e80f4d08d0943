import Interfaces
import Syscalls

/// Bounds of an instance that runs.
extension Cgroups {
    /// Puts other bounds in force.
    ///
    /// - Throws: the bound that the instance is above already; nothing was changed then.
    func update(
        _ id: InstanceID, from old: Limits, to new: Limits
    ) throws(CgroupFailure) {
        let now = usage(id)
        if new.processes < now.processes {
            throw CgroupFailure(subject: "processes", errno: .busy)
        }
        switch kind {
        case .version1: try update1(id, old, new)
        case .version2:
            // The kernel would kill what does not fit.
            if new.memoryBytes < now.memoryBytes {
                throw CgroupFailure(subject: "memory_bytes", errno: .busy)
            }
            let group = paths(id)[0]
            try Self.write("\(group)/memory.max", "\(new.memoryBytes)")
            try Self.write("\(group)/pids.max", "\(new.processes)")
            let quota = new.cpuQuotaUs == 0 ? "max" : "\(new.cpuQuotaUs)"
            try Self.write("\(group)/cpu.max", "\(quota) \(new.cpuPeriodUs)")
            if new.blockIoWeight != 0 {
                try Self.writeIfThere("\(group)/io.weight", "\(new.blockIoWeight)")
            }
        }
    }

    private func update1(_ id: InstanceID, _ old: Limits, _ new: Limits) throws(CgroupFailure) {
        if let memory = path("memory", id), new.memoryBytes != old.memoryBytes {
            // With swap it is never below without.
            let names = ["memory.memsw.limit_in_bytes", "memory.limit_in_bytes"]
            do throws(CgroupFailure) {
                for name in new.memoryBytes > old.memoryBytes ? names : names.reversed() {
                    try Self.writeIfThere("\(memory)/\(name)", "\(new.memoryBytes)")
                }
            } catch  where error.errno == .busy {
                // The kernel could not take enough back.
                try? Self.writeIfThere("\(memory)/\(names[1])", "\(old.memoryBytes)")
                throw CgroupFailure(subject: "memory_bytes", errno: .busy)
            }
        }
        if let pids = path("pids", id) {
            try Self.write("\(pids)/pids.max", "\(new.processes)")
        }
        if let cpu = path("cpu", id) {
            try Self.write("\(cpu)/cpu.cfs_period_us", "\(new.cpuPeriodUs)")
            let quota = new.cpuQuotaUs == 0 ? "-1" : "\(new.cpuQuotaUs)"
            try Self.write("\(cpu)/cpu.cfs_quota_us", quota)
        }
        if let io = path("blkio", id), new.blockIoWeight != 0 {
            try Self.writeIfThere("\(io)/blkio.weight", "\(new.blockIoWeight)")
            try Self.writeIfThere("\(io)/blkio.bfq.weight", "\(new.blockIoWeight)")
        }
    }
}
