// `celautctl stats` and `celautctl update`: what instances use, and what they may.

import ArgumentParser
import Channel
import Interfaces
import SwiftProtobuf
import Syscalls

/// What one instance uses, again and again.
struct Stats: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what instances use, as the kernel counts it.",
        discussion: """
            A line per instance, at once and then after each interval, until the last has ended. \
            With --format json each is a JSON document on a line of its own.

            Examples:
              celautctl stats
              celautctl stats redis-1 --interval 5s --format json
              celautctl stats --once
            """)

    @Argument(help: "The instance: its name or its id. Without it, all that live.")
    var instance: String?
    @Option(help: "The time between two figures.")
    var interval: DurationArgument = .init(milliseconds: 1_000)
    @Flag(help: "One figure each.")
    var once = false
    @OptionGroup var options: NodeOptions

    func validate() throws {
        guard (100...3_600_000).contains(interval.milliseconds) else {
            throw ValidationError("--interval is at least 100ms and at most 1h.")
        }
    }

    func run() {
        let (format, wanted) = (options.format, instance)
        let intervalMs = once ? 0 : UInt32(interval.milliseconds)
        Session.run(options) { session, _ async throws(Complaint) in
            let names = try await InstanceNames.ask(session)
            let request = WatchUsageRequest.with { $0.intervalMs = intervalMs }
            var one = request
            if let wanted { one.instanceIDBytes = try names.id(wanted) }
            let asked = one
            if format == .table { Printer.line(UsageReport.headings) }
            try await session.asked { () async throws(Fault) in
                let items = try await session.supervisor.watchUsage(asked)
                while let item = try await items.next() {
                    let report = UsageReport(item, name: names.name(item.instanceIDBytes))
                    switch format {
                    case .json: Printer.json(report, pretty: false)
                    case .table: Printer.line(report.row)
                    }
                }
            }
            return .success
        }
    }
}

/// Other bounds for an instance that runs.
struct Update: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Changes the limits of an instance that runs.",
        discussion: """
            What is not given stays. A limit below what the instance uses now is refused, and \
            nothing changes.

            Examples:
              celautctl update redis-1 --memory 256M
              celautctl update redis-1 --cpu 50 --processes 32
              celautctl update redis-1 --deadline 1h
            """)

    @Argument(help: "The instance: its name or its id.")
    var instance: String
    @Option(help: "Memory of all of it: 64M, 1G.")
    var memory: BytesArgument?
    @Option(help: "The most processes and threads.")
    var processes: UInt32?
    @Option(help: "Hundredths of one processor: 50 is half of one, 200 are two.")
    var cpu: UInt64?
    @Option(help: "Its share of block I/O beside others: 10 to 1000.")
    var ioWeight: UInt32?
    @Option(help: "How long it may live, from its start: 30s, 1h.")
    var deadline: DurationArgument?
    @OptionGroup var options: NodeOptions

    func validate() throws {
        if memory == nil && processes == nil && cpu == nil && ioWeight == nil && deadline == nil {
            throw ValidationError("Say what is to change: --memory, --processes, --cpu, …")
        }
        guard (1...1_000_000).contains(cpu ?? 1) else {
            throw ValidationError("--cpu is 1 to 1000000.")
        }
    }

    func run() {
        let (format, wanted) = (options.format, instance)
        var limits = Limits()
        limits.memoryBytes = memory?.bytes ?? 0
        limits.processes = processes ?? 0
        if let cpu {
            limits.cpuPeriodUs = 100_000
            limits.cpuQuotaUs = cpu * 1_000
        }
        limits.blockIoWeight = ioWeight ?? 0
        limits.deadlineMs = deadline?.milliseconds ?? 0
        let changed = limits
        Session.run(options) { session, _ async throws(Complaint) in
            let names = try await InstanceNames.ask(session)
            let id = try names.id(wanted)
            let request = UpdateLimitsRequest.with {
                $0.instanceIDBytes = id
                $0.limits = changed
            }
            let state = try await session.asked { () async throws(Fault) in
                try await session.supervisor.updateLimits(request)
            }
            let report = LimitsReport(state.limits, id: id, name: names.name(id))
            switch format {
            case .json: Printer.json(report)
            case .table: Printer.line(report.sentence)
            }
            return .success
        }
    }
}

/// Which instance a name means.
struct InstanceNames {
    private let instances: [ServiceInstance]

