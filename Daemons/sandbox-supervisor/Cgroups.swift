import Interfaces
import LaunchPlan
import Syscalls

/// The cgroups of instances: `<hierarchy>/<base>/<instance>`, one leaf each (v2), or one in each
/// hierarchy (v1). The payload alone is inside; its witness stays with the supervisor.
///
/// Keeps true: touches only what is below `<base>`.
struct Cgroups: Sendable {
    enum Kind: Sendable, Equatable {
        /// Hierarchies by controller: "memory" → "/sys/fs/cgroup/memory".
        case version1([String: String])
        case version2(String)
    }

    let kind: Kind
    /// Our part of each hierarchy: one name, or a path.
    let base: String

    /// In the order the payload enters them: memory first, so that what it uses is charged to it.
    private static let controllers = ["memory", "pids", "cpu", "cpuacct", "blkio"]
    private static let root = "/sys/fs/cgroup"

    /// Finds what this host has, and makes our part of it.
    ///
    /// - Throws: the controller that is missing, or the directory that cannot be made.
    init(base: String) throws(CgroupFailure) {
        self.base = base
        if let text = try? File.readAll("\(Self.root)/cgroup.controllers", limit: 4_096) {
            let present = Set(
                String(decoding: text, as: UTF8.self).split { $0 == " " || $0 == "\n" })
            for needed in ["memory", "pids", "cpu"] where !present.contains(Substring(needed)) {
                throw CgroupFailure(subject: needed, errno: .noDevice)
            }
            kind = .version2("\(Self.root)/\(base)")
            // A path is a place that a service manager leaves to us, with its controllers: what is
            // above it is not ours to change.
            if !base.contains("/") { try Self.enable(present, at: Self.root) }
            try Self.makeAll(base, in: Self.root)
            try Self.enable(present, at: "\(Self.root)/\(base)")
            return
        }
        var paths: [String: String] = [:]
        for controller in Self.controllers {
            let path = "\(Self.root)/\(controller)"
            if File.exists("\(path)/cgroup.procs") { paths[controller] = path }
        }
        for needed in ["memory", "pids", "cpu"] where paths[needed] == nil {
            throw CgroupFailure(subject: needed, errno: .noDevice)
        }
        kind = .version1(paths)
        for path in paths.values { try Self.makeAll(base, in: path) }
    }

    /// Where each hierarchy that we have a part of is mounted.
    var hierarchies: [String] {
        switch kind {
        case .version1(let roots): roots.values.sorted()
        case .version2: [Self.root]
        }
    }

    /// "v2" or "v1", for the status.
    var name: String {
        switch kind {
        case .version1: "v1"
        case .version2: "v2"
        }
    }

    var planKind: LaunchPlan.GroupKind {
        switch kind {
        case .version1: .version1
        case .version2: .version2
        }
    }

    /// The directories of an instance, in the order they are entered.
    func paths(_ id: InstanceID) -> [String] { paths(named: "\(id)") }

    func paths(named name: String) -> [String] {
        switch kind {
        case .version1(let roots):
            Self.controllers.compactMap { roots[$0] }.map { "\($0)/\(base)/\(name)" }
        case .version2(let root):
            ["\(root)/\(name)"]
        }
    }

    func path(_ controller: String, _ id: InstanceID) -> String? {
        path(controller, named: "\(id)")
    }

    private func path(_ controller: String, named name: String) -> String? {
        switch kind {
        case .version1(let roots): roots[controller].map { "\($0)/\(base)/\(name)" }
        case .version2(let root): "\(root)/\(name)"
        }
    }

    /// Makes an instance's cgroups with its limits.
    ///
    /// - Returns: what tells the witness of an out-of-memory, and then what lets the payload in.
    func make(
        named name: String, _ limits: Limits
    ) throws(CgroupFailure) -> [SharedDescriptor] {
        for path in paths(named: name) { try Self.make(path) }
        switch kind {
        case .version1: try limit1(name, limits)
        case .version2: try limit2(name, limits)
        }
        return try descriptors(name)
    }

    private func descriptors(_ name: String) throws(CgroupFailure) -> [SharedDescriptor] {
        let paths = paths(named: name)
        do throws(Errno) {
            switch kind {
            case .version1:
                guard let memory = path("memory", named: name) else { throw .noDevice }
                var all = [try Self.watchMemory(memory)]
                // Not cgroup.procs: to move a whole process the kernel waits for an RCU grace period
                // (10 ms), and who enters has one thread.
                for path in paths {
                    all.append(SharedDescriptor(try File.open("\(path)/tasks", .writeOnly)))
                }
                return all
            case .version2:
                return [
                    SharedDescriptor(try File.open("\(paths[0])/memory.events")),
                    SharedDescriptor(try File.open(paths[0], .readOnly, [.directory])),
                ]
            }
        } catch {
            throw CgroupFailure(subject: paths[0], errno: error)
        }
    }

