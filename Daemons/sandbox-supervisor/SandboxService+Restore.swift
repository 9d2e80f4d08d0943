import Channel
import Interfaces
import LaunchPlan
import Logging
import Syscalls

/// The start of a supervisor: what still runs is managed again, what ended meanwhile is told as it
/// was, what belongs to nobody goes.
extension SandboxService {
    func restore() async throws {
        let storage = storage
        let records = try await loop.runBlocking { () throws(StorageFailure) in try storage.load() }
        for record in records {
            machines[record.id] = InstanceMachine(record)
            announced[record.id] = record.state
        }
        _ = try loop.watch(outputs.inotify.descriptor, .readable) { [weak self] _ in
            self?.assumeIsolated { $0.outputs.take() }
        }
        await takeKept()
        await sweep()
        let workplace = workplace
        let meters = await loop.runBlocking { workplace.meters.read() }
        for record in records where !record.hasEnded {
            living[record.id] = Living()
            if let meter = meters[record.id] { living[record.id]?.memory = meter }
            await resume(record)
        }
        dropKept()
    }

    /// What has a directory or a cgroup and no record, or has ended: a start that was cut before it
    /// was durable, or an end that was cut before all was removed. Nothing else is touched.
    private func sweep() async {
        let workplace = workplace
        let ended = Set(machines.values.filter(\.record.hasEnded).map(\.record.id))
        let known = Set(machines.keys)
        let left = found.filter { !known.contains($0.key) || ended.contains($0.key) }
        let swept = await loop.runBlocking { () -> [InstanceID] in
            var swept: [InstanceID] = []
            for pidfd in left.values.compactMap(\.pidfd) {
                try? Pidfd.send(.kill, to: pidfd.descriptor)
                Self.waitForEnd(pidfd)
            }
            for id in workplace.present() where !known.contains(id) || ended.contains(id) {
                if let witness = workplace.witness(id) {
                    try? Pidfd.send(.kill, to: witness.pidfd.descriptor)
                    Self.waitForEnd(witness.pidfd)
                }
                _ = workplace.cgroups.remove(id)
                if known.contains(id) { continue }
                try? workplace.forget(id)
                swept.append(id)
            }
            return swept
        }
        for id in swept { logger.notice("swept", metadata: ["instance": "\(id)"]) }
        for path in await loop.runBlocking({ workplace.parts.removeOthers() }) {
            logger.notice("swept", metadata: ["cgroup": "\(path)"])
        }
    }

    // LIMIT: time for a killed witness to be gone with all of its namespace.
    private static let endPatienceMs: Int32 = 5_000

    private static func waitForEnd(_ pidfd: SharedDescriptor) {
        var waits = [Poll.Wait(pidfd.descriptor)]
        try? Poll.wait(&waits, milliseconds: endPatienceMs)
    }

    private func resume(_ record: InstanceRecord) async {
        let id = record.id
        let workplace = workplace
        if hasEndedSince(id) { return finish(id) }
        var found = keptWitness(id)
        // A witness that the launcher had just made may not have written down yet who it is.
        for _ in 0..<Self.findTriesMax {
            if found != nil { break }
            let (witness, isHeld) = await loop.runBlocking {
                (Self.witness(record, workplace), workplace.isHeld(id))
            }
            found = witness
            if witness != nil || !isHeld { break }
            await loop.sleep(.milliseconds(10))
        }
        guard let found else { return finish(id) }
        adopt(id, pid: found.pid, found.pidfd, network: self.found[id]?.network)
        keep(id)
        await enforceLimits(id)
        if record.pid != found.pid {
            tell(id, .launched(pid: found.pid, startTime: found.startTime))
        }
        if record.state.phase == .accepted || record.state.phase == .preparing {
            // Its word on the start went to the supervisor before this one. If it failed it ends,
            // and says so; if not, its slots will open.
            tell(id, .started)
            if machines[id]?.record.state.phase == .starting { armReadyDeadline(id) }
        } else {
            tell(id, .begin)
        }
        let by = self.found[id]?.pidfd == nil ? "record" : "descriptor"
        logger.notice(
            "found again",
            metadata: ["instance": "\(id)", "pid": "\(found.pid)", "by": "\(by)"])
    }

    /// By our own record; by what it wrote down itself only where that was made before we could.
    private static func witness(
        _ record: InstanceRecord, _ workplace: Workplace
    ) -> WitnessIdentity? {
        guard record.pid != 0, record.startTime != 0 else { return workplace.witness(record.id) }
        return WitnessIdentity.find(pid: record.pid, startTime: record.startTime)
    }

    // LIMIT: tries, 10 ms apart, for a witness to say who it is: the first thing it does.
    private static let findTriesMax = 200
}
