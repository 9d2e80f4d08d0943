// A child gets what its plan says, and nothing else.

import Syscalls
import Testing

@Suite("Spawning")
struct SpawnTests {
    /// Runs a shell script and gives what it printed, and how it ended.
    private func run(
        _ script: String, _ change: (inout SpawnPlan) -> Void = { _ in }
    ) throws -> (output: String, status: Syscalls.ExitStatus) {
        let pipe = try Pipe()
        var plan = SpawnPlan(path: "/bin/sh", arguments: ["sh", "-c", script])
        plan.environment = ["PATH=/usr/bin:/bin"]
        plan.give(pipe.writing, as: 1)
        plan.give(standardStream: 2, as: 2)
        change(&plan)
        let pid = try Process.spawn(plan)
        let reading = pipe.keepReading()
        let output = try File.readAll(reading, limit: 65_536)
        return (String(decoding: output, as: UTF8.self), try Process.wait(pid: pid))
    }

    @Test("The environment, directory and arguments are those of the plan")
    func plan() throws {
        let (output, status) = try run(
            "echo $A; pwd; env | grep -vc '^\\(PWD\\|_\\|OLDPWD\\|SHLVL\\)='"
        ) {
            $0.environment = ["A=x y", "PATH=/usr/bin:/bin"]
            $0.directory = "/usr"
        }
        #expect(output == "x y\n/usr\n2\n")
        #expect(status == .exited(0))
    }

    @Test("The child has the descriptors of the map and no others")
    func descriptors() throws {
        let held = try (0..<5).map { _ in SharedDescriptor(try File.open("/dev/null")) }
        let (output, _) = try run("exec ls /proc/self/fd") { plan in
            plan.give(held[0].descriptor, as: 7)
        }
        withExtendedLifetime(held) {}
        // One more is ls reading the directory, at the lowest free number.
        #expect(output.split(separator: "\n").map { String($0) } == ["0", "1", "2", "7"])
    }

    @Test("Targets that are each other's sources do not overwrite them")
    func swapped() throws {
        let temporary = try TemporaryDirectory()
        let a = SharedDescriptor(try File.open(try temporary.write("a", "A")))
        let b = SharedDescriptor(try File.open(try temporary.write("b", "B")))
        let (output, _) = try run("cat /proc/self/fd/\(a.raw) /proc/self/fd/\(b.raw)") { plan in
            plan.descriptors.append((b.raw, a.raw))
            plan.descriptors.append((a.raw, b.raw))
        }
        #expect(output == "BA")
    }

    @Test("The child learns its own pid as LISTEN_PID")
    func listenPID() throws {
        let (output, _) = try run("test $LISTEN_PID = $$ && echo same") {
            $0.environment = ["LISTEN_PID=1"]
            $0.tellsListenPID = true
        }
        #expect(output == "same\n")
    }

    @Test("A step that fails is told by its name, and nothing runs", arguments: ["exec", "chdir"])
    func failing(step: String) {
        var plan = SpawnPlan(path: step == "exec" ? "/nonexistent" : "/bin/true", arguments: ["x"])
        if step == "chdir" { plan.directory = "/nonexistent" }
        let error: SpawnFailure?
        do throws(SpawnFailure) {
            _ = try Process.spawn(plan)
            error = nil
        } catch let thrown {
            error = thrown
        }
        #expect(error?.step == step)
        #expect(error?.errno == .noEntry)
    }

    @Test("A signal that ends the child is told")
    func signalled() throws {
        let (_, status) = try run("kill -TERM $$")
        #expect(status == .signaled(.terminate, coreDumped: false))
    }

    @Test("A pidfd says nothing while the child runs, and how it ended after")
    func pidfd() throws {
        let gate = try Pipe()
        var plan = SpawnPlan(path: "/bin/sh", arguments: ["sh", "-c", "read x; exit 7"])
        plan.give(gate.reading, as: 0)
        let pid = try Process.spawn(plan)
        let pidfd = try Pidfd.open(pid: pid)
        #expect(try Pidfd.reap(pidfd) == nil)
        try File.writeAll(gate.writing, Array("\n".utf8))
        #expect(try Pidfd.wait(pidfd) == .exited(7))
        #expect(failure { () throws(Errno) in try Pidfd.send(.kill, to: pidfd) } == .noProcess)
    }

    @Test(
        "Another user's identity is complete: ids and no groups",
        .enabled(if: Process.effectiveUID == 0, "needs root to become another user"))
    func user() throws {
        let (output, _) = try run("grep -E '^(Uid|Gid|Groups|NoNewPrivs)' /proc/self/status") {
            $0.user = (uid: 64_123, gid: 64_124)
            $0.noNewPrivileges = true
        }
        let lines = output.split(separator: "\n").map { $0.split(separator: "\t").map(String.init) }
        #expect(lines.first { $0[0] == "Uid:" }?.dropFirst().allSatisfy { $0 == "64123" } == true)
        #expect(lines.first { $0[0] == "Gid:" }?.dropFirst().allSatisfy { $0 == "64124" } == true)
        #expect(lines.first { $0[0] == "Groups:" }?.dropFirst().joined().filter { $0 != " " } == "")
        #expect(lines.first { $0[0] == "NoNewPrivs:" }?.last == "1")
    }
}