    /// v1: an eventfd that the kernel makes ready when the limit is met.
    private static func watchMemory(_ path: String) throws(Errno) -> SharedDescriptor {
        let event = try EventFD().descriptor.duplicate()
        let control = try File.open("\(path)/memory.oom_control")
        let registrar = try File.open("\(path)/cgroup.event_control", .writeOnly)
        try File.writeAll(registrar, [UInt8]("\(event.raw) \(control.raw)".utf8))
        return SharedDescriptor(event)
    }

    // MARK: Limits

    private func limit1(_ name: String, _ limits: Limits) throws(CgroupFailure) {
        if let memory = path("memory", named: name) {
            try Self.write("\(memory)/memory.limit_in_bytes", "\(limits.memoryBytes)")
            // There only where the kernel accounts swap; with it, swap is part of the limit.
            try Self.writeIfThere("\(memory)/memory.memsw.limit_in_bytes", "\(limits.memoryBytes)")
            try Self.writeIfThere("\(memory)/memory.swappiness", "0")
        }
        if let pids = path("pids", named: name) {
            try Self.write("\(pids)/pids.max", "\(limits.processes)")
        }
        if let cpu = path("cpu", named: name), limits.cpuQuotaUs != 0 {
            try Self.write("\(cpu)/cpu.cfs_period_us", "\(limits.cpuPeriodUs)")
            try Self.write("\(cpu)/cpu.cfs_quota_us", "\(limits.cpuQuotaUs)")
        }
        if let io = path("blkio", named: name), limits.blockIoWeight != 0 {
            try Self.writeIfThere("\(io)/blkio.weight", "\(limits.blockIoWeight)")
            try Self.writeIfThere("\(io)/blkio.bfq.weight", "\(limits.blockIoWeight)")
        }
    }

    private func limit2(_ name: String, _ limits: Limits) throws(CgroupFailure) {
        let group = paths(named: name)[0]
        try Self.write("\(group)/memory.max", "\(limits.memoryBytes)")
        try Self.writeIfThere("\(group)/memory.swap.max", "0")
        try Self.write("\(group)/memory.oom.group", "1")
        try Self.write("\(group)/pids.max", "\(limits.processes)")
        if limits.cpuQuotaUs != 0 {
            try Self.write("\(group)/cpu.max", "\(limits.cpuQuotaUs) \(limits.cpuPeriodUs)")
        }
        if limits.blockIoWeight != 0 {
            try Self.writeIfThere("\(group)/io.weight", "\(limits.blockIoWeight)")
            try Self.writeIfThere("\(group)/io.bfq.weight", "\(limits.blockIoWeight)")
        }
    }

    // MARK: Reading

    /// What the kernel counted; zeros where it does not say. Blocks only on memory.
    func usage(_ id: InstanceID) -> Usage {
        var usage = Usage()
        switch kind {
        case .version1:
            if let cpu = path("cpuacct", id) {
                usage.cpuUs = Self.number("\(cpu)/cpuacct.usage") / 1_000
            }
            if let memory = path("memory", id) {
                usage.memoryBytes = Self.number("\(memory)/memory.usage_in_bytes")
                usage.memoryPeakBytes = Self.number("\(memory)/memory.max_usage_in_bytes")
            }
            if let pids = path("pids", id) {
                usage.processes = UInt32(clamping: Self.number("\(pids)/pids.current"))
            }
            if let cpu = path("cpu", id) {
                usage.cpuThrottledUs = Self.entry("throttled_time", of: "\(cpu)/cpu.stat") / 1_000
            }
            if let io = path("blkio", id) {
                let bytes = IOCounts(version1: Self.text("\(io)/blkio.throttle.io_service_bytes"))
                usage.ioReadBytes = bytes.read
                usage.ioWriteBytes = bytes.written
            }
        case .version2(let root):
            let group = "\(root)/\(id)"
            usage.cpuUs = Self.entry("usage_usec", of: "\(group)/cpu.stat")
            usage.memoryBytes = Self.number("\(group)/memory.current")
            usage.memoryPeakBytes = Self.number("\(group)/memory.peak")
            usage.processes = UInt32(clamping: Self.number("\(group)/pids.current"))
            usage.cpuThrottledUs = Self.entry("throttled_usec", of: "\(group)/cpu.stat")
            let bytes = IOCounts(version2: Self.text("\(group)/io.stat"))
            usage.ioReadBytes = bytes.read
            usage.ioWriteBytes = bytes.written
        }
        return usage
    }

    /// Memory charged now. Blocks only on memory.
    func memoryBytes(_ id: InstanceID) -> UInt64 {
        switch kind {
        case .version1: path("memory", id).map { Self.number("\($0)/memory.usage_in_bytes") } ?? 0
        case .version2(let root): Self.number("\(root)/\(id)/memory.current")
        }
    }

