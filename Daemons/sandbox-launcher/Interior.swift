// What stands inside the root beside the box: /proc, /dev, the configuration file. Runs when the root
// is already the process's own, so that no name of the box leads outside.

import LaunchPlan
import Syscalls

enum Interior {
    static func build(
        plan: LaunchPlan, root: borrowing Descriptor, shell: borrowing Shell,
        configuration: [UInt8], shares: Parcel, scratch: Parcel?
    ) throws(LaunchFailure) {
        if let scratch {
            // First: the configuration file, or a share, may lie in one of them.
            try Scratch.attach(plan, root, scratch)
        }
        try writeConfiguration(configuration, plan, root)
        try step("make tmp") { () throws(Errno) in
            try makeIfMissing(root, "tmp", mode: 0o1777, plan)
        }
        try step("devices") { () throws(Errno) in
            if plan.hasTerminals { try shell.makeTerminalPlaces() }
            try shell.ownDevices(by: plan.uidBase)
        }
        try attach(shell.devices, "dev", root, plan)
        try step("mount /dev/shm") { () throws(Errno) in
            if let memory = scratch?.take(Scratch.sharedMemoryPlace) {
                return try shell.addSharedMemory(memory)
            }
            try shell.addSharedMemory(
                bytesMax: plan.sharedMemoryBytesMax, owner: plan.uidBase)
        }
        if plan.hasTerminals {
            try step("mount /dev/pts") { () throws(Errno) in
                try shell.addTerminals(owner: plan.uidBase)
            }
        }
        try Shares.attach(plan, root, shares)
        if plan.isReadOnly {
            // Nothing is open for writing in it, which the kernel would refuse.
            try step("read-only root") { () throws(Errno) in
                try Mounts.set([.readOnly], on: root)
            }
        }
    }

    /// Attaches a mount at a directory of the root, which is made where the box has none.
    static func attach(
        _ mount: borrowing Descriptor, _ name: String, _ root: borrowing Descriptor,
        _ plan: LaunchPlan
    ) throws(LaunchFailure) {
        try step("mount /\(name)") { () throws(Errno) in
            try makeIfMissing(root, name, mode: 0o755, plan)
            let place = try File.open(
                at: root, name, resolve: [.beneath, .noSymlinks], .path, [.directory])
            try Mounts.attach(mount, at: place, ".")
        }
    }

    /// A directory of the root, made with those above it where they are missing.
    static func directory(
        _ path: [String], _ root: borrowing Descriptor, _ plan: LaunchPlan
    ) throws(Errno) -> Descriptor {
        var directory = try File.open(at: root, ".", .path, [.directory])
        for segment in path {
            try makeIfMissing(directory, segment, mode: 0o755, plan)
            directory = try File.open(
                at: directory, segment, resolve: [.beneath, .noSymlinks], .path, [.directory])
        }
        return directory
    }

    private static func makeIfMissing(
        _ directory: borrowing Descriptor, _ name: String, mode: UInt32, _ plan: LaunchPlan
    ) throws(Errno) {
        do throws(Errno) {
            try File.makeDirectory(at: directory, name, mode: mode)
        } catch .exists {
            return
        }
        try File.setOwner(at: directory, name, uid: plan.uidBase, gid: plan.uidBase)
    }

    private static func writeConfiguration(
        _ content: [UInt8], _ plan: LaunchPlan, _ root: borrowing Descriptor
    ) throws(LaunchFailure) {
        let path = plan.configurationPath
        try step("write configuration /\(path.joined(separator: "/"))") { () throws(Errno) in
            let directory = try directory([String](path.dropLast()), root, plan)
            let file = try File.open(
                at: directory, path.last ?? "", resolve: [.beneath, .noSymlinks], .writeOnly,
                [.create, .truncate], mode: 0o644)
            try File.setOwner(file, uid: plan.uidBase, gid: plan.uidBase)
            try File.writeAll(file, content)
        }
    }
}
