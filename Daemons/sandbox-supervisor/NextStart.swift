import Interfaces
import LaunchPlan
import Synchronization
import Syscalls

/// The disk file and the cgroups of a start to come, made when nobody waits: of the limits of the start
/// before, as those that follow each other closely are mostly of one kind. Cgroups only on v1, where there
/// are five and one may be given another name. No disk file after a start that needed none.
///
/// Keeps true: at most one of each; a cgroup that is ready has no process in it, and a name that is no
/// instance's. All calls block: they are made on worker threads.
final class NextStart: Sendable {
    private struct State {
        var wanted: Limits?
        var wantsDisk = false
        /// Of what is ready.
        var limits: Limits?
        var disk: SharedDescriptor?
        var groups: [SharedDescriptor]?
        var isClosed = false
    }

    private let disks: DiskImages
    private let cgroups: Cgroups
    private let state = Mutex(State())

    private static let name = "next"

    init(disks: DiskImages, cgroups: Cgroups) {
        self.disks = disks
        self.cgroups = cgroups
        // Of a supervisor that was killed.
        removeGroups()
    }

    /// What is ready, if it has these limits. The cgroups are the instance's from then on.
    func take(
        _ id: InstanceID, _ limits: Limits, hasDisk: Bool
    ) -> (disk: SharedDescriptor?, groups: [SharedDescriptor]?) {
        state.withLock { state in
            (state.wanted, state.wantsDisk) = (limits, hasDisk)
            guard state.limits == limits else { return (nil, nil) }
            let disk = hasDisk ? state.disk.take() : nil
            guard let groups = state.groups.take(), rename(to: id) else { return (disk, nil) }
            return (disk, groups)
        }
    }

    /// Makes what the last start took. A failure costs nothing but the time saved.
    func fill() {
        state.withLock { state in
            guard !state.isClosed, let wanted = state.wanted else { return }
            if state.limits != wanted { drop(&state) }
            state.limits = wanted
            if state.disk == nil, state.wantsDisk {
                state.disk = try? disks.make(diskBytes: wanted.diskBytes)
            }
            guard state.groups == nil, cgroups.planKind == .version1 else { return }
            state.groups = try? cgroups.make(named: Self.name, wanted)
        }
    }

    func drop() {
        state.withLock { drop(&$0) }
    }

    /// Nothing is made from now on.
    func close() {
        state.withLock { state in
            state.isClosed = true
            drop(&state)
        }
    }

    private func drop(_ state: inout State) {
        (state.limits, state.disk, state.groups) = (nil, nil, nil)
        removeGroups()
    }

    private func removeGroups() {
        for path in cgroups.paths(named: Self.name) { try? File.removeDirectory(path) }
    }

    /// - Returns: whether all have their new names; who makes them instead finds those that have.
    private func rename(to id: InstanceID) -> Bool {
        for (old, new) in zip(cgroups.paths(named: Self.name), cgroups.paths(id)) {
            guard (try? File.rename(old, to: new)) != nil else { return false }
        }
        return true
    }
}
