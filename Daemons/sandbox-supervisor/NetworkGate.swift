import Syscalls

/// Makes sockets inside other network namespaces, by way of the calling thread: it goes in, makes
/// them, and comes back before anything else runs on it.
struct NetworkGate: Sendable {
    private let home: SharedDescriptor

    init() throws(Errno) {
        home = SharedDescriptor(try File.open("/proc/thread-self/ns/net"))
    }

    /// The network namespace of a process.
    static func namespace(of pid: Int32) throws(Errno) -> SharedDescriptor {
        SharedDescriptor(try File.open("/proc/\(pid)/ns/net"))
    }

    func sockets(
        inside namespace: SharedDescriptor, _ kind: Socket.Kind, count: Int
    ) throws(Errno) -> [SharedDescriptor] {
        try Namespaces.enterNetwork(namespace.descriptor)
        let made: Result<[SharedDescriptor], Errno>
        do throws(Errno) {
            var sockets: [SharedDescriptor] = []
            for _ in 0..<count {
                sockets.append(SharedDescriptor(try InternetSocket.make(kind: kind)))
            }
            made = .success(sockets)
        } catch {
            made = .failure(error)
        }
        do throws(Errno) {
            try Namespaces.enterNetwork(home.descriptor)
        } catch {
            // A supervisor inside an instance's network is worse than none.
            preconditionFailure("the way back from a network namespace is closed: \(error)")
        }
        return try made.get()
    }
}
