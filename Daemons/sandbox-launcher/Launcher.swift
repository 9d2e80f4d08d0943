// The loop: a plan in, a witness made, an answer out. Keeps nothing of an instance.

import LaunchPlan
import Syscalls

struct Launcher: ~Copyable {
    private let socket: Descriptor
    private let materials: Materials
    private let filter: [UInt8]
    private var spares = Spares()
    private var buffer = [UInt8](repeating: 0, count: LaunchLimits.packetBytesMax)

    init(socket: consuming Descriptor, materials: consuming Materials, filter: [UInt8]) {
        self.socket = socket
        self.materials = materials
        self.filter = filter
    }

    /// Until the supervisor's end closes.
    mutating func serve() throws(LaunchFailure) {
        while true {
            var waits = [Poll.Wait(socket)]
            let patience = spares.isEmpty ? -1 : Spares.idleMilliseconds
            try step("poll") { () throws(Errno) in
                try Poll.wait(&waits, milliseconds: patience)
            }
            if !waits[0].ready {
                spares.drop()
                continue
            }
            let received: SeqpacketSocket.Received
            do throws(Errno) {
                received = try SeqpacketSocket.receive(socket, into: &buffer)
            } catch .again {
                continue
            } catch .connectionReset {
                return
            } catch {
                throw LaunchFailure(step: "receive", code: error.code)
            }
            if received.bytes == 0 { return }
            answer(received)
        }
    }

    private mutating func answer(_ received: SeqpacketSocket.Received) {
        let parcel = received.descriptors ?? Parcel()
        do throws(LaunchFailure) {
            let plan: LaunchPlan
            do throws(LaunchViolation) {
                guard !received.bytesCut, !received.descriptorsCut else {
                    throw LaunchViolation("packet")
                }
                plan = try LaunchPlan(reading: [UInt8](buffer.prefix(received.bytes)))
                guard parcel.count == plan.descriptors else {
                    throw LaunchViolation("descriptors")
                }
            } catch {
                throw LaunchFailure(step: "plan \(error.field)", code: Errno.invalid.code)
            }
            try launch(plan, parcel)
        } catch {
            send(.failed(error), nil)
        }
    }

    private mutating func launch(_ plan: LaunchPlan, _ parcel: Parcel) throws(LaunchFailure) {
        // Before the clone: a mount can be cloned only in the mount namespace it belongs to, and the
        // box builder's may be another than ours. The clone has the directory as its root, so that
        // the instance's mount table shows "/".
        let objects = try Root.part(parcel, .objects, "objects") { directory throws(Errno) in
            let clone = try Mounts.cloneHere(directory)
            try Mounts.set([.readOnly, .noSetuid, .noDevices, .noExecute], on: clone)
            return clone
        }
        let spare = spares.take(bytes: Self.diskBytes(parcel))
        let next = nextDisk(parcel, isUsed: spare == nil)
        // No cgroup namespace: from inside one, the payload could not be cloned into the instance's
        // cgroup, which is beside ours and not below (`nsdelegate`, as systemd mounts cgroup v2). The
        // payload makes its own when it is there.
        let kinds: Namespaces.Kinds = [.mount, .pid, .network, .ipc, .hostName]
        let side = try step("clone") { () throws(Errno) in try Namespaces.clone(into: kinds) }
        switch consume side {
        case .child:
            throw Witness.run(
                plan: plan, parcel: parcel, objects: objects, spare: spare,
                materials: materials, filter: filter)
        case .parent(let pid, let pidfd):
            send(.launched(pid: pid), Parcel(pidfd))
        }
        if let next, isIdle() { spares.fill(next, loopControl: materials.loopControl) }
    }

    private static func diskBytes(_ parcel: Parcel) -> UInt64 {
        let status = try? parcel.inspect(LaunchPlan.Place.disk.rawValue) {
            (disk) throws(Errno) in try File.status(disk)
        }
        return status?.sizeBytes ?? 0
    }

    /// The file of the next spare: the plan's own where a spare is used for it, otherwise a copy made
    /// before anybody writes to it.
    private func nextDisk(_ parcel: Parcel, isUsed: Bool) -> Descriptor? {
        guard isUsed else { return parcel.take(LaunchPlan.Place.disk.rawValue) }
        guard isIdle() else { return nil }
        var copy: Descriptor?
        _ = parcel.inspect(LaunchPlan.Place.disk.rawValue) { disk in
            _ = parcel.inspect(LaunchPlan.Place.directory.rawValue) { directory in
                copy = Spares.copy(of: disk, in: directory)
            }
        }
        return copy
    }

    /// Whether no plan waits.
    private func isIdle() -> Bool {
        var waits = [Poll.Wait(socket)]
        return (try? Poll.wait(&waits, milliseconds: 0)) != nil && !waits[0].ready
    }

    private func send(_ outcome: LaunchOutcome, _ parcel: Parcel?) {
        // A supervisor that does not read its answers has died; `serve` sees that next.
        _ = try? SeqpacketSocket.send(socket, outcome.encoded(), descriptors: parcel)
    }
}
