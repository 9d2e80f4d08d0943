/// What `celautctl doctor` thinks of a machine. Pure: what was found on it in, findings out, each with
/// how to mend it.
package struct Examination {
    package enum Level: String, Encodable, Comparable {
        case fine, warning, failure

        package static func < (left: Level, right: Level) -> Bool {
            left.rank < right.rank
        }

        private var rank: Int {
            switch self {
            case .fine: 0
            case .warning: 1
            case .failure: 2
            }
        }
    }

    package struct Finding: Encodable, Equatable {
        package let check: String
        package let level: Level
        package let words: String
        /// How to mend it; empty where nothing is wrong.
        package let remedy: String
    }

    /// What was found on a machine.
    package struct Machine {
        package var kernel = ""
        /// Names of `/proc/filesystems`.
        package var fileSystems: Set<String> = []
        package var userNamespacesMax: UInt64 = 0
        package var hasLoopControl = false
        package var hasDiskMaker = false
        /// "v2", "v1" or empty.
        package var cgroups = ""
        package var controllers: Set<String> = []
        package var missingUsers: [String] = []
        /// nil where nobody says.
        package var isClockSynchronised: Bool?
        package var realtimeMs: UInt64 = 0
        package var isKeptBySystemd = false

        package init() {}
    }

    /// What was found of one daemon.
    package struct Daemon {
        package var name = ""
        package var socketPath = ""
        package var hasSocket = false
        package var answers = false
        package var version = ""
        package var silence = ""
        package var isForbidden = false
        package var restarts: UInt32 = 0
        package var lastError = ""
        package var statePath = ""
        package var diskFreeBytes: UInt64 = 0
        package var diskBytes: UInt64 = 0

        package init() {}
    }

    // LIMIT: below this a store takes no box of a usual size, and databases may not be writable soon.
    private static let diskFreeBytesMin: UInt64 = 1 << 30
    /// 2026-01-01: a clock before it stands at the machine's making.
    private static let clockMsMin: UInt64 = 1_767_225_600_000

    private(set) var findings: [Finding] = []

    package static func findings(
        _ machine: Machine, _ daemons: [Daemon], version: String
    ) -> [Finding] {
        var examination = Examination()
        examination.kernel(machine)
        examination.cgroups(machine)
        examination.tools(machine)
        examination.clock(machine)
        for daemon in daemons { examination.daemon(daemon, machine, version) }
        examination.disks(daemons)
        return examination.findings
    }

    private mutating func note(
        _ check: String, _ isFine: Bool, _ words: String, otherwise level: Level = .failure,
        _ remedy: String
    ) {
        findings.append(
            Finding(
                check: check, level: isFine ? .fine : level, words: words,
                remedy: isFine ? "" : remedy))
    }

    // MARK: Checks

    private mutating func kernel(_ machine: Machine) {
        let number = Self.release(machine.kernel)
        note(
            "kernel", number >= (6, 1), "Linux \(machine.kernel)",
            "Instances need Linux 6.1 or newer: install a later kernel.")
        let missing = ["erofs", "overlay", "ext4", "tmpfs"].filter {
            !machine.fileSystems.contains($0)
        }
        note(
            "file systems", missing.isEmpty,
            missing.isEmpty ? "erofs, overlay, ext4, tmpfs" : "missing: \(Self.list(missing))",
            "modprobe \(missing.joined(separator: " ")), and name them in /etc/modules.")
        note(
            "user namespaces", machine.userNamespacesMax > 0,
            "at most \(machine.userNamespacesMax)", "sysctl user.max_user_namespaces=100000")
    }

    private mutating func cgroups(_ machine: Machine) {
        let missing = ["cpu", "memory", "pids"].filter { !machine.controllers.contains($0) }
        note(
            "cgroups", !machine.cgroups.isEmpty && missing.isEmpty,
            machine.cgroups.isEmpty
                ? "none are mounted"
                : "\(machine.cgroups)"
                    + (missing.isEmpty ? "" : ", missing: \(Self.list(missing))"),
            "Boot without cgroup_disable=, with cgroup_enable=memory where the kernel needs it.")
    }

    private mutating func tools(_ machine: Machine) {
        note(
            "loop devices", machine.hasLoopControl,
            machine.hasLoopControl ? "/dev/loop-control" : "no /dev/loop-control", "modprobe loop")
        note(
            "mke2fs", machine.hasDiskMaker,
            machine.hasDiskMaker ? "/usr/sbin/mke2fs" : "no /usr/sbin/mke2fs",
            "apt install e2fsprogs")
        guard machine.isKeptBySystemd else { return }
        note(
            "users", machine.missingUsers.isEmpty,
            machine.missingUsers.isEmpty
                ? "each daemon's is there" : "missing: \(Self.list(machine.missingUsers))",
            "systemd-sysusers celaut.conf")
    }

    private mutating func clock(_ machine: Machine) {
        if machine.realtimeMs < Self.clockMsMin {
            return note("clock", false, "it is before 2026", "Set it: timedatectl set-ntp true")
        }
        note(
            "clock", machine.isClockSynchronised != false,
            machine.isClockSynchronised == nil
                ? "nobody says whether it is right"
                : machine.isClockSynchronised == true ? "synchronised" : "not synchronised",
            otherwise: .warning, "timedatectl set-ntp true")
    }

    private mutating func daemon(_ daemon: Daemon, _ machine: Machine, _ version: String) {
        let start =
            machine.isKeptBySystemd ? "systemctl enable --now celaut.target" : "celautctl up"
        guard daemon.hasSocket else {
            return note(daemon.name, false, "no socket at \(daemon.socketPath)", start)
        }
        if daemon.isForbidden {
            return note(
                daemon.name, false, "not asked: it does not talk to this user", otherwise: .warning,
                "sudo celautctl doctor")
        }
        guard daemon.answers else {
            return note(
                daemon.name, false, daemon.silence,
                "celautctl logs --daemon \(daemon.name); celautctl config check")
        }
        guard daemon.version == version else {
            return note(
                daemon.name, false,
                "version \(daemon.version), and this command is \(version)", otherwise: .warning,
                "celautctl restart \(daemon.name), after an upgrade of the package")
        }
        // LIMIT: a daemon that was started again more often than this since the boot is not well.
        let isSteady = daemon.restarts < 10
        note(
            daemon.name, isSteady,
            isSteady
                ? "answers, version \(version)"
                : "was started again \(daemon.restarts) times: \(daemon.lastError)",
            otherwise: .warning, "celautctl logs --daemon \(daemon.name)")
    }

    private mutating func disks(_ daemons: [Daemon]) {
        var seen: Set<UInt64> = []
        for daemon in daemons where daemon.answers && daemon.diskBytes > 0 {
            // Daemons on one file system tell the same size.
            guard seen.insert(daemon.diskBytes).inserted else { continue }
            note(
                "disk", daemon.diskFreeBytes >= Self.diskFreeBytesMin,
                "\(Words.bytes(daemon.diskFreeBytes)) of \(Words.bytes(daemon.diskBytes)) free at "
                    + daemon.statePath, otherwise: .warning,
                "celautctl boxes list; celautctl boxes remove what is not needed")
        }
    }

    // MARK: Words

    /// "6.1.0-35-amd64" as (6, 1).
    package static func release(_ text: String) -> (Int, Int) {
        let parts = text.split(separator: ".").prefix(2).map { part in
            Int(part.prefix { $0.isNumber }) ?? 0
        }
        return (parts.first ?? 0, parts.count > 1 ? parts[1] : 0)
    }

    private static func list(_ names: [String]) -> String {
        names.sorted().joined(separator: ", ")
    }
}