    static func ask(_ session: Session) async throws(Complaint) -> InstanceNames {
        let request = ListServicesRequest.with { $0.ended = true }
        return InstanceNames(
            instances: try await session.collected { () async throws(Fault) in
                try await session.gateway.listServices(request)
            })
    }

    func id(_ wanted: String) throws(Complaint) -> [UInt8] {
        let found = instances.filter {
            let digits = Words.hex($0.instanceIDBytes)
            return $0.name == wanted || (wanted.utf8.count >= 6 && digits.hasPrefix(wanted))
        }
        guard let one = found.first, found.count == 1 else {
            var fault = Fault(.notFound)
            fault.subject = wanted
            throw Complaint(fault)
        }
        return one.instanceIDBytes
    }

    /// The digits of the id where the gateway has no name for it.
    func name(_ id: [UInt8]) -> String {
        instances.first { $0.instanceIDBytes == id }?.name ?? Words.hex(id)
    }
}

/// Use of one instance at one moment, as it is printed.
struct UsageReport: Encodable {
    let id: String
    let name: String
    let timeMs: UInt64
    let phase: String
    let cpuUs: UInt64
    let cpuThrottledUs: UInt64
    let memoryBytes: UInt64
    let memoryPeakBytes: UInt64
    let memoryByteSeconds: UInt64
    let memoryLimitBytes: UInt64
    let processes: UInt32
    let diskBytes: UInt64
    let ioReadBytes: UInt64
    let ioWriteBytes: UInt64

    init(_ item: UsageItem, name: String) {
        id = Words.hex(item.instanceIDBytes)
        self.name = name
        timeMs = item.timeMs
        phase = item.phase.word
        cpuUs = item.usage.cpuUs
        cpuThrottledUs = item.usage.cpuThrottledUs
        memoryBytes = item.usage.memoryBytes
        memoryPeakBytes = item.usage.memoryPeakBytes
        memoryByteSeconds = item.usage.memoryByteSeconds
        memoryLimitBytes = item.limits.memoryBytes
        processes = item.usage.processes
        diskBytes = item.usage.diskBytes
        ioReadBytes = item.usage.ioReadBytes
        ioWriteBytes = item.usage.ioWriteBytes
    }

    private static let widths = [20, 9, 9, 10, 10, 10, 5, 10, 10]

    /// A stream has no widest cell to wait for: the columns are as wide as this says, or wider.
    static func line(_ cells: [String]) -> String {
        zip(cells, widths).map { cell, width in
            cell + String(repeating: " ", count: max(0, width - cell.count))
        }.joined(separator: " ") + (cells.last.map { " " + $0 } ?? "")
    }

    static let headings = line([
        "NAME", "STATE", "CPU", "MEMORY", "PEAK", "LIMIT", "PROCS", "DISK", "READ", "WRITTEN",
    ])

    var row: String {
        Self.line([
            name, phase, Words.duration(milliseconds: cpuUs / 1_000), Words.bytes(memoryBytes),
            Words.bytes(memoryPeakBytes), Words.bytes(memoryLimitBytes), "\(processes)",
            Words.bytes(diskBytes), Words.bytes(ioReadBytes), Words.bytes(ioWriteBytes),
        ])
    }
}

/// Bounds of one instance, as they are printed.
struct LimitsReport: Encodable {
    let id: String
    let name: String
    let memoryBytes: UInt64
    let processes: UInt32
    let cpuQuotaUs: UInt64
    let cpuPeriodUs: UInt64
    let blockIoWeight: UInt32
    let deadlineMs: UInt64

    init(_ limits: Limits, id: [UInt8], name: String) {
        self.id = Words.hex(id)
        self.name = name
        memoryBytes = limits.memoryBytes
        processes = limits.processes
        cpuQuotaUs = limits.cpuQuotaUs
        cpuPeriodUs = limits.cpuPeriodUs
        blockIoWeight = limits.blockIoWeight
        deadlineMs = limits.deadlineMs
    }

    var sentence: String {
        var parts = ["memory \(Words.bytes(memoryBytes))", "processes \(processes)"]
        if cpuQuotaUs != 0, cpuPeriodUs != 0 {
            parts.append("cpu \(cpuQuotaUs * 100 / cpuPeriodUs) %")
        }
        if blockIoWeight != 0 { parts.append("io weight \(blockIoWeight)") }
        if deadlineMs != 0 { parts.append("deadline \(Words.duration(milliseconds: deadlineMs))") }
        return "\(name): " + parts.joined(separator: ", ")
    }
}
