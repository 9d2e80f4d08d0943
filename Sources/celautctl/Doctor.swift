import ArgumentParser
import Channel
import Interfaces
import Syscalls

/// `celautctl doctor`: whether this machine can run a node, and what is wrong with the one it runs.
struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Examines the machine and the node, and says how to mend what is wrong.",
        discussion: """
            Kernel, cgroups, users, tools, clock, sockets, daemons and their versions, disk. Exit code \
            1: something is wrong; warnings alone are 0.

            Example:
              sudo celautctl doctor
            """)

    @OptionGroup var options: NodeOptions

    func run() {
        let format = options.format
        Session.run(options) { session, _ async throws(Complaint) in
            let machine = MachineSearch.examine(session.runtime)
            let daemons = await DaemonReport.askAll(session).map {
                $0.examined(socket: "\(session.runtime)/\($0.daemon).sock")
            }
            let findings = Examination.findings(machine, daemons, version: Version.current)
            switch format {
            case .json: Printer.json(findings)
            case .table:
                let marks: [Examination.Level: String] = [
                    .fine: "ok", .warning: "warning", .failure: "WRONG",
                ]
                let rows = findings.map { [marks[$0.level] ?? "", $0.check, $0.words] }
                for (line, finding) in zip(Printer.aligned(rows), findings) {
                    Printer.line(line)
                    if !finding.remedy.isEmpty { Printer.line("         → \(finding.remedy)") }
                }
            }
            let isWrong = findings.contains { $0.level == .failure }
            return .init(code: isWrong ? ExitCode.failure.rawValue : 0)
        }
    }
}

extension DaemonReport {
    fileprivate func examined(socket: String) -> Examination.Daemon {
        var found = Examination.Daemon()
        found.name = daemon
        found.socketPath = socket
        found.hasSocket = (try? File.status(socket))?.kind == .socket
        found.answers = answers
        found.version = version
        found.silence = silence
        found.isForbidden = isForbidden
        found.restarts = restarts
        found.lastError = lastError
        found.statePath = statePath
        found.diskFreeBytes = diskFreeBytes
        found.diskBytes = diskBytes
        return found
    }
}

/// Looks at this machine.
enum MachineSearch {
    // LIMIT: 64 KiB of a file of /proc.
    private static let bytesMax = 65_536
    private static let cgroups = "/sys/fs/cgroup"

    static func examine(_ runtime: String) -> Examination.Machine {
        var machine = Examination.Machine()
        machine.kernel = Kernel.release()
        machine.fileSystems = Set(
            lines("/proc/filesystems").compactMap {
                $0.split(whereSeparator: \.isWhitespace).last.map(String.init)
            })
        machine.userNamespacesMax =
            lines("/proc/sys/user/max_user_namespaces").first.flatMap { UInt64($0) } ?? 0
        machine.hasLoopControl = File.exists("/dev/loop-control")
        machine.hasDiskMaker = File.isExecutable("/usr/sbin/mke2fs")
        (machine.cgroups, machine.controllers) = controllers()
        machine.isKeptBySystemd = Keeping.of(runtime) == .systemd
        machine.missingUsers = ["celaut-box-builder", "celaut-gateway-broker"].filter {
            Users.user(named: $0) == nil
        }
        machine.isClockSynchronised = isClockSynchronised()
        machine.realtimeMs = Clock.realtimeNanoseconds() / 1_000_000
        return machine
    }

    private static func controllers() -> (String, Set<String>) {
        if let first = lines("\(cgroups)/cgroup.controllers").first {
            return ("v2", Set(first.split(separator: " ").map(String.init)))
        }
        let present = ["cpu", "cpuacct", "memory", "pids", "blkio", "freezer"].filter {
            File.exists("\(cgroups)/\($0)/cgroup.procs")
        }
        return (present.isEmpty ? "" : "v1", Set(present))
    }

    private static func isClockSynchronised() -> Bool? {
        let words = ["/usr/bin/timedatectl", "show", "--value", "--property=NTPSynchronized"]
        switch Command.output(words)?.text.trimmed {
        case "yes": return true
        case "no": return false
        default: return nil
        }
    }

    private static func lines(_ path: String) -> [String] {
        guard let bytes = try? File.readAll(path, limit: bytesMax) else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
