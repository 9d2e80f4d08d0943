import Syscalls

/// This node's directory in each cgroup hierarchy, above those of its instances, and the directories of
/// nodes that are gone. A node whose daemons were killed and whose state directory was removed leaves
/// its own behind, and nobody of its name comes back for them. So each says, in an attribute, which
/// state directory it belongs to, and is locked as long as its supervisor lives.
///
/// Keeps true: removes only what says so, whose state directory is not there, and which nobody has
/// locked; and only directories, which the kernel keeps while a process is in them. Kills nothing.
struct OwnParts: Sendable {
    private static let attribute = "trusted.celaut.state"
    /// What the names of all nodes' directories begin with.
    private static let namePrefix = "celaut"

    /// The lock goes with the process.
    private let locks: [SharedDescriptor]
    private let hierarchies: [String]

    /// - Parameters:
    ///   - hierarchies: where each is mounted.
    ///   - base: our part of each.
    ///   - state: the state directory, by its whole path.
    init(hierarchies: [String], base: String, state: String) {
        locks = hierarchies.compactMap { Self.take("\($0)/\(base)", state) }
        // What a service manager gave is at its side, and it removes it.
        self.hierarchies = base.contains("/") ? [] : hierarchies
    }

    /// A kernel that keeps no attribute there, or another process that has the lock, costs the sweep.
    private static func take(_ path: String, _ state: String) -> SharedDescriptor? {
        guard let directory = try? Directory.open(path),
            (try? File.lock(directory)) == true,
            (try? File.setAttribute(directory, attribute, [UInt8](state.utf8))) != nil
        else { return nil }
        return SharedDescriptor(directory)
    }

    /// Removes the directories of nodes that are gone. Blocks only on the kernel's own tables.
    ///
    /// - Returns: the paths that are not there any more.
    func removeOthers() -> [String] {
        var removed: [String] = []
        for hierarchy in hierarchies {
            for name in Self.directories(in: hierarchy) where name.hasPrefix(Self.namePrefix) {
                let path = "\(hierarchy)/\(name)"
                if Self.remove(path) { removed.append(path) }
            }
        }
        return removed
    }

    private static func remove(_ path: String) -> Bool {
        guard let directory = try? Directory.open(path),
            let state = try? File.attribute(directory, attribute),
            state.first == UInt8(ascii: "/"),
            !File.exists(String(decoding: state, as: UTF8.self)),
            (try? File.lock(directory)) == true
        else { return false }
        for name in directories(in: path) { try? File.removeDirectory("\(path)/\(name)") }
        return (try? File.removeDirectory(path)) != nil
    }

    private static func directories(in path: String) -> [String] {
        guard let directory = try? Directory.open(path) else { return [] }
        var names: [String] = []
        try? Directory.forEach(directory) { entry in
            if entry.kind == .directory { names.append(entry.name) }
            return true
        }
        return names
    }
}
