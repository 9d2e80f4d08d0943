// The loop: a plan in, a witness made, an answer out. Keeps nothing of an instance.

import LaunchPlan
import Syscalls

struct Launcher: ~Copyable {
    private let socket: Descriptor
    private let loopControl: Descriptor
    private let filters: Filters
    private var spares = Spares()
    private var blank: Blank?
    /// The instance that was launched last, until its entrypoint runs.
    private var latest: Launched?
    private var buffer = [UInt8](repeating: 0, count: LaunchLimits.packetBytesMax)

    init(socket: consuming Descriptor, loopControl: consuming Descriptor, filters: Filters) {
        self.socket = socket
        self.loopControl = loopControl
        self.filters = filters
        _ = Root.writesAreBounded
    }

    /// Until the supervisor's end closes.
    mutating func serve() throws(LaunchFailure) {
        while true {
            var waits = [Poll.Wait(socket), Self.wait(for: latest)]
            let isIdle = spares.isEmpty && blank == nil && latest == nil
            try step("poll") { () throws(Errno) in
                try Poll.wait(&waits, milliseconds: isIdle ? -1 : Spares.idleMilliseconds)
            }
            guard waits[0].ready else {
                if waits[1].ready { prepare() } else { rest() }
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
            let packet = [UInt8](buffer.prefix(received.bytes))
            let plan: LaunchPlan
            do throws(LaunchViolation) {
                guard !received.bytesCut, !received.descriptorsCut else {
                    throw LaunchViolation("packet")
                }
                plan = try LaunchPlan(reading: packet)
                guard parcel.count == plan.descriptors else {
                    throw LaunchViolation("descriptors")
                }
            } catch {
                throw LaunchFailure(step: "plan \(error.field)", code: Errno.invalid.code)
            }
            try launch(packet, diskPlace: plan.diskPlace, parcel)
        } catch {
            send(.failed(error), nil)
        }
    }

    private mutating func launch(
        _ plan: [UInt8], diskPlace: Int?, _ parcel: Parcel
    ) throws(LaunchFailure) {
        guard let diskPlace else {
            let order = LaunchOrder(
                layer: .absent, plan: plan, parcel: try Self.parcel(parcel, nil, nil))
            return try launch(order, nextDisk: nil)
        }
        let spare = spares.take(bytes: Self.bytes(parcel, diskPlace))
        let next = nextDisk(parcel, diskPlace, isUsed: spare == nil)
        let layer: LaunchOrder.Layer = spare == nil ? .file : .mounted
        let order = LaunchOrder(
            layer: layer, plan: plan, parcel: try Self.parcel(parcel, diskPlace, spare))
        try launch(order, nextDisk: next)
    }

    private mutating func launch(
        _ order: LaunchOrder, nextDisk: consuming Descriptor?
    ) throws(LaunchFailure) {
        let witness = try give(order)
        send(.launched(pid: witness.pid), Parcel(try witness.copyPidfd()))
        latest = Launched(witness: witness, nextDisk: nextDisk)
    }

    private static func wait(for launched: borrowing Launched?) -> Poll.Wait {
        switch launched {
        case .some(let launched): launched.witness.wait
        case .none: Poll.Wait()
        }
    }

    /// Makes what the next start will need. Only when the one before has come to its entrypoint: both
    /// would wait for the kernel's locks, and for a processor.
    private mutating func prepare() {
        let launched = latest.take()
        // A failure is met again, and told, by the start that needs one.
        if blank == nil { blank = try? Blank.make(filters: filters, loopControl: loopControl) }
        guard isIdle() else { return }
        switch consume launched {
        case .some(let launched): launched.fill(&spares, loopControl: loopControl)
        case .none: break
        }
    }

    /// Lets go of what is ready when nobody came for it.
    private mutating func rest() {
        spares.drop()
        blank = nil
        latest = nil
    }

    /// To the witness that waits, or to a new one.
    private mutating func give(_ order: LaunchOrder) throws(LaunchFailure) -> Blank {
        if let waiting = blank.take(), (try? waiting.give(order)) != nil { return waiting }
        let fresh = try Blank.make(filters: filters, loopControl: loopControl)
        try step("give the plan") { () throws(Errno) in try fresh.give(order) }
        return fresh
    }

    /// What the witness gets: the plan's own, but a clone of the directory's mount and a layer that is
    /// mounted already.
    private static func parcel(
        _ given: Parcel, _ diskPlace: Int?, _ spare: consuming Descriptor?
    ) throws(LaunchFailure) -> Parcel {
        var spare = spare
        let all = Parcel()
        for index in 0..<given.count {
            switch index {
            case LaunchPlan.Place.objects.rawValue:
                all.append(
                    try Root.part(given, .objects, "objects") { (directory) throws(Errno) in
                        try clone(directory)
                    })
            case diskPlace where spare != nil:
                if let spare = spare.take() { all.append(spare) }
            default:
                guard let descriptor = given.take(index) else {
                    throw LaunchFailure(step: "descriptors", code: Errno.noEntry.code)
                }
                all.append(descriptor)
            }
        }
        return all
    }

    /// Here and not in the witness: a mount can be cloned only in the mount namespace it belongs to,
    /// and the box builder's may be another than ours. The clone has the directory as its root, so
    /// that the instance's mount table shows "/".
    private static func clone(_ directory: borrowing Descriptor) throws(Errno) -> Descriptor {
        let clone = try Mounts.cloneHere(directory)
        try Mounts.set([.readOnly, .noSetuid, .noDevices, .noExecute], on: clone)
        return clone
    }

    private static func bytes(_ parcel: Parcel, _ place: Int) -> UInt64 {
        let status = try? parcel.inspect(place) { (disk) throws(Errno) in try File.status(disk) }
        return status?.sizeBytes ?? 0
    }

    /// The file of the next spare: the plan's own where a spare is used for it, otherwise a copy made
    /// before anybody writes to it.
    private func nextDisk(_ parcel: Parcel, _ place: Int, isUsed: Bool) -> Descriptor? {
        guard isUsed else { return parcel.take(place) }
        guard isIdle() else { return nil }
        var copy: Descriptor?
        _ = parcel.inspect(place) { disk in
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

/// An instance on its way to its entrypoint.
private struct Launched: ~Copyable {
    let witness: Blank
    /// The file of the next spare.
    let nextDisk: Descriptor?

    consuming func fill(_ spares: inout Spares, loopControl: borrowing Descriptor) {
        if let disk = nextDisk { spares.fill(disk, loopControl: loopControl) }
    }
}