    /// The bounds that were in the way at any time, by name.
    func limitsMet(_ id: InstanceID) -> [String] {
        var met: [String] = []
        let memory = path("memory", id) ?? ""
        let failures =
            switch kind {
            case .version1: Self.number("\(memory)/memory.failcnt")
            case .version2: Self.entry("max", of: "\(memory)/memory.events")
            }
        if failures != 0 { met.append("memory") }
        if Self.entry("max", of: "\(path("pids", id) ?? "")/pids.events") != 0 {
            met.append("processes")
        }
        if Self.entry("nr_throttled", of: "\(path("cpu", id) ?? "")/cpu.stat") != 0 {
            met.append("cpu")
        }
        return met
    }

    /// Whether the kernel killed for want of memory.
    func wasOutOfMemory(_ id: InstanceID) -> Bool {
        switch kind {
        case .version1:
            path("memory", id).map { Self.entry("oom_kill", of: "\($0)/memory.oom_control") != 0 }
                ?? false
        case .version2(let root):
            Self.entry("oom_kill", of: "\(root)/\(id)/memory.events") != 0
        }
    }

    // MARK: Removing

    /// The names of all instances that have a cgroup.
    func present() -> Set<String> {
        var names: Set<String> = []
        for hierarchy in hierarchies {
            guard let directory = try? Directory.open("\(hierarchy)/\(base)") else { continue }
            try? Directory.forEach(directory) { entry in
                if entry.kind == .directory { names.insert(entry.name) }
                return true
            }
        }
        return names
    }

    /// Kills what is inside, and removes the directories; those whose processes are still going stay.
    ///
    /// - Returns: whether nothing is left.
    func remove(_ id: InstanceID) -> Bool {
        var gone = true
        for path in paths(id) where File.exists(path) {
            if (try? File.removeDirectory(path)) != nil { continue }
            Self.killAll(path)
            if (try? File.removeDirectory(path)) == nil, File.exists(path) { gone = false }
        }
        return gone
    }

    /// Removes our part of each hierarchy where nothing is in it, instances or else: when this daemon
    /// stops. Who starts again makes it again.
    func leave() {
        if case .version2 = kind, base.contains("/") { return }
        for hierarchy in hierarchies { try? File.removeDirectory("\(hierarchy)/\(base)") }
    }

    private static func killAll(_ path: String) {
        if (try? write("\(path)/cgroup.kill", "1")) != nil { return }
        guard let text = try? File.readAll("\(path)/cgroup.procs", limit: 1 << 20) else { return }
        for word in String(decoding: text, as: UTF8.self).split(separator: "\n") {
            // It is inside an instance's cgroup: nothing of the host's is.
            if let pid = Int32(word), pid > 1 { try? Process.send(.kill, to: pid) }
        }
    }

    // MARK: Files

    /// A path below a directory, with all that is above it.
    private static func makeAll(_ path: String, in root: String) throws(CgroupFailure) {
        var place = root
        for name in path.split(separator: "/") {
            place += "/\(name)"
            try make(place)
        }
    }

    private static func make(_ path: String) throws(CgroupFailure) {
        do throws(Errno) {
            try File.makeDirectory(path, mode: 0o755)
        } catch .exists {
            return
        } catch {
            throw CgroupFailure(subject: path, errno: error)
        }
    }

    private static func enable(
        _ present: Set<Substring>, at path: String
    ) throws(CgroupFailure) {
        for controller in ["memory", "pids", "cpu", "io"]
        where present.contains(Substring(controller)) {
            try write("\(path)/cgroup.subtree_control", "+\(controller)")
        }
    }

    static func write(_ path: String, _ value: String) throws(CgroupFailure) {
        do throws(Errno) {
            let file = try File.open(path, .writeOnly)
            try File.writeAll(file, [UInt8](value.utf8))
        } catch {
            throw CgroupFailure(subject: path, errno: error)
        }
    }

    static func writeIfThere(_ path: String, _ value: String) throws(CgroupFailure) {
        if File.exists(path) { try write(path, value) }
    }

    static func text(_ path: String) -> String {
        (try? File.readAll(path, limit: 65_536)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private static func number(_ path: String) -> UInt64 {
        guard let text = try? File.readAll(path, limit: 256) else { return 0 }
        return UInt64(String(decoding: text, as: UTF8.self).prefix { $0 != "\n" }) ?? 0
    }

    /// The number after a name, in a file of "name number" lines.
    private static func entry(_ name: String, of path: String) -> UInt64 {
        guard let text = try? File.readAll(path, limit: 65_536) else { return 0 }
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, words[0] == name { return UInt64(words[1]) ?? 0 }
        }
        return 0
    }
}

/// A file of a cgroup that could not be had or written.
struct CgroupFailure: Error, Sendable {
    let subject: String
    let errno: Errno
}
