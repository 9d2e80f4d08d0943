import Channel
import Interfaces
import SwiftProtobuf
import Syscalls

/// What Ctrl-C means while an instance runs in the foreground: first a stop with time to finish,
/// then a stop at once, then leaving. The end of the instance then ends the command.
///
/// SAFETY: `@unchecked Sendable`: everything runs on the loop's thread.
final class Interruption: @unchecked Sendable {
    private var instance: (id: String, name: String)?
    private var times = 0

    // LIMIT: the time between TERM and KILL after the first Ctrl-C, in milliseconds.
    private static let graceMilliseconds: UInt32 = 10_000

    var isAsked: Bool { times > 0 }

    /// The node has accepted it: from now on it must be stopped, not only left.
    func began(_ instance: ServiceInstance) {
        self.instance = (Words.hex(instance.instanceIDBytes), instance.name)
    }

    func happened(_ session: Session) {
        times += 1
        guard let instance, times <= 2 else {
            Process.exit(ExitCode.interrupted.rawValue, now: true)
        }
        let request = StopServiceRequest.with {
            $0.instance = .with { $0.instance = instance.id }
            $0.graceMs = times == 1 ? Self.graceMilliseconds : 0
        }
        Printer.note(
            times == 1
                ? "stopping \(instance.name); Ctrl-C again ends it at once"
                : "ending \(instance.name)")
        let gateway = session.gateway
        Task {
            do throws(Fault) {
                _ = try await gateway.stopService(request, deadline: .seconds(40))
            } catch {
                // One that has just ended by itself needs no stop.
                if error.code != .notFound { Printer.complain(Complaint(error)) }
            }
        }
    }
}
