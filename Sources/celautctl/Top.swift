import ArgumentParser
import Channel
import Interfaces
import Syscalls

/// `celautctl top`: what uses the machine, again and again.
struct Top: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what uses processor and memory, and goes on showing it.",
        discussion: """
            Instances with the share of one processor they used since the last look, the busiest \
            first; and the daemons' memory. Ctrl-C ends it. One look only: --once.

            Example:
              celautctl top --interval 5s
            """)

    @Option(help: "The time between two looks.")
    var interval: DurationArgument = .init(milliseconds: 2_000)
    @Flag(help: "Looks twice, an interval apart, prints that, and ends.")
    var once = false
    @OptionGroup var options: NodeOptions

    func validate() throws {
        guard interval.milliseconds >= 100 else {
            throw ValidationError("--interval is at least 100ms.")
        }
    }

    func run() {
        let (format, once) = (options.format, once)
        let pause = Duration.milliseconds(interval.milliseconds)
        Session.run(options) { session, _ async throws(Complaint) in
            var before = Usages(try await NodeReport.ask(session))
            while true {
                await session.loop.sleep(pause)
                let report = try await NodeReport.ask(session)
                let now = Usages(report)
                let rows = now.rows(since: before)
                before = now
                switch format {
                case .json: Printer.json(rows, pretty: false)
                case .table:
                    if !once && Terminal.isTerminal(.output) {
                        Printer.emit(Array("\u{1B}[H\u{1B}[2J".utf8), to: .output)
                    }
                    Printer.table(Usages.headings, rows.map(\.words))
                }
                if once { return .success }
            }
        }
    }
}

/// What everything had used at one moment.
struct Usages {
    struct Row: Encodable, Equatable {
        let kind: String
        let name: String
        let state: String
        /// Thousandths of one processor.
        let cpuThousandths: UInt64
        let memoryBytes: UInt64
        let memoryLimitBytes: UInt64
        let processes: UInt32

        var words: [String] {
            [
                name, state,
                kind == "daemon" ? "-" : "\(cpuThousandths / 10).\(cpuThousandths % 10) %",
                state == "silent" || state == "private" ? "-" : Words.bytes(memoryBytes),
                memoryLimitBytes == 0 ? "-" : Words.bytes(memoryLimitBytes),
                kind == "daemon" ? "-" : "\(processes)",
            ]
        }
    }

    static let headings = ["NAME", "STATE", "CPU", "MEMORY", "LIMIT", "PROCESSES"]

    let report: NodeReport

    init(_ report: NodeReport) {
        self.report = report
    }

    /// Instances, the busiest first, then the daemons.
    func rows(since before: Usages) -> [Row] {
        let earlier = Dictionary(
            before.report.instances.map { ($0.id, $0.cpuUs) }
        ) { first, _ in first }
        let elapsedMs = max(1, report.atMs &- before.report.atMs)
        let instances = report.instances.map { one in
            let used = one.cpuUs &- min(one.cpuUs, earlier[one.id] ?? one.cpuUs)
            return Row(
                kind: "instance", name: one.name, state: one.phase,
                cpuThousandths: used / elapsedMs, memoryBytes: one.memoryBytes,
                memoryLimitBytes: one.memoryLimitBytes, processes: one.processes)
        }
        return instances.sorted { ($1.cpuThousandths, $0.name) < ($0.cpuThousandths, $1.name) }
            + report.daemons.map {
                Row(
                    kind: "daemon", name: $0.daemon, state: $0.words,
                    cpuThousandths: 0, memoryBytes: $0.privateMemoryBytes, memoryLimitBytes: 0,
                    processes: 0)
            }
    }
}
