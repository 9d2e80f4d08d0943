// The second process of an instance, from its birth in a new user namespace to the entrypoint. It
// gives up everything that is not in the box and says on a pipe, which exec closes, what failed.
//
// Most of it needs no root and is done while the witness makes one. From the filter on it can do no
// more than the service.

import LaunchPlan
import Syscalls

struct Payload {
    /// What a failure message is: the step's number and errno, each one byte.
    private enum Step: UInt8, CaseIterable {
        case groups, waitForIDs, clocks, projects, namespaces, identity, streams, descriptors
        case limits, capabilities, privileges, filter, wait, directory, landlock, exec

        var name: String {
            switch self {
            case .groups: "enter cgroup"
            case .waitForIDs: "wait for ids"
            case .wait: "wait for root"
            case .directory: "enter root"
            case .clocks: "time namespace"
            case .projects: "project ids"
            case .namespaces: "unshare cgroup"
            case .identity: "become root"
            case .streams: "output streams"
            case .descriptors: "close descriptors"
            case .limits: "limits"
            case .capabilities: "drop capabilities"
            case .privileges: "no new privileges"
            case .landlock: "landlock"
            case .filter: "install filter"
            case .exec: "exec"
            }
        }
    }

    private struct Failed: Error {
        let step: Step
        let errno: Errno
    }

    let plan: LaunchPlan
    let filter: [UInt8]

    /// Runs in the child and does not return. `go` gets one byte when the ids are mapped and one when
    /// the root is whole, or closes.
    func run(
        parcel: Parcel, shell: borrowing Shell, go: borrowing Descriptor,
        failure: borrowing Descriptor, stdout: borrowing Descriptor, stderr: borrowing Descriptor
    ) -> LaunchFailure {
        do throws(Failed) {
            try attempt(.groups) { () throws(Errno) in try enterGroups(parcel) }
            try hear(go, .waitForIDs)
            try become(shell)
            try keepOnly(
                stdout: stdout, stderr: stderr, shell.devices, [go.raw, failure.raw].sorted())
            try confine()
            let path = [UInt8](("/" + plan.entrypoint.joined(separator: "/")).utf8)
            let program = Program(path, arguments: [path], environment: plan.environment)
            try hear(go, .wait)
            try attempt(.directory) { () throws(Errno) in try Mounts.changeDirectory("/") }
            try attempt(.landlock) { () throws(Errno) in
                let terminals =
                    plan.hasTerminals ? try File.open("/dev/pts", .path, [.directory]) : nil
                try Landlock.confine(
                    root: try File.open("/", .path, [.directory]), terminals: terminals)
            }
            throw Failed(step: .exec, errno: Confinement.execute(program))
        } catch {
            let message = [error.step.rawValue, UInt8(truncatingIfNeeded: error.errno.code)]
            _ = try? File.writeAll(failure, message)
            Confinement.exit(127)
        }
    }

    private func hear(_ go: borrowing Descriptor, _ step: Step) throws(Failed) {
        let told = try attempt(step) { () throws(Errno) in try File.read(go, max: 1) }
        // The witness gave up, and has said why.
        if told.isEmpty { Confinement.exit(1) }
    }

    private func become(_ shell: borrowing Shell) throws(Failed) {
        try attempt(.clocks) { () throws(Errno) in try setClocks(shell.processes) }
        try attempt(.projects) { () throws(Errno) in try fixProjects(shell.processes) }
        // Its root is the cgroup entered above.
        try attempt(.namespaces) { () throws(Errno) in try Namespaces.unshare(.cgroup) }
        try attempt(.identity) { () throws(Errno) in
            Confinement.newSession()
            try Confinement.become(uid: 0, gid: 0)
            _ = Process.setUmask(0o022)
        }
    }

    private func keepOnly(
        stdout: borrowing Descriptor, stderr: borrowing Descriptor,
        _ devices: borrowing Descriptor, _ kept: [Int32]
    ) throws(Failed) {
        try attempt(.streams) { () throws(Errno) in
            // The instance's own, not the host's.
            let null = try File.open(at: devices, "null")
            try Confinement.place(null, as: 0)
            try Confinement.place(stdout, as: 1)
            try Confinement.place(stderr, as: 2)
        }
        try attempt(.descriptors) { () throws(Errno) in
            try Confinement.closeAll(from: 3, but: kept)
        }
    }

    private func confine() throws(Failed) {
        try attempt(.limits) { () throws(Errno) in
            let files = UInt64(plan.openFilesMax)
            _ = try Process.limit(.openFiles, set: Process.Limit(soft: files, hard: files))
            _ = try Process.limit(.coreBytes, set: Process.Limit(soft: 0, hard: 0))
        }
        Confinement.defaultSignals()
        try attempt(.capabilities) { () throws(Errno) in
            try Confinement.lockCapabilities()
            try Confinement.limitCapabilities(to: [])
        }
        try attempt(.privileges) { () throws(Errno) in try Process.setNoNewPrivileges() }
        try attempt(.filter) { () throws(Errno) in try Confinement.filter(filter) }
    }

    /// What the bytes from the pipe say; nil where exec closed it.
    func failure(_ message: [UInt8]) -> LaunchFailure? {
        guard message.count == 2, let step = Step(rawValue: message[0]) else { return nil }
        let errno = Errno(code: Int32(message[1]))
        guard step == .exec else { return LaunchFailure(step: step.name, code: errno.code) }
        let path = plan.entrypoint.joined(separator: "/")
        return LaunchFailure(step: "exec /\(path)", code: errno.code)
    }

    /// The clocks of the instance start with it: they do not tell how long the host has been up.
    /// Here rather than in the witness, so that nobody needs the right to set the host's clock.
    ///
    /// - Parameter processes: /proc, by descriptor: the root changes meanwhile.
    private func setClocks(_ processes: borrowing Descriptor) throws(Errno) {
        let monotonic = Clock.monotonicNanoseconds() / 1_000_000_000
        let boottime = Clock.boottimeNanoseconds() / 1_000_000_000
        try Namespaces.unshare(.time)
        let file = try File.open(at: processes, "self/timens_offsets", .writeOnly)
        try File.writeAll(
            file, [UInt8]("monotonic -\(monotonic) 0\nboottime -\(boottime) 0\n".utf8))
        // Unsharing moves only children there.
        let future = try File.open(at: processes, "self/ns/time_for_children")
        try Process.enter(namespace: future, kind: Int32(Namespaces.Kinds.time.rawValue))
    }

    /// Project ids can be mapped once, by anybody: here, so that the service does not. The same in
    /// every instance; of a project of the host nothing can be had with it.
    private func fixProjects(_ processes: borrowing Descriptor) throws(Errno) {
        let file = try File.open(at: processes, "self/projid_map", .writeOnly)
        try File.writeAll(file, [UInt8]("0 65534 1\n".utf8))
    }

    /// One hierarchy after another (v1). On v2 it was born in its cgroup.
    private func enterGroups(_ parcel: Parcel) throws(Errno) {
        guard plan.groupKind == .version1 else { return }
        for index in 0..<Int(plan.groups) {
            try parcel.inspect(LaunchPlan.Place.groups.rawValue + index) {
                (file) throws(Errno) in
                try File.writeAll(file, [UInt8(ascii: "0")])
            }
        }
    }

    private func attempt<Value: ~Copyable>(
        _ step: Step, _ body: () throws(Errno) -> Value
    ) throws(Failed) -> Value {
        do throws(Errno) {
            return try body()
        } catch {
            throw Failed(step: step, errno: error)
        }
    }
}
