package import Interfaces
import Syscalls

/// An instance as it is printed.
struct InstanceReport: Encodable {
    struct Slot: Encodable {
        let slot: String
        let address: String
        /// The instance in whose network the address is, where it is not this host's.
        let inside: String?

        /// For a table.
        var place: String {
            inside.map { "\(address) inside \($0.prefix(12))" } ?? address
        }
    }

    let id: String
    let name: String
    let service: String
    let phase: String
    let ended: EndReport?
    let addresses: [Slot]
    let acceptedAtMs: UInt64
    let readyAtMs: UInt64
    let endedAtMs: UInt64
    let cpuUs: UInt64
    let memoryBytes: UInt64
    let memoryPeakBytes: UInt64
    let memoryLimitBytes: UInt64
    let processes: UInt32
    let diskBytes: UInt64
    let ownerUID: UInt32
    /// The instance that started it.
    let parent: String?
    /// Only in the answer to a start.
    var token: String?

    init(_ instance: ServiceInstance, token: String? = nil) {
        let state = instance.state
        id = Words.hex(instance.instanceIDBytes)
        name = instance.name
        service = Words.hex(instance.serviceIDBytes)
        phase = state.phase.word
        ended = state.phase == .ended ? EndReport(state.ended) : nil
        addresses = instance.addresses.map {
            Slot(
                slot: "\($0.slot)/\($0.transport.word)", address: "\($0.host):\($0.port)",
                inside: $0.inside.isEmpty ? nil : Words.hex($0.inside))
        }
        acceptedAtMs = state.acceptedAtMs
        readyAtMs = state.readyAtMs
        endedAtMs = state.endedAtMs
        cpuUs = state.usage.cpuUs
        memoryBytes = state.usage.memoryBytes
        memoryPeakBytes = state.usage.memoryPeakBytes
        memoryLimitBytes = state.limits.memoryBytes
        processes = state.usage.processes
        diskBytes = state.usage.diskBytes
        ownerUID = instance.ownerUid
        parent = instance.parentIDBytes.isEmpty ? nil : Words.hex(instance.parentIDBytes)
        self.token = token
    }

    static let headings = ["ID", "NAME", "SERVICE", "STATE", "AGE", "MEMORY", "CPU", "ADDRESSES"]

    func row(nowMs: UInt64, depth: Int = 0) -> [String] {
        let until = endedAtMs == 0 ? nowMs : endedAtMs
        let age = until > acceptedAtMs ? until - acceptedAtMs : 0
        return [
            String(id.prefix(12)), String(repeating: "  ", count: depth) + name,
            String(service.prefix(12)),
            ended.map { "ended: \($0.words)" } ?? phase, Words.duration(milliseconds: age),
            Words.bytes(ended == nil ? memoryBytes : memoryPeakBytes),
            Words.duration(milliseconds: cpuUs / 1_000),
            addresses.isEmpty
                ? "-" : addresses.map { "\($0.slot) at \($0.place)" }.joined(separator: ", "),
        ]
    }
}

/// How an instance ended, as it is printed.
package struct EndReport: Encodable {
    let cause: String
    let exitCode: UInt32
    let signal: UInt32
    let subject: String
    let lastLines: [String]

    package init(_ ended: Ended) {
        cause = ended.cause.word
        exitCode = ended.exitCode
        signal = ended.signal
        subject = ended.subject
        lastLines = ended.lastLines
    }

    package var words: String {
        switch cause {
        case "exited": "exit code \(exitCode)"
        case "signalled": "signal \(Signal(number: Int32(clamping: signal)).name)"
        case "not-ready": "slot \(subject) never opened"
        case "start-failed": "could not start (\(subject))"
        default: cause.replacing("-", with: " ")
        }
    }

    /// What a foreground command ends with: the service's own code, or the shell's custom for a
    /// signal, or failure.
    package var processCode: Int32 {
        switch cause {
        case "exited": Int32(clamping: exitCode & 0xFF)
        case "signalled": Int32(clamping: 128 + signal)
        case "stopped": 0
        case "out-of-memory": 137
        default: ExitCode.failure.rawValue
        }
    }
}

extension Phase {
    var word: String {
        switch self {
        case .accepted: "accepted"
        case .preparing: "preparing"
        case .starting: "starting"
        case .ready: "ready"
        case .stopping: "stopping"
        case .ended: "ended"
        case .unspecified, .UNRECOGNIZED: "unknown"
        }
    }
}

extension EndCause {
    var word: String {
        switch self {
        case .exited: "exited"
        case .signalled: "signalled"
        case .outOfMemory: "out-of-memory"
        case .stopped: "stopped"
        case .notReady: "not-ready"
        case .startFailed: "start-failed"
        case .lost: "lost"
        case .deadline: "deadline"
        case .unspecified, .UNRECOGNIZED: "unknown"
        }
    }
}

extension Transport {
    var word: String {
        switch self {
        case .tcp: "tcp"
        case .udp: "udp"
        case .unspecified, .UNRECOGNIZED: "unknown"
        }
    }
}
