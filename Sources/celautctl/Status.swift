import ArgumentParser
import Channel
import Interfaces
import Syscalls

/// `celautctl status`: the node on one screen.
struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows how the node is, on one screen.",
        discussion: """
            The daemons, what runs, the store, the limits in force, and what went wrong last. Exit \
            code 0: every daemon answers that this user may ask.

            Example:
              celautctl status --format json
            """)

    @OptionGroup var options: NodeOptions

    func run() {
        let format = options.format
        Session.run(options) { session, _ async throws(Complaint) in
            let report = try await NodeReport.ask(session)
            switch format {
            case .json: Printer.json(report)
            case .table: for line in report.screen() { Printer.line(line) }
            }
            return .init(
                code: report.daemons.allSatisfy { $0.answers || $0.isForbidden }
                    ? 0 : ExitCode.unavailable.rawValue)
        }
    }
}

/// All of a node at one moment.
struct NodeReport: Encodable {
    struct Store: Encodable {
        var boxes = ""
        var path = ""
        var freeBytes: UInt64 = 0
        var bytes: UInt64 = 0
    }

    let runtime: String
    /// "systemd" or "foreground".
    let keeper: String
    /// "v1", "v2", or empty where the supervisor does not say.
    let cgroups: String
    let daemons: [DaemonReport]
    let instances: [InstanceReport]
    let store: Store
    let atMs: UInt64

    // LIMIT: lines of instances on the screen; `ps` has them all.
    private static let instancesShownMax = 8

    init(runtime: String, daemons: [DaemonReport], instances: [InstanceReport], atMs: UInt64) {
        self.runtime = runtime
        self.daemons = daemons
        self.instances = instances
        self.atMs = atMs
        keeper = Keeping.of(runtime) == .systemd ? "systemd" : "foreground"
        cgroups = daemons.first { $0.daemon == "sandbox-supervisor" }?.facts["cgroups"] ?? ""
        let builder = daemons.first { $0.daemon == "box-builder" && $0.answers }
        store =
            builder.map {
                Store(
                    boxes: $0.facts["boxes"] ?? "", path: $0.statePath, freeBytes: $0.diskFreeBytes,
                    bytes: $0.diskBytes)
            } ?? Store()
    }

    static func ask(_ session: Session) async throws(Complaint) -> NodeReport {
        let daemons = await DaemonReport.askAll(session)
        guard daemons.contains(where: \.answers) else {
            throw .noNode(session.runtime, subject: "no daemon answers")
        }
        var instances: [InstanceReport] = []
        if daemons.contains(where: { $0.daemon == "gateway-broker" && $0.answers }) {
            instances = try await session.collected { () async throws(Fault) in
                try await session.gateway.listServices(ListServicesRequest())
            }.map { InstanceReport($0) }
        }
        return NodeReport(
            runtime: session.runtime, daemons: daemons, instances: instances,
            atMs: Clock.realtimeNanoseconds() / 1_000_000)
    }

    func screen() -> [String] {
        var lines = Printer.aligned([DaemonReport.headings] + daemons.map(\.row))
        if daemons.contains(where: \.isForbidden) {
            lines.append("private: for root, and who is named under [callers] of its configuration")
        }
        let trouble = daemons.flatMap { $0.trouble(nowMs: atMs) }
        if !trouble.isEmpty { lines += ["", "last errors"] + trouble.map { "  " + $0 } }
        lines += ["", instanceLine]
        if !instances.isEmpty {
            let shown = instances.prefix(Self.instancesShownMax).map { $0.row(nowMs: atMs) }
            lines += Printer.aligned([InstanceReport.headings] + shown).map { "  " + $0 }
            if instances.count > shown.count {
                lines.append("  and \(instances.count - shown.count) more: celautctl ps")
            }
        }
        return lines + [""] + Printer.aligned(facts)
    }

    private var instanceLine: String {
        let ready = instances.count { $0.phase == "ready" }
        let limit = daemons.first { $0.daemon == "gateway-broker" }?.limits["instances"]
        return "\(instances.count) instance\(instances.count == 1 ? "" : "s"), \(ready) ready"
            + (limit.map { "; at most \($0)" } ?? "")
    }

    private var facts: [[String]] {
        var rows: [[String]] = []
        if !store.path.isEmpty {
            rows.append([
                "store",
                "\(store.boxes) boxes in \(store.path); \(Words.bytes(store.freeBytes)) of "
                    + "\(Words.bytes(store.bytes)) free",
            ])
        }
        if !cgroups.isEmpty { rows.append(["cgroups", cgroups]) }
        rows.append(["kept by", "\(keeper), sockets in \(runtime)"])
        for daemon in daemons where !daemon.limits.isEmpty {
            let words = daemon.limits.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            rows.append(["limits of \(daemon.daemon)", words.joined(separator: " ")])
        }
        return rows
    }
}
