import ArgumentParser
import Channel
import Interfaces
import SwiftProtobuf
import Syscalls

/// `celautctl ps`, and the other commands about instances that run.
struct Ps: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists instances.",
        discussion: "Examples:\n  celautctl ps\n  celautctl ps --all --format json",
        aliases: ["instances"])

    @Flag(name: .shortAndLong, help: "Those that ended, too.")
    var all = false
    @Flag(help: "Children below their parents, indented.")
    var tree = false
    @OptionGroup var options: NodeOptions

    func run() {
        let (format, tree) = (options.format, tree)
        let request = ListServicesRequest.with { $0.ended = all }
        Session.run(options) { session, _ async throws(Complaint) in
            let instances = try await session.collected { () async throws(Fault) in
                try await session.gateway.listServices(request)
            }.map { InstanceReport($0) }
            switch format {
            case .json: Printer.json(instances)
            case .table:
                let now = Clock.realtimeNanoseconds() / 1_000_000
                let rows =
                    tree
                    ? FamilyTree.sorted(instances).map {
                        $0.report.row(nowMs: now, depth: $0.depth)
                    }
                    : instances.map { $0.row(nowMs: now) }
                Printer.table(InstanceReport.headings, rows)
            }
            return .success
        }
    }
}

/// Instances in the order of a tree: each below its parent.
enum FamilyTree {
    static func sorted(
        _ instances: [InstanceReport]
    ) -> [(report: InstanceReport, depth: Int)] {
        let known = Set(instances.map(\.id))
        let families = Dictionary(grouping: instances) { instance in
            instance.parent.flatMap { known.contains($0) ? $0 : nil } ?? ""
        }
        var sorted: [(report: InstanceReport, depth: Int)] = []
        var next = families["", default: []].reversed().map { (report: $0, depth: 0) }
        while let one = next.popLast() {
            sorted.append(one)
            next += families[one.report.id, default: []].reversed()
                .map { (report: $0, depth: one.depth + 1) }
        }
        return sorted
    }
}

struct Stop: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Stops an instance: TERM first, KILL after the grace time.",
        discussion: """
            Examples:
              celautctl stop redis-1
              celautctl stop --grace 30s redis-1
            """)

    @Argument(help: "The instance: its name, its id, or its token.")
    var instance: String
    @Option(help: "The time between TERM and KILL: 10s, 500ms, 2m.")
    var grace: DurationArgument = .init(milliseconds: 10_000)
    @OptionGroup var options: NodeOptions

    func validate() throws {
        guard grace.milliseconds <= 600_000 else {
            throw ValidationError("--grace is at most 10m.")
        }
    }

    func run() {
        let format = options.format
        let request = StopServiceRequest.with {
            $0.instance = .init(instance)
            $0.graceMs = UInt32(grace.milliseconds)
        }
        let deadline = Duration.milliseconds(grace.milliseconds + 30_000)
        Session.run(options) { session, _ async throws(Complaint) in
            let reply = try await session.asked { () async throws(Fault) in
                try await session.gateway.stopService(request, deadline: deadline)
            }
            let report = InstanceReport(reply.instance)
            switch format {
            case .json: Printer.json(report)
            case .table: Printer.line("\(report.name): \(report.ended?.words ?? report.phase)")
            }
            return .success
        }
    }
}

/// A piece of an instance's output, as it is printed.
struct OutputReport: Encodable {
    let stream: String
    let timeNs: UInt64
    let text: String
    let droppedBytes: UInt64

    /// To the stream it came from, byte for byte; or a JSON line.
    static func show(_ item: OutputItem, as format: NodeOptions.Format) {
        let isError = item.stream == .stderr
        switch format {
        case .json:
            let report = OutputReport(
                stream: isError ? "stderr" : "stdout", timeNs: item.timeNs,
                text: String(decoding: item.dataBytes, as: UTF8.self),
                droppedBytes: item.droppedBytes)
            Printer.json(report, pretty: false)
        case .table:
            if item.droppedBytes > 0 {
                Printer.note("[\(Words.bytes(item.droppedBytes)) of output were not kept]")
            }
            Printer.emit(item.dataBytes, to: isError ? .error : .output)
        }
    }
}

extension InstanceReference {
    /// A token has 64 hexadecimal digits; everything else is an id or a name.
    init(_ text: String) {
        self.init()
        if text.utf8.count == 64, text.allSatisfy(\.isHexDigit) {
            token = text
        } else {
            instance = text
        }
    }
}

/// "10s", "500ms", "2m" on the command line.
struct DurationArgument: ExpressibleByArgument {
    let milliseconds: UInt64

    init(milliseconds: UInt64) {
        self.milliseconds = milliseconds
    }

    init?(argument: String) {
        guard let milliseconds = Words.parseMilliseconds(argument) else { return nil }
        self.milliseconds = milliseconds
    }

    var defaultValueDescription: String { Words.duration(milliseconds: milliseconds) }
}
