import Syscalls

/// Where a foreground node keeps its things: directories with their owners, a configuration file
/// per daemon, sockets, and the lock that keeps a second node away.
package struct NodeLayout {
    struct User: Equatable {
        var uid: UInt32
        var gid: UInt32
    }

    let state: String
    package let runtime: String
    private(set) var programs: String
    let users: [String: User]
    /// What box-builder is told with its key of this name.
    let roots: Roots
    /// What is added to the configuration that is written for a daemon.
    let added: OwnConfiguration

    package enum Roots: String, CaseIterable, Sendable {
        case auto, layers, checkout
    }

    /// In the order they are stopped: who asks before who answers.
    package static let daemons = ["gateway-broker", "sandbox-supervisor", "box-builder"]
    static let stateDefault = "/var/lib/celaut"

    /// The numeric users of daemons whose own user is not installed.
    private static let numericUsers: [String: UInt32] = [
        "box-builder": 64_101, "gateway-broker": 64_102,
    ]

    package init(
        state: String, programs: String, roots: Roots = .auto,
        added: OwnConfiguration = OwnConfiguration()
    ) {
        self.state = state
        self.roots = roots
        self.added = added
        runtime = state == Self.stateDefault ? Session.runtimeDefault : state + "/run"
        self.programs = programs
        var users: [String: User] = [:]
        for daemon in Self.daemons {
            // The supervisor stays root and gives up all capabilities but its few.
            guard let number = Self.numericUsers[daemon] else {
                users[daemon] = User(uid: 0, gid: 0)
                continue
            }
            if let user = Users.user(named: "celaut-\(daemon)") {
                users[daemon] = User(uid: user.uid, gid: user.gid)
            } else {
                users[daemon] = User(uid: number, gid: number)
            }
        }
        self.users = users
    }

    func user(_ daemon: String) -> User { users[daemon] ?? User(uid: 0, gid: 0) }
    func socketPath(_ daemon: String) -> String { "\(runtime)/\(daemon).sock" }
    func notifyPath(_ daemon: String) -> String { "\(runtime)/\(daemon).notify" }
    func configurationPath(_ daemon: String) -> String { "\(state)/config/\(daemon).toml" }
    func logPath(_ daemon: String) -> String { "\(state)/log/\(daemon).log" }

    /// Makes directories and configuration files, and takes the lock of the state directory, which
    /// lasts as long as the descriptor.
    func prepare() throws(Complaint) -> Descriptor {
        let lock = try takeLock()
        for path in [runtime, "\(state)/config", "\(state)/log"] {
            do throws(Errno) {
                try File.makeDirectories(path, mode: 0o755)
                try File.setMode(path, 0o755)
            } catch {
                throw Self.cannotMake(path, error)
            }
        }
        for daemon in Self.daemons {
            try prepare(daemon)
        }
        guard Programs.isOpenToAll("\(state)/box-builder") else {
            throw Complaint(
                "The daemons' users cannot reach \(state): a folder on the way is closed to others.",
                hint: "Name another directory with --state, or open it (chmod o+x).",
                code: .notPermitted)
        }
        return lock
    }

    /// The same, with the daemons' programs where their users can read them.
    func withReachablePrograms() throws(Complaint) -> NodeLayout {
        var layout = self
        layout.programs = try Programs.folder(built: programs, state: state)
        return layout
    }

    private func takeLock() throws(Complaint) -> Descriptor {
        do throws(Errno) {
            try File.makeDirectories(state, mode: 0o755)
            let lock = try File.open("\(state)/lock", .readWrite, .create)
            guard try File.lock(lock) else { throw .again }
            return lock
        } catch .again {
            throw Complaint(
                "Another node runs on \(state).",
                hint: "Stop it first, or name another directory with --state.", code: .inUse)
        } catch {
            throw Self.cannotMake(state, error)
        }
    }

    private func prepare(_ daemon: String) throws(Complaint) {
        let directory = "\(state)/\(daemon)"
        let user = user(daemon)
        let text = try added.added(to: configuration(daemon), of: daemon)
        do throws(Errno) {
            if !File.exists(directory) { try File.makeDirectory(directory, mode: 0o700) }
            try File.setOwner(directory, uid: user.uid, gid: user.gid)
            let file = try File.open(
                configurationPath(daemon), .writeOnly, [.create, .truncate], mode: 0o644)
            try File.writeAll(file, Array(text.utf8))
        } catch {
            throw Self.cannotMake(directory, error)
        }
    }

    private static func cannotMake(_ path: String, _ error: Errno) -> Complaint {
        Complaint(
            "\(path) cannot be made: \(error).",
            hint: "Name a directory that root can write with --state.", code: .cannotMake)
    }

    /// Two nodes beside each other share neither a cgroup nor the users of their instances: both are
    /// chosen by the state directory.
    private var cgroup: String {
        state == Self.stateDefault ? "celaut" : "celaut-\(String(number, radix: 16))"
    }

    // LIMIT: a node has 2^28 users for its instances, 65,536 for each. From 2^28 on there is room for
    // eleven nodes, past the users that people, systemd and containers have.
    private var uidBase: UInt64 {
        let place = state == Self.stateDefault ? 0 : 1 + UInt64(number) % 10
        return (1 + place) << 28
    }

    /// FNV-1a of the state directory's path.
    private var number: UInt32 {
        state.utf8.reduce(2_166_136_261) { ($0 ^ UInt32($1)) &* 16_777_619 }
    }

    /// The configuration of a daemon in a foreground node.
    package func configuration(_ daemon: String) -> String {
        var lines = [
            "# Written by `celautctl up` at each start.", "state = \"\(Self.quoted(state))\"",
        ]
        if daemon == "sandbox-supervisor" {
            lines += ["cgroup = \"\(cgroup)\"", "uid_base = \(uidBase)"]
        }
        if daemon == "box-builder" { lines.append("roots = \"\(roots.rawValue)\"") }
        lines += ["", "[callers]", "admin = [0]"]
        switch daemon {
        case "gateway-broker":
            lines += [
                "client = [\"*\"]", "", "[peers]",
                "box-builder = \"\(Self.quoted(socketPath("box-builder")))\"",
                "sandbox-supervisor = \"\(Self.quoted(socketPath("sandbox-supervisor")))\"",
            ]
        case "sandbox-supervisor":
            lines += [
                "gateway-broker = [\(user("gateway-broker").uid)]", "", "[limits]",
                // The gateway watches each of its 1,000 instances, and asks beside that.
                "requests_per_user = 4096",
            ]
        default:
            lines.append("gateway-broker = [\(user("gateway-broker").uid)]")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// As a basic string of TOML holds it.
    private static func quoted(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
    }

    /// Removes what only a running node has.
    func removeRuntime() {
        for daemon in Self.daemons {
            try? File.remove(socketPath(daemon))
            try? File.remove(notifyPath(daemon))
        }
        try? File.removeDirectory(runtime)
        removeCgroup()
    }

    /// The supervisor's own part of each hierarchy, which nothing is left in; instances that were
    /// kept keep theirs.
    private func removeCgroup() {
        let root = "/sys/fs/cgroup"
        var places = [root]
        if let directory = try? Directory.open(root), let entries = try? Directory.list(directory) {
            places += entries.filter { $0.kind == .directory }.map { "\(root)/\($0.name)" }
        }
        for place in places { try? File.removeDirectory("\(place)/\(cgroup)") }
    }
}
