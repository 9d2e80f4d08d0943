import Interfaces
import LaunchPlan
import Syscalls

/// The directory of instances, and what an instance has in the kernel beside its processes. All calls
/// block: they are made on worker threads.
struct Workplace: Sendable {
    let path: String
    let cgroups: Cgroups
    let disks: DiskImages
    let meters: MeterBook
    let parts: OwnParts
    let next: NextStart

    init(state: String, cgroups: Cgroups, maker: String) throws(Errno) {
        path = "\(state)/instances"
        self.cgroups = cgroups
        meters = MeterBook(path: "\(state)/memory")
        try File.makeDirectories(path, mode: 0o700)
        parts = OwnParts(hierarchies: cgroups.hierarchies, base: cgroups.base, state: state)
        disks = try DiskImages(directory: "\(state)/disks", maker: maker)
        next = NextStart(disks: disks, cgroups: cgroups)
    }

    func directory(_ id: InstanceID) -> String { "\(path)/\(id)" }

    /// What the launcher gets beside the plan; the report's socket is added by who waits for it.
    struct Prepared: Sendable {
        let directory: SharedDescriptor
        /// nil for who writes nothing to one.
        let disk: SharedDescriptor?
        let groups: [SharedDescriptor]
    }

    /// Makes all that an instance needs before it is launched.
    func prepare(
        _ id: InstanceID, _ limits: Limits, witnessUID: UInt32, hasDisk: Bool
    ) throws(LaunchFailure) -> Prepared {
        let path = directory(id)
        let held: SharedDescriptor
        do throws(Errno) {
            try File.makeDirectory(path, mode: 0o700)
            try File.setOwner(path, uid: witnessUID, gid: witnessUID)
            held = SharedDescriptor(try Directory.open(path))
            // Whoever has this open file, the witness in the end, keeps the lock: a supervisor that
            // comes back knows by it who lives.
            guard try File.lock(held.descriptor) else { throw .busy }
        } catch {
            throw LaunchFailure(step: "make instance directory", code: error.code)
        }
        let ready = next.take(id, limits, hasDisk: hasDisk)
        return Prepared(
            directory: held, disk: hasDisk ? try disk(ready.disk, limits) : nil,
            groups: try groups(ready.groups, id, limits))
    }

    private func disk(
        _ ready: SharedDescriptor?, _ limits: Limits
    ) throws(LaunchFailure) -> SharedDescriptor {
        if let ready { return ready }
        do throws(DiskFailure) {
            return try disks.make(diskBytes: limits.diskBytes)
        } catch {
            throw LaunchFailure(step: error.subject, code: error.errno.code)
        }
    }

    private func groups(
        _ ready: [SharedDescriptor]?, _ id: InstanceID, _ limits: Limits
    ) throws(LaunchFailure) -> [SharedDescriptor] {
        if let ready { return ready }
        do throws(CgroupFailure) {
            return try cgroups.make(named: "\(id)", limits)
        } catch {
            throw LaunchFailure(step: "cgroup \(error.subject)", code: error.errno.code)
        }
    }

    /// What a witness that is gone left.
    func remains(_ id: InstanceID) -> InstanceMachine.Remains {
        let path = directory(id)
        let bytes = try? File.readAll(
            "\(path)/\(InstanceFiles.ended)", limit: LaunchOutcome.bytesMax)
        let outcome = bytes.flatMap { try? LaunchOutcome(reading: $0) }
        return InstanceMachine.Remains(
            outcome: outcome, outOfMemory: cgroups.wasOutOfMemory(id), usage: cgroups.usage(id),
            lastLines: OutputReader(path: path).lastLines(), limitsMet: cgroups.limitsMet(id))
    }

    /// Removes an instance's files.
    func forget(_ id: InstanceID) throws(Errno) {
        let all = try Directory.open(path)
        do throws(Errno) {
            try Directory.removeAll(at: all, "\(id)")
        } catch .noEntry {
            return
        }
    }

    /// Whether the witness lives: it has the lock of the directory.
    func isHeld(_ id: InstanceID) -> Bool {
        guard let directory = try? Directory.open(directory(id)) else { return false }
        return (try? File.lock(directory)) == false
    }

    /// Who the witness is, if it still runs.
    func witness(_ id: InstanceID) -> WitnessIdentity? {
        let file = "\(directory(id))/\(InstanceFiles.witness)"
        guard let text = try? File.readAll(file, limit: 256) else { return nil }
        let words = String(decoding: text, as: UTF8.self).split { $0 == " " || $0 == "\n" }
        guard words.count == 2, let pid = Int32(words[0]), let start = UInt64(words[1]) else {
            return nil
        }
        return WitnessIdentity.find(pid: pid, startTime: start)
    }

    /// The ids that have a directory or a cgroup.
    func present() -> Set<InstanceID> {
        var names = cgroups.present()
        if let all = try? Directory.open(path) {
            try? Directory.forEach(all) { entry in
                names.insert(entry.name)
                return true
            }
        }
        return Set(names.compactMap { InstanceID(name: $0) })
    }

    /// Bytes in the instance's own root, by the file system they lie in. Of one that is read-only, where
    /// what lies in it is in memory, none; unless directories are offered, which lie on a disk.
    func diskBytes(_ id: InstanceID, pid: Int32, isReadOnly: Bool) -> UInt64 {
        if isReadOnly, !File.exists("\(directory(id))/\(InstanceFiles.offers)") { return 0 }
        guard let space = try? FileSystem.space("/proc/\(pid)/root") else { return 0 }
        return space.totalBytes - min(space.availableBytes, space.totalBytes)
    }
}

/// A witness that was found again: its pid, and a descriptor that cannot come to mean another.
struct WitnessIdentity: Sendable {
    let pid: Int32
    let startTime: UInt64
    let pidfd: SharedDescriptor

    static func find(pid: Int32, startTime: UInt64) -> WitnessIdentity? {
        // The descriptor first: if the pid still has that start time after it, it is that process.
        guard let pidfd = try? Pidfd.open(pid: pid), Self.startTime(of: pid) == startTime else {
            return nil
        }
        return WitnessIdentity(pid: pid, startTime: startTime, pidfd: SharedDescriptor(pidfd))
    }

    static func startTime(of pid: Int32) -> UInt64? {
        guard let text = try? File.readAll("/proc/\(pid)/stat", limit: 4_096) else { return nil }
        return ProcessStatus.identity(text)?.startTime
    }
}
