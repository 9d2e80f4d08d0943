import Channel
import Interfaces
import Syscalls

/// What one daemon says of itself, or why it does not.
struct DaemonReport: Encodable {
    struct Interface: Encodable {
        let name: String
        let number: UInt32
        let revisionMin: UInt32
        let revisionMax: UInt32
    }

    let daemon: String
    let answers: Bool
    var version = ""
    var interfaces: [Interface] = []
    var processID: UInt32 = 0
    var uptimeMs: UInt64 = 0
    var restarts: UInt32 = 0
    var privateMemoryBytes: UInt64 = 0
    var connections: UInt32 = 0
    var requests: UInt64 = 0
    var lastError = ""
    var lastErrorMs: UInt64 = 0
    var facts: [String: String] = [:]
    var limits: [String: String] = [:]
    var statePath = ""
    var diskFreeBytes: UInt64 = 0
    var diskBytes: UInt64 = 0
    /// Why it does not answer.
    var silence = ""
    /// It does not talk to this user: nothing is wrong with it by that.
    var isForbidden = false

    /// In the order of the arrows: who is asked by others first.
    static let daemons = ["box-builder", "sandbox-supervisor", "gateway-broker"]

    init(silent daemon: String, _ fault: Fault) {
        self.daemon = daemon
        answers = false
        silence = FaultSentence(fault).text
        isForbidden = fault.code == .forbidden
    }

    init(_ daemon: String, _ reply: GetStatusReply) {
        self.daemon = daemon
        answers = true
        version = reply.version
        interfaces = reply.interfaces.map {
            Interface(
                name: $0.name, number: $0.number, revisionMin: $0.revisionMin,
                revisionMax: $0.revisionMax)
        }
        processID = reply.processID
        uptimeMs = reply.uptimeMs
        restarts = reply.restarts
        privateMemoryBytes = reply.privateMemoryBytes
        connections = reply.connections
        requests = reply.requests
        lastError = reply.lastError
        lastErrorMs = reply.lastErrorMs
        facts = Self.table(reply.facts)
        limits = Self.table(reply.limits)
        statePath = reply.statePath
        diskFreeBytes = reply.diskFreeBytes
        diskBytes = reply.diskBytes
    }

    private static func table(_ facts: [Fact]) -> [String: String] {
        Dictionary(facts.map { ($0.name, $0.value) }) { _, last in last }
    }

    static let headings = [
        "DAEMON", "STATE", "VERSION", "REVISION", "PID", "UPTIME", "RESTARTS", "MEMORY",
        "CONNECTIONS", "REQUESTS",
    ]

    /// How it is, in a word.
    var words: String { answers ? "serves" : isForbidden ? "private" : "silent" }

    var row: [String] {
        guard answers else {
            return [daemon, words, "-", "-", "-", "-", "-", "-", "-", "-"]
        }
        // Its own interface; Admin is everybody's.
        let revision = interfaces.filter { $0.name != "Admin" }.map { "\($0.revisionMax)" }
        return [
            daemon, words, version, revision.isEmpty ? "-" : revision.joined(separator: ","),
            "\(processID)", Words.duration(milliseconds: uptimeMs), "\(restarts)",
            Words.bytes(privateMemoryBytes), "\(connections)", "\(requests)",
        ]
    }

    /// The lines below the table that say what is not well; none where all is.
    func trouble(nowMs: UInt64) -> [String] {
        guard answers else {
            return isForbidden ? [] : ["\(daemon) does not answer: \(silence)"]
        }
        guard !lastError.isEmpty else { return [] }
        let age = nowMs > lastErrorMs ? nowMs - lastErrorMs : 0
        return ["\(daemon), \(Words.duration(milliseconds: age)) ago: \(lastError)"]
    }

    static func ask(_ daemon: String, _ session: Session) async -> DaemonReport {
        do throws(Fault) {
            let reply = try await session.admin(daemon).getStatus(
                GetStatusRequest(), deadline: .seconds(5))
            return DaemonReport(daemon, reply)
        } catch {
            return DaemonReport(silent: daemon, error)
        }
    }

    static func askAll(_ session: Session) async -> [DaemonReport] {
        var reports: [DaemonReport] = []
        for daemon in daemons { reports.append(await ask(daemon, session)) }
        return reports
    }
}
