import ArgumentParser
import Channel
import Interfaces
import SwiftProtobuf
import Syscalls

/// `celautctl run`: starts an instance and ends as it does, or leaves it running.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a box as an instance.",
        discussion: """
            Waits until every declared slot accepts a connection, prints where it can be reached, and \
            shows its output until it ends. Ctrl-C stops it. With --detach it prints the token and \
            the addresses and leaves it running.

            Examples:
              celautctl run redis
              celautctl run --detach --name cache --memory 128M redis
              celautctl run --env LEVEL=debug 6a1f09c2d4
            """)

    @Argument(help: "The box: its id, a prefix of 8 digits or more, or a tag.")
    var service: String
    @Option(name: .shortAndLong, help: "A name for the instance (default: one is made).")
    var name = ""
    @Option(name: .shortAndLong, help: "An environment variable NAME=VALUE; may be repeated.")
    var env: [String] = []
    @Option(name: .shortAndLong, help: "Memory: 64M, 1G (default: what the box says).")
    var memory: BytesArgument?
    @Option(help: "How long its slots may take to accept: 30s, 2m.")
    var timeout: DurationArgument = .init(milliseconds: 30_000)
    @Flag(name: .shortAndLong, help: "Leave it running; print its token and addresses.")
    var detach = false
    @Flag(
        inversion: .prefixedNo,
        help: "Wait until it is ready; --no-wait leaves it as soon as it is accepted.")
    var wait = true
    @OptionGroup var options: NodeOptions

    func validate() throws {
        guard (1...3_600_000).contains(timeout.milliseconds) else {
            throw ValidationError("--timeout is from 1ms to 1h.")
        }
        for variable in env where variable.first == "=" || !variable.contains("=") {
            throw ValidationError("--env \(variable): it is NAME=VALUE.")
        }
    }

    private var request: StartServiceRequest {
        var request = StartServiceRequest()
        request.keyBytes = Random.bytes(16)
        request.service = service
        request.name = name
        request.memoryBytes = memory?.bytes ?? 0
        request.readyDeadlineMs = UInt32(timeout.milliseconds)
        request.environment = env.map { text in
            let separator = text.firstIndex(of: "=") ?? text.endIndex
            var variable = EnvironmentVariable()
            variable.name = String(text[..<separator])
            variable.valueBytes = Array(text[separator...].dropFirst().utf8)
            return variable
        }
        return request
    }

    func run() {
        let request = request
        let (format, detach) = (options.format, detach || !wait)
        let interruption = Interruption()
        Session.run(options, interruption: interruption) { session, _ async throws(Complaint) in
            let started = try await start(request, session, interruption)
            let report = InstanceReport(
                started.instance, token: started.token.isEmpty ? nil : started.token)
            if detach {
                show(report, format)
                return .success
            }
            switch format {
            case .json: Printer.json(report, pretty: false)
            case .table: Printer.note(Self.reach(report))
            }
            let end = try await attend(report, started.token, format, session)
            return interruption.isAsked ? .init(code: ExitCode.interrupted.rawValue) : end
        }
    }

    private func start(
        _ request: StartServiceRequest, _ session: Session, _ interruption: Interruption
    ) async throws(Complaint) -> StartedService {
        let began = session.loop.now
        var progress = ProgressLine()
        defer { progress.clear() }
        let deadline = Duration.milliseconds(UInt64(request.readyDeadlineMs) + 30_000)
        do throws(Fault) {
            let stream = try await session.gateway.startService(request, deadline: deadline)
            while let item = try await stream.next() {
                switch item.event {
                case .started(let started): return started
                case .accepted(let instance) where !wait:
                    // No token before it is ready: its name or id opens it for whoever started it.
                    return StartedService.with { $0.instance = instance }
                case .accepted(let instance), .changed(let instance):
                    interruption.began(instance)
                    let waited = began.duration(until: session.loop.now)
                    if waited >= .seconds(1) {
                        let seconds = waited.components.seconds
                        progress.show(
                            "\(instance.name): \(instance.state.phase.word), \(seconds) s")
                    }
                case nil: continue
                }
            }
        } catch {
            progress.clear()
            if interruption.isAsked {
                throw Complaint("It was stopped before it was ready.", code: .interrupted)
            }
            throw session.complaint(error)
        }
        throw Complaint("The node ended its answer without a result.", code: .software)
    }

    private func show(_ report: InstanceReport, _ format: NodeOptions.Format) {
        switch format {
        case .json: Printer.json(report)
        case .table:
            let addresses = report.addresses.map { ["slot \($0.slot)", $0.place] }
            let rows =
                [["instance", report.id], ["name", report.name]] + addresses
                + (report.token.map { [["token", $0]] } ?? [])
            for line in Printer.aligned(rows) { Printer.line(line) }
        }
    }

    private static func reach(_ report: InstanceReport) -> String {
        let addresses = report.addresses.map { "\($0.slot) at \($0.place)" }
        return "\(report.name) is ready"
            + (addresses.isEmpty ? "" : ": " + addresses.joined(separator: ", "))
            + ". Ctrl-C stops it."
    }

    /// Shows the output until the end, and ends as the service did.
    private func attend(
        _ report: InstanceReport, _ token: String, _ format: NodeOptions.Format,
        _ session: Session
    ) async throws(Complaint) -> Session.ExitStatus {
        let reference = InstanceReference(token)
        let gateway = session.gateway
        let output = ReadServiceOutputRequest.with {
            $0.instance = reference
            $0.follow = true
        }
        let watch = WatchServiceRequest.with { $0.instance = reference }
        let ended = try await session.asked { () async throws(Fault) -> InstanceReport? in
            let stream = try await gateway.readServiceOutput(output)
            while let item = try await stream.next() { OutputReport.show(item, as: format) }
            let states = try await gateway.watchService(watch)
            while let state = try await states.next() {
                if state.state.phase == .ended { return InstanceReport(state) }
            }
            return nil
        }
        guard let end = ended?.ended else {
            throw Complaint("The node lost sight of \(report.name).", code: .unavailable)
        }
        switch format {
        case .json: Printer.json(ended, pretty: false)
        case .table: Printer.note("\(report.name) ended: \(end.words)")
        }
        return .init(code: end.processCode)
    }
}

/// "64M" on the command line.
struct BytesArgument: ExpressibleByArgument {
    let bytes: UInt64

    init?(argument: String) {
        guard let bytes = Words.parseBytes(argument), bytes > 0 else { return nil }
        self.bytes = bytes
    }
}
