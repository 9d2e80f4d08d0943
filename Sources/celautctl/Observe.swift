import ArgumentParser
import Channel
import Interfaces
import SwiftProtobuf
import Syscalls

/// What is known of one instance, as it is printed.
struct ServiceReportText: Encodable {
    struct Traffic: Encodable {
        let slot: String
        let connections: UInt64
        let openConnections: UInt32
        let bytesToInstance: UInt64
        let bytesFromInstance: UInt64
    }

    let instance: InstanceReport
    let parent: String?
    let traffic: [Traffic]
    let children: [String]

    init(_ report: ServiceReport) {
        instance = InstanceReport(report.instance)
        let parentID = report.instance.parentIDBytes
        parent = parentID.isEmpty ? nil : Words.hex(parentID)
        traffic = report.traffic.map {
            Traffic(
                slot: "\($0.slot)/\($0.transport.word)", connections: $0.connections,
                openConnections: $0.openConnections,
                bytesToInstance: $0.bytesToInstance, bytesFromInstance: $0.bytesFromInstance)
        }
        children = report.childIds.map { Words.hex(Array($0)) }
    }

    var rows: [[String]] {
        var rows = [
            ["instance", instance.id], ["name", instance.name], ["service", instance.service],
            ["state", instance.ended.map { "ended: \($0.words)" } ?? instance.phase],
            [
                "memory",
                "\(Words.bytes(instance.memoryBytes)) of \(Words.bytes(instance.memoryLimitBytes))",
            ],
            ["cpu", Words.duration(milliseconds: instance.cpuUs / 1_000)],
            ["processes", String(instance.processes)],
        ]
        rows += instance.addresses.map { ["slot \($0.slot)", $0.place] }
        rows += traffic.map {
            [
                "traffic \($0.slot)",
                "\($0.connections) connections, \(Words.bytes($0.bytesToInstance)) in, "
                    + "\(Words.bytes($0.bytesFromInstance)) out",
            ]
        }
        if let parent { rows.append(["parent", parent]) }
        rows += children.map { ["child", $0] }
        return rows
    }
}

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows all that is known of an instance.",
        discussion: "Example:\n  celautctl inspect cache")

    @Argument(help: "The instance: its name, its id, or its token.")
    var instance: String
    @OptionGroup var options: NodeOptions

    func run() {
        let format = options.format
        let request = InspectServiceRequest.with { $0.instance = .init(instance) }
        Session.run(options) { session, _ async throws(Complaint) in
            let report = ServiceReportText(
                try await session.asked { () async throws(Fault) in
                    try await session.gateway.inspectService(request)
                })
            switch format {
            case .json: Printer.json(report)
            case .table: for line in Printer.aligned(report.rows) { Printer.line(line) }
            }
            return .success
        }
    }
}

struct Observe: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Follows an instance: its state, what it uses, what passes, what it writes.",
        discussion: """
            A screen on a terminal, one JSON line per report otherwise, and with --output one per piece \
            of output. Ends with the instance.

            Examples:
              celautctl observe --interval 500ms cache
              celautctl observe --output cache >observed.jsonl
            """)

    @Argument(help: "The instance: its name, its id, or its token.")
    var instance: String
    @Option(help: "The time between two reports.")
    var interval: DurationArgument = .init(milliseconds: 1_000)
    @Flag(inversion: .prefixedNo, help: "What it writes, too (default: on a screen).")
    var output: Bool?
    @OptionGroup var options: NodeOptions

    func validate() throws {
        guard (100...3_600_000).contains(interval.milliseconds) else {
            throw ValidationError("--interval is from 100ms to 1h.")
        }
    }

    func run() {
        let isScreen = options.format == .table && Terminal.isTerminal(.output)
        let request = ObserveServiceRequest.with {
            $0.instance = .init(instance)
            $0.intervalMs = UInt32(interval.milliseconds)
            $0.output = output ?? isScreen
        }
        Session.run(options) { session, _ async throws(Complaint) in
            try await session.asked { () async throws(Fault) in
                var screen = ObserveScreen()
                let stream = try await session.gateway.observeService(request)
                while let item = try await stream.next() {
                    guard isScreen else {
                        Self.line(item)
                        continue
                    }
                    screen.take(item, atMs: Clock.monotonicNanoseconds() / 1_000_000)
                    let lines = screen.lines(
                        columns: Terminal.columns() ?? 80, rows: Terminal.rows() ?? 24)
                    // Home, each line to its end, and what is below: nothing flickers.
                    let text = lines.map { $0 + "\u{1B}[K\r\n" }.joined()
                    Printer.emit(Array(("\u{1B}[H" + text + "\u{1B}[J").utf8), to: .output)
                }
            }
            return .success
        }
    }

    private static func line(_ item: ObserveServiceItem) {
        switch item.event {
        case .report(let report): Printer.json(ServiceReportText(report), pretty: false)
        case .output(let output): OutputReport.show(output, as: .json)
        case nil: break
        }
    }
}
