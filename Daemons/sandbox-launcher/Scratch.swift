// What an instance whose root is read-only may still write without a disk: /tmp, /var/tmp, /run and
// /dev/shm, as container engines have them.
//
// Keeps true: all four are parts of one tmpfs, so that together they have one bound, half of the
// memory limit, and are charged to it. They begin empty; what the box has there stays below. Where the
// box has no plain directory in one of the three places, or its entrypoint, that place stays the box's.

import LaunchPlan
import Syscalls

enum Scratch {
    private struct Part {
        let path: [String]
        let mode: UInt32
        var attributes: Mounts.Attributes = []

        /// Of its directory in the tmpfs, which the mount table shows.
        var name: String { path.joined(separator: "-") }
    }

    private static let parts = [
        Part(path: ["tmp"], mode: 0o1777), Part(path: ["var", "tmp"], mode: 0o1777),
        Part(path: ["run"], mode: 0o755),
        Part(path: ["dev", "shm"], mode: 0o1777, attributes: [.noExecute]),
    ]
    /// The last is attached where the devices are, and not by its path.
    static let sharedMemoryPlace = parts.count - 1

    /// - Returns: a mount for each part, attached nowhere.
    static func make(_ plan: LaunchPlan) throws(LaunchFailure) -> Parcel {
        try step("memory to write") { () throws(Errno) in
            let context = try FileSystemContext("tmpfs")
            try context.set("mode", "0755")
            try context.set("size", "\(plan.sharedMemoryBytesMax)")
            let memory = try context.mount([.noSetuid, .noDevices])
            // Older kernels clone no mount that is attached nowhere. It goes with the host's root.
            try Mounts.attach(memory, over: "/sys")
            let mounts = Parcel()
            for part in parts {
                try File.makeDirectory(at: memory, part.name, mode: part.mode)
                try File.setOwner(
                    at: memory, part.name, uid: plan.uidBase, gid: plan.uidBase)
                let mount = try Mounts.clone(at: memory, part.name)
                if !part.attributes.isEmpty { try Mounts.set(part.attributes, on: mount) }
                mounts.append(mount)
            }
            return mounts
        }
    }

    /// Attaches what stands at a path, in a root that is the process's own by now, and makes in it the
    /// places of shares: whatever box has them has them below.
    static func attach(
        _ plan: LaunchPlan, _ root: borrowing Descriptor, _ mounts: Parcel
    ) throws(LaunchFailure) {
        for (index, part) in parts.enumerated() where index != sharedMemoryPlace {
            if plan.entrypoint.starts(with: part.path) { continue }
            let path = "/" + part.path.joined(separator: "/")
            try step("mount \(path)") { () throws(Errno) in
                guard let mount = mounts.take(index) else { throw .noEntry }
                do throws(Errno) {
                    let place = try Interior.directory(part.path, root, plan)
                    try Mounts.attach(mount, at: place, ".")
                } catch .loop {
                    return
                } catch .notDirectory {
                    return
                }
                for share in plan.inherited.map(\.path) + plan.offered
                where share.starts(with: part.path) {
                    _ = try Interior.directory(share, root, plan)
                }
            }
        }
    }
}
