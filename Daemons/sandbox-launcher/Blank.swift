// A witness made before it is asked for. Its namespaces, its network, its /proc and /dev are most of
// the time of a start and the same for every instance: it has them, and waits for a plan.
//
// Keeps true: a blank becomes the witness of one instance or ends; it ends with the launcher.

import LaunchPlan
import Syscalls

struct Blank: ~Copyable {
    let pid: Int32
    private let pidfd: Descriptor
    private let socket: Descriptor

    // No cgroup namespace: from inside one, the payload could not be cloned into the instance's
    // cgroup, which is beside ours and not below (`nsdelegate`, as systemd mounts cgroup v2). The
    // payload makes its own when it is there.
    private static let kinds: Namespaces.Kinds = [.mount, .pid, .network, .ipc, .hostName]

    /// Clones a witness, which prepares itself and waits.
    static func make(
        filters: Filters, loopControl: borrowing Descriptor
    ) throws(LaunchFailure) -> Blank {
        let pair = try step("socket of the witness") { () throws(Errno) in
            try SeqpacketSocket.pair()
        }
        let ours = try step("socket of the witness") { () throws(Errno) in
            try pair.first.duplicate()
        }
        let side = try step("clone") { () throws(Errno) in try Namespaces.clone(into: kinds) }
        switch consume side {
        case .child:
            throw Witness.run(
                socket: pair.second, loopControl: loopControl, filters: filters)
        case .parent(let pid, let pidfd):
            return Blank(pid: pid, pidfd: pidfd, socket: ours)
        }
    }

    /// Makes it the witness of an instance.
    ///
    /// - Throws: when it has died meanwhile.
    borrowing func give(_ order: LaunchOrder) throws(Errno) {
        _ = try SeqpacketSocket.send(socket, order.packet, descriptors: order.parcel)
    }

    /// Ready when it has no more use for the launcher: the entrypoint runs, or it has died.
    var wait: Poll.Wait { Poll.Wait(socket) }

    borrowing func copyPidfd() throws(LaunchFailure) -> Descriptor {
        try step("pidfd of the witness") { () throws(Errno) in try pidfd.duplicate() }
    }
}

/// A plan on its way from the launcher to a witness.
struct LaunchOrder {
    /// What `LaunchPlan.diskPlace` has.
    enum Layer: UInt8 {
        /// A file with a file system.
        case file = 0
        /// The file system, mounted.
        case mounted = 1
        /// Nothing is written to a disk.
        case absent = 2
    }

    let layer: Layer
    let plan: [UInt8]
    let parcel: Parcel

    var packet: [UInt8] { [layer.rawValue] + plan }

    init(layer: Layer, plan: [UInt8], parcel: Parcel) {
        self.layer = layer
        self.plan = plan
        self.parcel = parcel
    }

    /// The next order; nil when the launcher is gone.
    init?(from socket: borrowing Descriptor) {
        var waits = [Poll.Wait(socket)]
        while true {
            guard (try? Poll.wait(&waits)) != nil else { return nil }
            do throws(Errno) {
                let received = try SeqpacketSocket.receive(
                    socket, bytesMax: LaunchLimits.packetBytesMax + 1)
                guard let first = received.bytes.first, let layer = Layer(rawValue: first),
                    let parcel = received.descriptors
                else { return nil }
                self.init(layer: layer, plan: [UInt8](received.bytes.dropFirst()), parcel: parcel)
                return
            } catch .again {
                continue
            } catch {
                return nil
            }
        }
    }
}
