// A user namespace that does nothing but map: the one owner a checkout has on the disk to the
// instance's root.

import Syscalls

enum OwnerMap {
    /// - Parameters:
    ///   - processes: the /proc of this pid namespace.
    ///   - owner: on the disk.
    ///   - uidBase: what the instance sees as 0.
    static func namespace(
        _ processes: borrowing Descriptor, owner: FileStatus, uidBase: UInt32
    ) throws(Errno) -> Descriptor {
        let pipe = try Pipe()
        switch try Namespaces.clone(into: [.user]) {
        case .child:
            // Lives until it is killed: both ends of the pipe are its own as well.
            var byte = [UInt8](repeating: 0, count: 1)
            _ = try? File.read(pipe.reading, into: &byte)
            Confinement.exit(0)
        case .parent(let pid, let pidfd):
            let namespace = try map(processes, pid, owner, uidBase)
            try Pidfd.send(.kill, to: pidfd)
            _ = try Pidfd.wait(pidfd)
            return namespace
        }
    }

    private static func map(
        _ processes: borrowing Descriptor, _ pid: Int32, _ owner: FileStatus, _ uidBase: UInt32
    ) throws(Errno) -> Descriptor {
        for (name, id) in [("uid_map", owner.uid), ("gid_map", owner.gid)] {
            let file = try File.open(at: processes, "\(pid)/\(name)", .writeOnly)
            try File.writeAll(file, [UInt8]("\(id) \(uidBase) 1\n".utf8))
        }
        return try File.open(at: processes, "\(pid)/ns/user")
    }
}
