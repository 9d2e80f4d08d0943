package import Interfaces
package import Syscalls

/// A caller that outlives its connections: connects on first use and again after the daemon went
/// away.
///
/// Keeps true: one connection at a time; no try sooner than the back-off allows. A request whose
/// connection ended before its answer is `.unavailable`, unless its method may be repeated (read
/// only, idempotent or keyed): then it is sent once more by itself, within its deadline. A stream
/// is not repeated, as items may have been seen; nor is a request that carries a pipe or socket,
/// which may have been read.
package actor ReconnectingCaller: Caller {
    package nonisolated let loop: EventLoop
    private let path: String
    private let interfaces: [InterfaceDescriptor]
    private let program: String
    private let version: String

    private var current: Connection?
    private var connecting: Task<Result<Connection, Fault>, Never>?
    private var backoff = Backoff()
    private var notBefore: Instant?

    package init(
        path: String, loop: EventLoop, interfaces: [InterfaceDescriptor], program: String,
        version: String
    ) {
        self.path = path
        self.loop = loop
        self.interfaces = interfaces
        self.program = program
        self.version = version
    }

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe loop.asUnownedSerialExecutor()
    }

    package func call(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel?, deadline: Duration
    ) async throws(Fault) -> Answer {
        let end = loop.now.advanced(by: deadline)
        do throws(Fault) {
            return try await attempt(method, body, descriptors, until: end)
        } catch {
            guard error.code == .unavailable, method.idempotency.mayRepeat,
                method.requestDescriptors.allSatisfy(\.canBeSentAgain), loop.now < end,
                !Task.isCancelled
            else { throw named(error) }
        }
        do throws(Fault) {
            return try await attempt(method, body, descriptors, until: end)
        } catch {
            throw named(error)
        }
    }

    /// `.unavailable` says what is.
    private func named(_ fault: Fault) -> Fault {
        guard fault.code == .unavailable, fault.subject.isEmpty else { return fault }
        var fault = fault
        fault.subject = path
        return fault
    }

    package func open(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel?, deadline: Duration?
    ) async throws(Fault) -> any RawItems {
        let start = loop.now
        let connection = try await connection(until: start.advanced(by: deadline ?? .seconds(30)))
        let left = deadline.map { loop.now.duration(until: start.advanced(by: $0)) }
        return try await connection.open(
            method, body: body, descriptors: descriptors, deadline: left)
    }

    private func attempt(
        _ method: MethodDescriptor, _ body: [UInt8], _ descriptors: Parcel?, until end: Instant
    ) async throws(Fault) -> Answer {
        let connection: Connection
        if let current, current.link.isReady {
            connection = current
        } else {
            connection = try await self.connection(until: end)
        }
        return try await connection.call(
            method, body: body, descriptors: descriptors,
            deadline: loop.now.duration(until: end))
    }

    private func connection(until end: Instant) async throws(Fault) -> Connection {
        while true {
            if let current, current.link.isReady { return current }
            if let connecting {
                return try await connecting.value.get()
            }
            if let wait = notBefore, wait > loop.now {
                guard wait < end else { throw Fault(.unavailable, subject: path) }
                await loop.sleep(loop.now.duration(until: wait))
                if Task.isCancelled { throw .cancelled }
                continue
            }
            connecting = Task { await connect() }
        }
    }

    private func connect() async -> Result<Connection, Fault> {
        let result: Result<Connection, Fault>
        do throws(Fault) {
            let connection = try await Connection.connect(
                path: path, loop: loop, interfaces: interfaces, program: program, version: version)
            current = connection
            backoff.succeeded()
            notBefore = nil
            result = .success(connection)
        } catch {
            failed()
            result = .failure(error)
        }
        connecting = nil
        return result
    }

    private func failed() {
        notBefore = loop.now.advanced(by: backoff.failed(random: Random.integer()))
    }
}

extension DescriptorKind {
    /// Whether the same descriptor can go with the request again: nothing is consumed by reading.
    fileprivate var canBeSentAgain: Bool {
        switch self {
        case .sealed, .directory, .file: true
        case .readable, .writable, .socket: false
        }
    }
}
