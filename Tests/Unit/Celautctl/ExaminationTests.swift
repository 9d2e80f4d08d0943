// What is read of a machine, and what `doctor` says of it.

import Testing
import celautctl

@Suite("What doctor thinks of a machine")
struct ExaminationTests {
    private static func machine() -> Examination.Machine {
        var machine = Examination.Machine()
        machine.kernel = "6.18.1-amd64"
        machine.fileSystems = ["erofs", "overlay", "ext4", "tmpfs", "proc"]
        machine.userNamespacesMax = 1_000
        machine.hasLoopControl = true
        machine.hasDiskMaker = true
        machine.cgroups = "v2"
        machine.controllers = ["cpu", "memory", "pids"]
        machine.isClockSynchronised = true
        machine.realtimeMs = 1_800_000_000_000
        machine.isKeptBySystemd = true
        return machine
    }

    private static func daemon() -> Examination.Daemon {
        var daemon = Examination.Daemon()
        daemon.name = "box-builder"
        daemon.socketPath = "/run/celaut/box-builder.sock"
        daemon.hasSocket = true
        daemon.answers = true
        daemon.version = "1.0.0"
        daemon.diskFreeBytes = 10 << 30
        daemon.diskBytes = 20 << 30
        return daemon
    }

    private static func bad(
        _ machine: Examination.Machine, _ daemon: Examination.Daemon = daemon()
    ) -> [Examination.Finding] {
        Examination.findings(machine, [daemon], version: "1.0.0").filter { $0.level != .fine }
    }

    @Test("Nothing is wrong with a good machine")
    func good() {
        #expect(Self.bad(Self.machine()) == [])
    }

    struct Damage: Sendable, CustomTestStringConvertible {
        let check: String
        let level: Examination.Level
        let machine: @Sendable (inout Examination.Machine) -> Void
        var testDescription: String { check }
    }

    static let damages: [Damage] = [
        Damage(check: "kernel", level: .failure) { $0.kernel = "6.0.19" },
        Damage(check: "file systems", level: .failure) { $0.fileSystems.remove("erofs") },
        Damage(check: "user namespaces", level: .failure) { $0.userNamespacesMax = 0 },
        Damage(check: "cgroups", level: .failure) { $0.controllers.remove("memory") },
        Damage(check: "loop devices", level: .failure) { $0.hasLoopControl = false },
        Damage(check: "mke2fs", level: .failure) { $0.hasDiskMaker = false },
        Damage(check: "users", level: .failure) { $0.missingUsers = ["celaut-box-builder"] },
        Damage(check: "clock", level: .warning) { $0.isClockSynchronised = false },
        Damage(check: "clock", level: .failure) { $0.realtimeMs = 0 },
    ]

    @Test("What is wrong is found, and has a remedy", arguments: damages)
    func finds(damage: Damage) throws {
        var machine = Self.machine()
        damage.machine(&machine)
        let found = Self.bad(machine)
        let finding = try #require(found.first)
        #expect(found.count == 1)
        #expect(finding.check == damage.check)
        #expect(finding.level == damage.level)
        #expect(!finding.remedy.isEmpty)
    }

    @Test("A daemon without socket, without answer, of another version, or restless is told")
    func daemons() {
        var cases: [(Examination.Daemon, Examination.Level)] = []
        func with(_ level: Examination.Level, _ change: (inout Examination.Daemon) -> Void) {
            var daemon = Self.daemon()
            change(&daemon)
            cases.append((daemon, level))
        }
        with(.failure) { $0.hasSocket = false }
        with(.failure) { $0.answers = false }
        with(.warning) {
            $0.answers = false; $0.isForbidden = true
        }
        with(.warning) { $0.version = "0.9.0" }
        with(.warning) { $0.restarts = 50 }
        with(.warning) { $0.diskFreeBytes = 1 }
        for (daemon, level) in cases {
            let found = Self.bad(Self.machine(), daemon)
            #expect(found.map(\.level) == [level])
            #expect(found.allSatisfy { !$0.remedy.isEmpty })
        }
    }

    @Test("A kernel's release is compared by its numbers")
    func releases() {
        #expect(Examination.release("6.1.0-35-amd64") == (6, 1))
        #expect(Examination.release("10.20") == (10, 20))
        #expect(Examination.release("") == (0, 0))
    }
}
