// What a daemon refuses at its start, and with which code.

import Chassis
import Syscalls
import Testing

@Suite("Start of a daemon")
struct StartTests {
    @Test("Every exit code is different, and none is one the shell or a signal uses")
    func exitCodes() {
        #expect(Set(ExitCode.allCases.map(\.rawValue)).count == ExitCode.allCases.count)
        for code in ExitCode.allCases where code != .success {
            #expect((64...78).contains(code.rawValue))
        }
    }

    @Test("The command line names the configuration")
    func arguments() throws {
        let run = DaemonArguments(action: .run, configurationPath: "/a.toml")
        #expect(try DaemonArguments.read(["--config", "/a.toml"]) == run)
        #expect(try DaemonArguments.read(["--config=/a.toml"]) == run)
        #expect(
            try DaemonArguments.read(["--check-config", "--config", "/a.toml"]).action
                == .checkConfiguration)
        #expect(try DaemonArguments.read(["--version"]).action == .version)
        #expect(try DaemonArguments.read(["--help"]).action == .help)
    }

    @Test(
        "A wrong command line is refused with the word that is wrong",
        arguments: [
            (["--conifg", "x"], "--conifg"), (["x"], "\"x\""), (["--config"], "--config"),
            ([], "--config"),
            (["--config", ""], "--config"),
        ])
    func wrongArguments(words: [String], named: String) {
        let error = failure { () throws(DaemonFailure) in _ = try DaemonArguments.read(words) }
        #expect(error?.exitCode == .usage)
        #expect(error?.description.contains(named) == true)
    }

    @Test("The declared sockets are found by name, in the order of the declaration")
    func socketsFound() throws {
        let sockets = try GivenSockets(
            names: ["door", "gateway-broker"], declared: ["gateway-broker", "door"],
            keepsDescriptors: false)
        #expect(sockets.listeners == [1, 0])
        #expect(sockets.stored == [])
    }

    @Test(
        "A socket that is missing, surplus, doubled or unknown is refused by its name",
        arguments: [
            ([], "box-builder"), (["surprise"], "surprise"),
            (["box-builder", "surprise"], "surprise"),
            (["box-builder", "box-builder"], "2 times"), (["unknown"], "\"unknown\""),
        ])
    func socketsRefused(names: [String], named: String) {
        let error = failure { () throws(DaemonFailure) in
            _ = try GivenSockets(names: names, declared: ["box-builder"], keepsDescriptors: false)
        }
        #expect(error?.exitCode == .sockets)
        #expect(error?.description.contains(named) == true, "\(String(describing: error))")
    }

    @Test("Stored descriptors are taken only by who keeps some")
    func stored() throws {
        let sockets = try GivenSockets(
            names: ["i-1", "sandbox-supervisor", "i-2"], declared: ["sandbox-supervisor"],
            keepsDescriptors: true)
        #expect(sockets.listeners == [1])
        #expect(sockets.stored == [0, 2])
    }

    @Test("A daemon that declares no privileges does not run with any, and says with which")
    func privilegesNone() {
        #expect(HeldPrivileges(isRoot: false).refusal(declared: []) == nil)
        #expect(HeldPrivileges(isRoot: true).refusal(declared: [])?.contains("root") == true)
        for held in [
            HeldPrivileges(isRoot: false, permitted: [.systemAdmin]),
            HeldPrivileges(isRoot: false, inheritable: [.systemAdmin]),
            HeldPrivileges(isRoot: false, ambient: [.systemAdmin]),
        ] {
            #expect(held.refusal(declared: [])?.contains("cap_sys_admin") == true)
        }
    }

    @Test("A daemon that declares privileges does not run without them, and says without which")
    func privilegesMissing() {
        let held = HeldPrivileges(isRoot: true, permitted: [.systemAdmin, .kill])
        #expect(held.refusal(declared: [.systemAdmin]) == nil)
        let refusal = held.refusal(declared: [.systemAdmin, .setUID])
        #expect(refusal?.contains("cap_setuid") == true)
        #expect(refusal?.contains("cap_sys_admin") == false)
    }

    @Test("A state directory belongs to one process at a time")
    func stateTaken() throws {
        let directory = try TemporaryDirectory()
        let first = try StateDirectory(state: directory.path, daemon: "box-builder")
        let second = failure { () throws(DaemonFailure) in
            _ = try StateDirectory(state: directory.path, daemon: "box-builder")
        }
        #expect(second?.exitCode == .stateTaken)
        #expect(second?.description.contains(first.path) == true)
        let status = try File.status(first.path)
        #expect(status.permissions == 0o700)
    }

    @Test("A state directory that cannot be made is refused by its name")
    func stateImpossible() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("file", "")
        let error = failure { () throws(DaemonFailure) in
            _ = try StateDirectory(state: file, daemon: "box-builder")
        }
        #expect(error?.exitCode == .state)
        #expect(error?.description.contains(file) == true)
    }

    @Test("The same seed gives the same randomness, another seed another")
    func seeded() {
        var one = RandomSource.seeded(42)
        var same = RandomSource.seeded(42)
        var other = RandomSource.seeded(43)
        let numbers = (0..<8).map { _ in one.next() }
        #expect(numbers == (0..<8).map { _ in same.next() })
        #expect(numbers != (0..<8).map { _ in other.next() })
        var system = RandomSource.system
        #expect(system.bytes(32) != system.bytes(32))
    }
}
