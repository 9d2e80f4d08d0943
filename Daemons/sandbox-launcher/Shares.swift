// Directories that a parent and its children have together.
//
// What an instance offers lies in its own writable layer, in a directory for each, beside what is over
// the box: it is charged to its disk and goes with it. The owners in it are the ids inside, from 0 on,
// and each side sees them through a map of its own: an overlay cannot be mapped, the file system of
// the layer can. A child gets that file system by its loop device, so that no path of the parent's,
// which the parent could change meanwhile, decides what it gets.
//
// Nothing in it is a device, raises rights, or is followed as a symbolic link, on either side; a child
// executes nothing in it.

import LaunchPlan
import Syscalls

enum Shares {
    private static let folder = "shares"
    /// Beside what the layer's mount has, which a clone of it inherits.
    private static let attributes: Mounts.Attributes = [.noSetuid, .noDevices, .noSymbolicLinks]

    private static func name(_ path: [String]) -> String {
        "share /\(path.joined(separator: "/"))"
    }

    /// Makes the directories that are offered, empty, with owner and mode of those of the box.
    ///
    /// - Parameters:
    ///   - root: of the instance; with the box's own directories still.
    ///   - layer: the file system of the writable layer.
    ///   - mounts: gets a mount for each, in their order.
    static func offer(
        _ plan: LaunchPlan, _ root: borrowing Descriptor, _ layer: borrowing Descriptor,
        _ namespace: borrowing Descriptor, into mounts: Parcel
    ) throws(LaunchFailure) {
        if plan.offered.isEmpty { return }
        try step("shares") { () throws(Errno) in
            try File.makeDirectory(at: layer, folder, mode: 0o700)
        }
        for (index, path) in plan.offered.enumerated() {
            let mount = try step(name(path)) { () throws(Errno) in
                let like = try File.status(try place(path, root))
                let own = "\(folder)/\(index)"
                try File.makeDirectory(at: layer, own, mode: 0o700)
                let made = try File.open(at: layer, own, .readOnly, [.directory])
                try File.setOwner(
                    made, uid: inside(like.uid, plan), gid: inside(like.gid, plan))
                try File.setMode(made, like.permissions)
                let mount = try Mounts.clone(at: layer, own)
                try Mounts.mapOwners(of: mount, by: namespace)
                try Mounts.set(attributes, on: mount)
                return mount
            }
            mounts.append(mount)
        }
    }

    /// Takes the parent's directories. The parent lives before and after its device was opened: it was
    /// its device all the time.
    static func inherit(
        _ plan: LaunchPlan, parent: borrowing Descriptor, _ namespace: borrowing Descriptor,
        into mounts: Parcel
    ) throws(LaunchFailure) {
        guard let first = plan.inherited.first else { return }
        try step(name(first.path)) { () throws(Errno) in
            try expectAlive(parent)
            let context = try FileSystemContext("ext4")
            try context.set("source", "/dev/loop\(first.device)")
            let layer = try context.mount(attributes.union([.noExecute, .noAccessTime]))
            // Older kernels clone no mount that is attached nowhere. It goes with the host's root.
            try Mounts.attach(layer, over: "/sys")
            try expectAlive(parent)
            for one in plan.inherited {
                let mount = try Mounts.clone(at: layer, "\(folder)/\(one.index)")
                try Mounts.mapOwners(of: mount, by: namespace)
                if one.isReadOnly { try Mounts.set([.readOnly], on: mount) }
                mounts.append(mount)
            }
        }
    }

    private static func expectAlive(_ parent: borrowing Descriptor) throws(Errno) {
        var waits = [Poll.Wait(parent)]
        try Poll.wait(&waits, milliseconds: 0)
        if waits[0].ready { throw .noProcess }
    }

    /// Attaches all, in a root that is the process's own by now.
    static func attach(
        _ plan: LaunchPlan, _ root: borrowing Descriptor, _ mounts: Parcel
    ) throws(LaunchFailure) {
        for (index, path) in (plan.inherited.map(\.path) + plan.offered).enumerated() {
            try step(name(path)) { () throws(Errno) in
                guard let mount = mounts.take(index) else { throw .noEntry }
                try Mounts.attach(mount, at: try place(path, root), ".")
            }
        }
    }

    private static func place(
        _ path: [String], _ root: borrowing Descriptor
    ) throws(Errno) -> Descriptor {
        try File.open(
            at: root, path.joined(separator: "/"), resolve: [.beneath, .noSymlinks], .path,
            [.directory])
    }

    /// An id of the host as the instance sees it.
    private static func inside(_ id: UInt32, _ plan: LaunchPlan) -> UInt32 {
        let (own, isBelow) = id.subtractingReportingOverflow(plan.uidBase)
        return isBelow || own >= LaunchPlan.uidsInside ? 0 : own
    }
}
