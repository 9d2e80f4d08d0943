// What stands inside the root beside the box: /proc with parts hidden, /dev, the configuration file.
// Runs when the root is already the process's own, so that no name of the box leads outside.

import LaunchPlan
import Syscalls

enum Interior {
    /// Parts of /proc that tell of the host or change it: nothing is in them.
    private static let emptyFiles = [
        "kcore", "keys", "key-users", "timer_list", "kmsg", "kallsyms", "kpagecount",
        "kpageflags", "sysrq-trigger", "sched_debug", "latency_stats", "config.gz", "modules",
        "diskstats", "partitions", "swaps", "interrupts", "softirqs",
        "iomem", "ioports", "cmdline", "consoles", "locks", "mtrr", "misc", "devices", "dma",
        "kpagecgroup", "cgroups", "crypto", "vmallocinfo", "slabinfo", "zoneinfo", "buddyinfo",
        "pagetypeinfo",
    ]
    private static let emptyDirectories = [
        "acpi", "asound", "bus", "driver", "dynamic_debug", "fs", "irq", "scsi", "tty",
    ]
    private static let bootIDPath = "sys/kernel/random/boot_id"

    /// The new process table, attached nowhere. Processes of other ids do not appear in it.
    static func makeProcesses() throws(LaunchFailure) -> Descriptor {
        try step("mount proc") { () throws(Errno) in
            let context = try FileSystemContext("proc")
            try context.set("hidepid", "2")
            return try context.mount([.noSetuid, .noDevices, .noExecute])
        }
    }

    static func build(
        plan: LaunchPlan, root: borrowing Descriptor, processes: borrowing Descriptor,
        materials: borrowing Materials, namespace: borrowing Descriptor,
        configuration: [UInt8]
    ) throws(LaunchFailure) {
        try writeConfiguration(configuration, plan, root)
        try step("make tmp") { () throws(Errno) in
            try makeIfMissing(root, "tmp", mode: 0o1777, plan)
        }
        try attach(processes, "proc", root, plan)
        try hide(in: processes, materials)
        try attachDevices(materials, namespace, root, plan)
    }

    private static func attach(
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

    private static func hide(
        in processes: borrowing Descriptor, _ materials: borrowing Materials
    ) throws(LaunchFailure) {
        try step("hide parts of /proc") { () throws(Errno) in
            for name in emptyFiles { try cover(processes, name, materials, "file") }
            for name in emptyDirectories { try cover(processes, name, materials, "directory") }
            let settings = try Mounts.clone(at: processes, "sys")
            try Mounts.set([.readOnly, .noSetuid, .noDevices, .noExecute], on: settings)
            try Mounts.attach(settings, at: processes, "sys")
            try cover(processes, bootIDPath, materials, "boot_id")
        }
    }

    private static func cover(
        _ processes: borrowing Descriptor, _ name: String, _ materials: borrowing Materials,
        _ blank: String
    ) throws(Errno) {
        let clone = try Mounts.clone(at: materials.blanks, blank)
        do throws(Errno) {
            try Mounts.attach(clone, at: processes, name)
        } catch .noEntry {
            // This kernel has no such entry.
        }
    }

    private static func attachDevices(
        _ materials: borrowing Materials, _ namespace: borrowing Descriptor,
        _ root: borrowing Descriptor, _ plan: LaunchPlan
    ) throws(LaunchFailure) {
        let devices = try step("clone devices") { () throws(Errno) in
            let clone = try Mounts.clone(materials.devices)
            try Mounts.mapOwners(of: clone, by: namespace)
            return clone
        }
        try attach(devices, "dev", root, plan)
        try step("mount /dev/shm") { () throws(Errno) in
            let context = try FileSystemContext("tmpfs")
            try context.set("mode", "1777")
            try context.set("size", "\(plan.sharedMemoryBytesMax)")
            let memory = try context.mount([.noSetuid, .noDevices, .noExecute])
            // Not as options: the mount table would tell them, as numbers of the host.
            try File.setOwner(at: memory, ".", uid: plan.uidBase, gid: plan.uidBase)
            try Mounts.attach(memory, at: devices, "shm")
        }
    }

    private static func writeConfiguration(
        _ content: [UInt8], _ plan: LaunchPlan, _ root: borrowing Descriptor
    ) throws(LaunchFailure) {
        let path = plan.configurationPath
        try step("write configuration /\(path.joined(separator: "/"))") { () throws(Errno) in
            var directory = try File.open(at: root, ".", .path, [.directory])
            for segment in path.dropLast() {
                try makeIfMissing(directory, segment, mode: 0o755, plan)
                directory = try File.open(
                    at: directory, segment, resolve: [.beneath, .noSymlinks], .path, [.directory])
            }
            let file = try File.open(
                at: directory, path.last ?? "", resolve: [.beneath, .noSymlinks], .writeOnly,
                [.create, .truncate], mode: 0o644)
            try File.setOwner(file, uid: plan.uidBase, gid: plan.uidBase)
            try File.writeAll(file, content)
        }
    }
}
