import Channel
import Chassis
import LaunchPlan
import Logging
import Syscalls

/// What the service manager has of a living instance while there is no supervisor: the pidfd of its
/// witness and its network namespace, both under its id. All of it may be missing: then the witness is
/// found by what it wrote down itself.
extension SandboxService {
    /// Takes what was kept; called once, before anything is found again.
    func takeKept() async {
        let given = stored.map { ($0.name, $0.descriptor) }
        stored = []
        found = await loop.runBlocking { KeptInstance.sort(given) }
        let whole = Set(found.filter(\.value.isWhole).keys)
        kept.found(whole, partial: Set(found.keys).subtracting(whole))
        // Under names that nobody here gives.
        for (name, _) in given where InstanceID(name: name) == nil { manager.forget(name: name) }
    }

    /// The witness by what was kept of it: never another process, whatever its pid has come to mean.
    func keptWitness(_ id: InstanceID) -> WitnessIdentity? {
        guard let one = found[id], let pidfd = one.pidfd, let pid = one.pid else { return nil }
        let startTime = WitnessIdentity.startTime(of: pid) ?? 0
        return WitnessIdentity(pid: pid, startTime: startTime, pidfd: pidfd)
    }

    /// Whether what was kept says that the witness is gone.
    func hasEndedSince(_ id: InstanceID) -> Bool {
        guard let one = found[id], one.pidfd != nil else { return false }
        return one.pid == nil
    }

    /// After all that lives is found again: what is left is of instances that have ended.
    func dropKept() {
        for id in found.keys where living[id] == nil { forgetKept(id) }
        found = [:]
    }

    /// Once the entrypoint runs, so that no start waits for it.
    func keep(_ id: InstanceID) {
        kept.keep(id)
        tellManager()
    }

    func forgetKept(_ id: InstanceID) {
        kept.forget(id)
        tellManager()
    }

    /// On a worker: a service manager that is busy lets who tells it something wait.
    private func tellManager() {
        if isTellingManager { return }
        isTellingManager = true
        Task {
            while let batch = kept.next() {
                let given = batch.keep.map { id in
                    (name: "\(id)", [living[id]?.pidfd, living[id]?.network].compactMap(\.self))
                }
                let manager = manager
                await loop.runBlocking {
                    for id in batch.forget { manager.forget(name: "\(id)") }
                    for (name, descriptors) in given where !descriptors.isEmpty {
                        manager.keep(descriptors, name: name)
                    }
                }
            }
            isTellingManager = false
        }
    }
}
