// The first process of an instance: never exec'd, outside the instance's limits, of an id no process
// of the instance has. It builds the instance, then keeps its output, passes TERM on, reaps, and
// writes down how it ended. It needs nobody else to live: launcher and supervisor may die.
//
// When it ends, so does the pid namespace, and with it every process in it.

import LaunchPlan
import Syscalls

enum Witness {
    /// Runs in the child of the launcher and does not return.
    static func run(
        plan: LaunchPlan, parcel: Parcel, objects: borrowing Descriptor,
        spare: borrowing Descriptor?, materials: borrowing Materials, filter: [UInt8]
    ) -> LaunchFailure {
        guard let directory = parcel.take(LaunchPlan.Place.directory.rawValue),
            let report = parcel.take(LaunchPlan.Place.report.rawValue)
        else { Confinement.exit(1) }
        do throws(LaunchFailure) {
            var own = [directory.raw, report.raw, objects.raw]
            if let number = Self.number(spare) { own.append(number) }
            try leaveLauncher(parcel, materials, own)
            try step("note witness") { () throws(Errno) in try note(directory) }
            var watch = try Construction(plan: plan, filter: filter).build(
                parcel: parcel, objects: objects, spare: spare, materials: materials,
                directory: directory)
            try confine(plan)
            if let failure = try watch.begin() { throw failure }
            parcel.close()
            _ = try? SeqpacketSocket.send(report, LaunchOutcome.started.encoded())
            try watch.keepOnly(directory, report)
            let end = watch.observe()
            record(.ended(end), directory)
            Confinement.exit(0)
        } catch {
            let outcome = LaunchOutcome.failed(error)
            record(outcome, directory)
            _ = try? SeqpacketSocket.send(report, outcome.encoded())
            Confinement.exit(1)
        }
    }

    private static func number(_ descriptor: borrowing Descriptor?) -> Int32? {
        switch descriptor {
        case .some(let descriptor): descriptor.raw
        case .none: nil
        }
    }

    /// Lets go of what is the launcher's alone: above all its socket, which must close with it.
    private static func leaveLauncher(
        _ parcel: Parcel, _ materials: borrowing Materials, _ own: [Int32]
    ) throws(LaunchFailure) {
        var kept = own
        kept += [materials.devices.raw, materials.blanks.raw, materials.loopControl.raw]
        for index in 0..<parcel.count {
            if let number = parcel.inspect(index, { $0.raw }) { kept.append(number) }
        }
        try step("leave launcher") { () throws(Errno) in
            try Confinement.closeAll(from: 3, but: kept.sorted())
            Confinement.defaultSignals()
            Confinement.newSession()
            try Mounts.makeAllPrivate()
        }
    }

    /// Writes down who this is on the host, for a supervisor that never got the answer.
    private static func note(_ directory: borrowing Descriptor) throws(Errno) {
        // The host's /proc still: it shows the host's pid.
        let text = try File.readAll("/proc/self/stat", limit: 4_096)
        guard let (pid, start) = ProcessStatus.identity(text) else { throw .invalid }
        try write("\(pid) \(start)\n".utf8, as: InstanceFiles.witness, directory)
    }

    /// Gives up all but the right to signal what is in its pid namespace.
    private static func confine(_ plan: LaunchPlan) throws(LaunchFailure) {
        try step("confine witness") { () throws(Errno) in
            try Confinement.lockCapabilities()
            try Confinement.become(uid: plan.witnessUID, gid: plan.witnessUID)
            try Confinement.limitCapabilities(to: [Confinement.capabilityKill])
            try Process.setNoNewPrivileges()
            try Process.setDumpable(false)
        }
    }

    /// The outcome is on the disk, whole, before it has its name. Its name may be lost with the
    /// machine's power, and the supervisor then says that the machine went down. A disk that refuses
    /// loses it, too.
    private static func record(_ outcome: LaunchOutcome, _ directory: borrowing Descriptor) {
        _ = try? write(outcome.encoded(), as: InstanceFiles.ended, directory)
    }

    private static func write(
        _ bytes: some Sequence<UInt8>, as name: String, _ directory: borrowing Descriptor
    ) throws(Errno) {
        let temporary = name + ".new"
        let file = try File.open(at: directory, temporary, .writeOnly, [.create, .truncate])
        try File.writeAll(file, [UInt8](bytes))
        if name == InstanceFiles.ended { try File.sync(file) }
        try File.rename(at: directory, temporary, to: directory, name)
    }
}
