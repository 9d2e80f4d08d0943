import ArgumentParser
import Channel
import Interfaces

/// `celautctl status`: what each daemon says of itself, and which do not answer.
struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows how the node's daemons are.",
        discussion: "Example:\n  celautctl status --format json")

    @OptionGroup var options: NodeOptions

    private struct Report: Encodable {
        let daemon: String
        let answers: Bool
        var version = ""
        var processID: UInt32 = 0
        var uptimeMs: UInt64 = 0
        var privateMemoryBytes: UInt64 = 0
        var connections: UInt32 = 0
        var requests: UInt64 = 0
        var facts: [String: String] = [:]
        var error = ""

        static let headings = [
            "DAEMON", "STATE", "VERSION", "PID", "UPTIME", "MEMORY", "CONNECTIONS", "REQUESTS",
            "FACTS",
        ]

        var row: [String] {
            guard answers else {
                return [daemon, "silent", "-", "-", "-", "-", "-", "-", error]
            }
            return [
                daemon, "serves", version, "\(processID)", Words.duration(milliseconds: uptimeMs),
                Words.bytes(privateMemoryBytes), "\(connections)", "\(requests)",
                facts.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
                    .joined(separator: " "),
            ]
        }
    }

    static let daemons = ["box-builder", "sandbox-supervisor", "gateway-broker"]

    func run() {
        let format = options.format
        Session.run(options) { session, _ async throws(Complaint) in
            var reports: [Report] = []
            for daemon in Self.daemons { reports.append(await Self.ask(daemon, session)) }
            switch format {
            case .json: Printer.json(reports)
            case .table: Printer.table(Report.headings, reports.map(\.row))
            }
            guard reports.contains(where: \.answers) else {
                throw .noNode(session.runtime, subject: "no daemon answers")
            }
            return .init(
                code: reports.allSatisfy(\.answers) ? 0 : ExitCode.unavailable.rawValue)
        }
    }

    private static func ask(_ daemon: String, _ session: Session) async -> Report {
        do throws(Fault) {
            let reply = try await session.admin(daemon).getStatus(
                GetStatusRequest(), deadline: .seconds(5))
            return Report(
                daemon: daemon, answers: true, version: reply.version, processID: reply.processID,
                uptimeMs: reply.uptimeMs, privateMemoryBytes: reply.privateMemoryBytes,
                connections: reply.connections, requests: reply.requests,
                facts: Dictionary(reply.facts.map { ($0.name, $0.value) }) { _, last in last })
        } catch {
            return Report(daemon: daemon, answers: false, error: FaultSentence(error).text)
        }
    }
}
