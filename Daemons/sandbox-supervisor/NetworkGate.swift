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
    ) throws(Errno) -> Parcel {
        try inside(namespace) { () throws(Errno) in
            let sockets = Parcel()
            for _ in 0..<count { sockets.append(try InternetSocket.make(kind: kind)) }
            return sockets
        }
    }

    /// A socket bound inside; one for streams listens.
    func listener(
        inside namespace: SharedDescriptor, _ kind: Socket.Kind, at endpoint: IPv4Endpoint
    ) throws(Errno) -> SharedDescriptor {
        try inside(namespace) { () throws(Errno) in
            if kind == .stream { return SharedDescriptor(try InternetSocket.listen(endpoint)) }
            let socket = try InternetSocket.make(kind: kind)
            try InternetSocket.bind(socket, endpoint)
            return SharedDescriptor(socket)
        }
    }

    private func inside<Value>(
        _ namespace: SharedDescriptor, _ body: () throws(Errno) -> Value
    ) throws(Errno) -> Value {
        try Namespaces.enterNetwork(namespace.descriptor)
        let made: Result<Value, Errno>
        do throws(Errno) {
            made = .success(try body())
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
