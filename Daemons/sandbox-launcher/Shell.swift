// What an instance stands in and what does not depend on it: a session, a network of its own, /proc
// with parts hidden, /dev. A witness makes it before it has a plan.
//
// Until the instance's root takes the place of the host's, everything is attached over directories
// that every host has, in a mount namespace that nobody else sees: older kernels (before 6.15) clone
// no mount that is attached nowhere.

import LaunchPlan
import Syscalls

struct Shell: ~Copyable {
    /// /proc of the instance's pid namespace.
    let processes: Descriptor
    /// A tmpfs with the devices of an instance, attached nowhere.
    let devices: Descriptor
    /// The host's /dev/null: the witness's own streams.
    let null: Descriptor
    /// "pid start-time" of this process on the host.
    let identity: [UInt8]

    /// Name, major and minor number: the devices that hold no state and reach no hardware.
    private static let nodes: [(String, UInt32, UInt32)] = [
        ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9),
    ]
    private static let links = [
        ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ]
    private static let sharedMemory = "shm"

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
    private static let hostName = "celaut"

    /// - Parameter kept: the numbers of the descriptors that stay open, sorted.
    init(keeping kept: [Int32]) throws(LaunchFailure) {
        try step("leave launcher") { () throws(Errno) in
            try Confinement.closeAll(from: 3, but: kept)
            Confinement.defaultSignals()
            Confinement.newSession()
            try Confinement.leaveKeyring()
            try Mounts.makeAllPrivate()
        }
        let identity = try step("identity of the witness") { () throws(Errno) in
            // The host's /proc still: it shows the host's pid.
            let text = try File.readAll("/proc/self/stat", limit: 4_096)
            guard let (pid, start) = ProcessStatus.identity(text) else { throw .invalid }
            return [UInt8]("\(pid) \(start)\n".utf8)
        }
        let null = try step("open /dev/null") { () throws(Errno) in
            try File.open("/dev/null", .readWrite)
        }
        let processes = try step("mount proc") { () throws(Errno) in try Self.makeProcesses() }
        try step("network") { () throws(Errno) in try Self.openNetwork(processes) }
        try step("hide parts of /proc") { () throws(Errno) in try Self.hide(in: processes) }
        let devices = try step("devices") { () throws(Errno) in try Self.makeDevices() }
        try step("host name") { () throws(Errno) in
            try Namespaces.setHostName(Self.hostName)
            try Namespaces.setDomainName("")
        }
        self.identity = identity
        self.null = null
        self.processes = processes
        self.devices = devices
    }

    /// The new process table. Processes of other ids do not appear in it.
    private static func makeProcesses() throws(Errno) -> Descriptor {
        let context = try FileSystemContext("proc")
        try context.set("hidepid", "2")
        let processes = try context.mount([.noSetuid, .noDevices, .noExecute])
        try Mounts.attach(processes, over: "/proc")
        return processes
    }

    private static func hide(in processes: borrowing Descriptor) throws(Errno) {
        let blanks = try makeBlanks()
        for name in emptyFiles { try cover(processes, name, blanks, "file") }
        for name in emptyDirectories { try cover(processes, name, blanks, "directory") }
        let settings = try Mounts.clone(at: processes, "sys")
        try Mounts.set([.readOnly, .noSetuid, .noDevices, .noExecute], on: settings)
        try Mounts.attach(settings, at: processes, "sys")
        try cover(processes, bootIDPath, blanks, "boot_id")
    }

    private static func cover(
        _ processes: borrowing Descriptor, _ name: String, _ blanks: borrowing Descriptor,
        _ blank: String
    ) throws(Errno) {
        let clone = try Mounts.clone(at: blanks, blank)
        do throws(Errno) {
            try Mounts.attach(clone, at: processes, name)
        } catch .noEntry {
            // This kernel has no such entry.
        }
    }

    /// A tmpfs with `file` (empty), `directory` (empty) and `boot_id` (zeros).
    private static func makeBlanks() throws(Errno) -> Descriptor {
        let context = try FileSystemContext("tmpfs")
        try context.set("mode", "0755")
        try context.set("size", "64k")
        let root = try context.mount([.noSetuid, .noExecute, .noDevices])
        let file = try File.open(
            at: root, "file", .writeOnly, [.create, .exclusive], mode: 0o444)
        _ = consume file
        try File.makeDirectory(at: root, "directory", mode: 0o555)
        let boot = try File.open(
            at: root, "boot_id", .writeOnly, [.create, .exclusive], mode: 0o444)
        try File.writeAll(boot, [UInt8]("00000000-0000-0000-0000-000000000000\n".utf8))
        _ = consume boot
        // Clones inherit it.
        try Mounts.set([.readOnly], on: root)
        try Mounts.attach(root, over: "/sys")
        return root
    }

    private static func makeDevices() throws(Errno) -> Descriptor {
        let context = try FileSystemContext("tmpfs")
        try context.set("mode", "0755")
        try context.set("size", "64k")
        let root = try context.mount([.noSetuid, .noExecute])
        for (name, major, minor) in nodes {
            try Mounts.makeDevice(at: root, name, major: major, minor: minor)
        }
        for (name, target) in links { try File.symlink(target, at: root, name) }
        try File.makeDirectory(at: root, sharedMemory, mode: 0o755)
        return root
    }

    /// The loopback, and every port on it: who has no capabilities may still listen on port 80.
    private static func openNetwork(_ processes: borrowing Descriptor) throws(Errno) {
        try Namespaces.bringLoopbackUp()
        // 10.64.0.0/10: what the gateway listens on for children and peers, one address each.
        // The same in every instance, whether it has any or not.
        try Namespaces.addToLoopback(0x0A40_0001, prefixLength: 10)
        let file = try File.open(
            at: processes, "sys/net/ipv4/ip_unprivileged_port_start", .writeOnly)
        try File.writeAll(file, [UInt8(ascii: "0")])
    }

    /// Makes the devices the instance's own, and never to be changed again.
    borrowing func ownDevices(by owner: UInt32) throws(Errno) {
        let names = Self.nodes.map(\.0) + Self.links.map(\.0) + [Self.sharedMemory, "."]
        for name in names { try File.setOwner(at: devices, name, uid: owner, gid: owner) }
        try Mounts.set([.readOnly], on: devices)
    }

    /// Mounts /dev/shm, once /dev is attached.
    borrowing func addSharedMemory(bytesMax: UInt64, owner: UInt32) throws(Errno) {
        let context = try FileSystemContext("tmpfs")
        try context.set("mode", "1777")
        try context.set("size", "\(bytesMax)")
        let memory = try context.mount([.noSetuid, .noDevices, .noExecute])
        // Not as options: the mount table would tell them, as numbers of the host.
        try File.setOwner(at: memory, ".", uid: owner, gid: owner)
        try Mounts.attach(memory, at: devices, Self.sharedMemory)
    }

    /// The same of a memory that is had already.
    borrowing func addSharedMemory(_ memory: borrowing Descriptor) throws(Errno) {
        try Mounts.attach(memory, at: devices, Self.sharedMemory)
    }

    private static let terminals = "pts"
    // LIMIT: terminals of an instance; a person uses one.
    private static let terminalsMax = 64

    /// Before the devices can be changed no more.
    borrowing func makeTerminalPlaces() throws(Errno) {
        try File.makeDirectory(at: devices, Self.terminals, mode: 0o755)
        try File.symlink("pts/ptmx", at: devices, "ptmx")
    }

    /// Mounts /dev/pts: terminals that nobody else has, the host's not among them.
    borrowing func addTerminals(owner: UInt32) throws(Errno) {
        let context = try FileSystemContext("devpts")
        try context.set("newinstance")
        try context.set("ptmxmode", "0666")
        try context.set("mode", "0620")
        try context.set("max", "\(Self.terminalsMax)")
        let mount = try context.mount([.noSetuid, .noExecute])
        for name in [".", "ptmx"] { try File.setOwner(at: mount, name, uid: owner, gid: owner) }
        try Mounts.attach(mount, at: devices, Self.terminals)
    }
}
