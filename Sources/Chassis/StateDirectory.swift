// `<state>/<daemon>`: this process's alone, by a lock that ends with it.

package import Syscalls

package final class StateDirectory: Sendable {
    package let path: String
    /// The directory itself, for calls relative to it.
    package let descriptor: Descriptor
    private let lock: Descriptor

    /// Opens it, made if it is not there, and takes its lock.
    package init(state: String, daemon: String) throws(DaemonFailure) {
        path = state + "/" + daemon
        do throws(Errno) {
            try File.makeDirectories(path, mode: 0o700)
            descriptor = try Directory.open(path)
            lock = try File.open(at: descriptor, "lock", .readWrite, [.create, .noFollow])
        } catch {
            throw DaemonFailure(.state, "the state directory \(path) cannot be opened: \(error)")
        }
        do throws(Errno) {
            guard try File.lock(lock) else { throw .again }
        } catch {
            throw DaemonFailure(.stateTaken, "the state directory \(path) is in use by another")
        }
    }
}
