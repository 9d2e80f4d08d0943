// One daemon ends as asked and its service manager, or `up`, starts it again.

import ArgumentParser
import Channel
import Interfaces
import Syscalls

extension DaemonName: ExpressibleByArgument {
    static var allValueStrings: [String] { DaemonReport.daemons }
}

/// `celautctl restart`: one daemon, while the others and all instances go on.
struct Restart: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Restarts one daemon; the others and all instances go on.",
        discussion: """
            Returns when the new process answers.

            Example:
              celautctl restart gateway-broker
            """)

    @Argument(help: "The daemon.")
    var daemon: DaemonName
    @OptionGroup var options: NodeOptions

    // LIMIT: a daemon stops within 10 s and starts within a moment; past this it will not.
    private static let patience = Duration.seconds(30)

    private struct Report: Encodable {
        let daemon: String
        let processID: UInt32
        let tookMs: UInt64
    }

    func run() {
        let format = options.format
        let name = daemon.name
        Session.run(options) { session, _ async throws(Complaint) in
            let began = Clock.monotonicNanoseconds()
            let before = await DaemonReport.ask(name, session)
            try Self.end(name, before, runtime: session.runtime)
            while true {
                let now = await DaemonReport.ask(name, session)
                let tookMs = (Clock.monotonicNanoseconds() - began) / 1_000_000
                if now.answers, now.processID != before.processID {
                    let report = Report(daemon: name, processID: now.processID, tookMs: tookMs)
                    switch format {
                    case .json: Printer.json(report)
                    case .table:
                        Printer.line("\(name): process \(now.processID), after \(tookMs) ms")
                    }
                    return .success
                }
                guard tookMs < UInt64(Self.patience.components.seconds) * 1_000 else {
                    throw Complaint(
                        "\(name) does not answer after its restart.",
                        hint: "See: celautctl logs --daemon \(name)", code: .unavailable)
                }
                await session.loop.sleep(.milliseconds(20))
            }
        }
    }

    /// Ends the process; its keeper, or its socket, starts the next.
    private static func end(
        _ name: String, _ before: DaemonReport, runtime: String
    ) throws(Complaint) {
        let failed: String
        if before.isForbidden {
            throw Complaint(
                "This user may not restart \(name).", hint: "Restarting needs root.",
                code: .notPermitted)
        }
        switch Keeping.of(runtime) {
        case .systemd:
            let words = ["/usr/bin/systemctl", "restart", "--no-block", Keeping.unit(name)]
            if let code = Command.run(words), code == 0 { return }
            failed = "systemctl could not restart \(Keeping.unit(name))."
        case .foreground:
            let socket = "\(runtime)/\(name).sock"
            guard (try? File.status(socket))?.kind == .socket else {
                throw .noNode(runtime, subject: socket)
            }
            // One that does not run is started by the next request.
            guard before.answers else { return }
            do throws(Errno) {
                return try Process.send(.terminate, to: Int32(bitPattern: before.processID))
            } catch {
                failed = "\(name) could not be told to end: \(error)."
            }
        }
        throw Complaint(failed, hint: "Restarting needs root.", code: .notPermitted)
    }
}
