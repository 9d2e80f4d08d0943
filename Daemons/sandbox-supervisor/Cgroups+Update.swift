import Interfaces
import LaunchPlan
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
                try Self.writeIfThere("\(group)/io.bfq.weight", "\(new.blockIoWeight)")
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

    /// Puts bounds in force again that a change may have left behind: one that was cut between the
    /// kernel and the record was never answered, so the record counts.
    ///
    /// - Returns: the bounds as they are, where the instance is above the recorded ones already.
    func enforce(_ id: InstanceID, _ recorded: Limits) -> Limits? {
        let now = inForce(id, recorded)
        if now == recorded { return nil }
        do throws(CgroupFailure) {
            try update(id, from: now, to: recorded)
            return nil
        } catch {
            return inForce(id, recorded)
        }
    }

    /// Those of the recorded bounds that the kernel has otherwise, as it has them.
    private func inForce(_ id: InstanceID, _ recorded: Limits) -> Limits {
        var now = recorded
        // It keeps whole pages.
        let pages = recorded.memoryBytes / 4_096 * 4_096
        let name = planKind == .version1 ? "memory.limit_in_bytes" : "memory.max"
        if let memory = Self.bound("\(path("memory", id) ?? "")/\(name)"), memory != pages {
            now.memoryBytes = memory
        }
        if let processes = Self.bound("\(path("pids", id) ?? "")/pids.max") {
            now.processes = UInt32(clamping: processes)
        }
        let cpu = path("cpu", id) ?? ""
        switch kind {
        case .version1:
            let quota = Self.bound("\(cpu)/cpu.cfs_quota_us")
            now.cpuQuotaUs = quota ?? 0
            if let period = Self.bound("\(cpu)/cpu.cfs_period_us"), quota != nil {
                now.cpuPeriodUs = period
            }
        case .version2:
            let words = Self.text("\(cpu)/cpu.max").split { $0 == " " || $0 == "\n" }
            guard words.count == 2 else { break }
            now.cpuQuotaUs = UInt64(words[0]) ?? 0
            if words[0] != "max" { now.cpuPeriodUs = UInt64(words[1]) ?? now.cpuPeriodUs }
        }
        return now
    }

    /// A bound's number; nil for none ("max", "-1").
    private static func bound(_ path: String) -> UInt64? {
        UInt64(text(path).prefix { $0 != "\n" })
    }
}
