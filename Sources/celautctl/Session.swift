import Channel
import Interfaces
import Syscalls

/// One command's talk with a node: the loop, and a connection to each daemon it asks.
struct Session {
    let loop: EventLoop
    let runtime: String

    static let runtimeDefault = "/run/celaut"

    /// Runs the body on an event loop; ends the process with the code of what it threw.
    ///
    /// - Parameter interruption: what Ctrl-C asks for; nil leaves it to end the process.
    static func run(
        _ options: NodeOptions, interruption: Interruption? = nil,
        _ body:
            @escaping @Sendable (Session, isolated LoopActor) async throws(Complaint) -> ExitStatus
    ) {
        let loop: EventLoop
        do throws(Errno) {
            loop = try EventLoop(.process)
        } catch {
            Printer.complain(Complaint("The event loop cannot be made: \(error).", code: .software))
            Process.exit(ExitCode.software.rawValue)
        }
        Signal.pipe.ignore()
        let session = Session(loop: loop, runtime: options.directory)
        // Before there are threads that could take the signal instead.
        if let interruption {
            try? loop.onSignals([.interrupt, .terminate, .hangUp]) { _ in
                interruption.happened(session)
            }
        }
        let format = options.format
        loop.run { home in
            do throws(Complaint) {
                let status = try await body(session, home)
                Process.exit(status.code)
            } catch {
                Printer.complain(error, as: format)
                Process.exit(error.code.rawValue)
            }
        }
    }

    /// What the process ends with: 0, or a service's own code.
    struct ExitStatus {
        var code: Int32
        static let success = ExitStatus(code: 0)
    }

    func caller(_ daemon: String, _ interface: InterfaceDescriptor) -> ReconnectingCaller {
        ReconnectingCaller(
            path: "\(runtime)/\(daemon).sock", loop: loop, interfaces: [interface],
            program: "celautctl", version: Version.current)
    }

    var boxBuilder: BoxBuilderClient {
        BoxBuilderClient(caller("box-builder", BoxBuilderInterface.descriptor))
    }

    var gateway: GatewayBrokerClient {
        GatewayBrokerClient(caller("gateway-broker", GatewayBrokerInterface.descriptor))
    }

    var supervisor: SandboxSupervisorClient {
        SandboxSupervisorClient(
            caller("sandbox-supervisor", SandboxSupervisorInterface.descriptor))
    }

    func admin(_ daemon: String) -> AdminClient {
        AdminClient(caller(daemon, AdminInterface.descriptor))
    }

    /// Makes a fault a complaint; a socket that is not there becomes "no node".
    func asked<Value>(
        _ work: () async throws(Fault) -> Value
    ) async throws(Complaint) -> Value {
        do throws(Fault) {
            return try await work()
        } catch {
            throw complaint(error)
        }
    }

    /// - Parameter source: what a pack sent, where it is one.
    func complaint(_ fault: Fault, packing source: String? = nil) -> Complaint {
        if fault.code == .unavailable && fault.subject.hasPrefix(runtime) {
            return .noNode(runtime, subject: fault.subject)
        }
        return source.map { Complaint(fault, packing: $0) } ?? Complaint(fault)
    }

    /// Everything a stream gives.
    func collected<Item>(
        _ open: () async throws(Fault) -> ItemStream<Item>
    ) async throws(Complaint) -> [Item] {
        try await asked { () async throws(Fault) -> [Item] in
            let stream = try await open()
            var items: [Item] = []
            while let item = try await stream.next() { items.append(item) }
            return items
        }
    }
}
