// What all instances share and none can change, made once: the tree of /dev, and what hides parts
// of /proc. Each instance gets read-only clones.

import LaunchPlan
import Syscalls

struct Materials: ~Copyable {
    /// A tmpfs with the devices of an instance.
    let devices: Descriptor
    /// A tmpfs with `file` (empty), `directory` (empty) and `boot_id` (zeros).
    let blanks: Descriptor
    let loopControl: Descriptor

    /// Name, major and minor number: the devices that hold no state and reach no hardware.
    private static let nodes: [(String, UInt32, UInt32)] = [
        ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9),
    ]
    private static let links = [
        ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ]

    init() throws(LaunchFailure) {
        let devices = try step("devices") { () throws(Errno) in try Self.makeDevices() }
        let blanks = try step("blanks") { () throws(Errno) in try Self.makeBlanks() }
        let loopControl = try step("open /dev/loop-control") { () throws(Errno) in
            try File.open("/dev/loop-control", .readWrite)
        }
        self.devices = devices
        self.blanks = blanks
        self.loopControl = loopControl
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
        try File.makeDirectory(at: root, "shm", mode: 0o755)
        // Clones inherit it.
        try Mounts.set([.readOnly], on: root)
        return root
    }

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
        try Mounts.set([.readOnly], on: root)
        return root
    }
}
