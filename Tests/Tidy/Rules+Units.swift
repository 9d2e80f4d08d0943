// What a daemon's page says it may do is what its systemd unit allows: the page is for people, the unit
// is what holds.

private let page = """
    # x
    ## Privileges
    None: its own user, no capabilities, no network.
    ## Exit codes
    | code | when |
    |---|---|
    | 0 | stopped |
    | 78 | the configuration says something that cannot be |
    """

private let unit = """
    [Service]
    Type=notify
    ExecStart=/usr/lib/celaut/x --config /etc/celaut/x.toml
    User=celaut-x
    StateDirectory=celaut/x
    CapabilityBoundingSet=
    PrivateNetwork=yes
    RestartPreventExitStatus=78
    WatchdogSec=20s
    """

private let socket = "[Socket]\nListenSequentialPacket=/run/celaut/x.sock\nFileDescriptorName=x\n"

private func sample(
    page: String = page, unit: String = unit, socket: String = socket, program: String = ""
) -> Sample {
    Sample(
        ("Daemons/x/XProgram.swift", program), ("Daemons/x/README.md", page),
        ("deploy/systemd/celaut-x.service", unit), ("deploy/systemd/celaut-x.socket", socket))
}

let unitRules: [Rule] = [
    Rule(
        "A daemon's unit allows what its page says, and no more",
        bad: [
            Sample(("Daemons/x/XProgram.swift", ""), ("Daemons/x/README.md", page)),
            sample(page: page.replacing("no capabilities", with: "`cap_kill`")),
            sample(unit: unit.replacing("BoundingSet=", with: "BoundingSet=CAP_KILL")),
            sample(unit: unit.replacing("CapabilityBoundingSet=\n", with: "")),
            sample(unit: unit.replacing("User=celaut-x", with: "User=root")),
            sample(unit: unit.replacing("PrivateNetwork=yes\n", with: "")),
            sample(page: page.replacing("no network", with: "network")),
            sample(unit: unit.replacing("=78", with: "=78 99")),
            sample(unit: unit.replacing("StateDirectory=celaut/x", with: "StateDirectory=x")),
            sample(unit: unit.replacing("WatchdogSec=20s", with: "")),
            sample(socket: socket.replacing("x.sock", with: "y.sock")),
            sample(unit: unit + "\nFileDescriptorStoreMax=8\nEnvironment=FDSTORE=8"),
            sample(program: "static let keepsDescriptors = true"),
            sample(
                unit: unit + "\nFileDescriptorStoreMax=8\nEnvironment=FDSTORE=9",
                program: "static let keepsDescriptors = true"),
        ],
        good: sample(),
        find: { files in
            let daemons = Set(
                files.filter { $0.isUnder(["Daemons"]) && $0.path.hasSuffix("Program.swift") }
                    .map { String($0.path.split(separator: "/")[1]) })
            return daemons.sorted().flatMap { compare($0, files) }
        })
]

private func compare(_ daemon: String, _ files: [SourceText]) -> [Violation] {
    let path = "deploy/systemd/celaut-\(daemon).service"
    guard let unit = files.first(where: { $0.path == path }),
        let page = files.first(where: { $0.path == "Daemons/\(daemon)/README.md" }),
        let socket = files.first(where: { $0.path == "deploy/systemd/celaut-\(daemon).socket" })
    else { return [Violation(path: path, line: 0, what: "unit, socket or page is missing")] }
    let settings = Settings(unit)
    let privileges = section("Privileges", of: page)
    let named = Set(privileges.matches(of: /cap_[a-z_]+/).map { String($0.output) })
    let isRoot = privileges.contains("Runs as root")
    let isApart = privileges.lowercased().contains("no network")
    let codes = Set(
        section("Exit codes", of: page).matches(of: /\n\| (\d+) \|/).map { String($0.output.1) })
    let expected: [(String, [String]?)] = [
        ("Type", ["notify"]),
        ("ExecStart", ["/usr/lib/celaut/\(daemon)", "--config", "/etc/celaut/\(daemon).toml"]),
        ("User", [isRoot ? "root" : "celaut-\(daemon)"]),
        ("StateDirectory", ["celaut/\(daemon)"]),
        ("CapabilityBoundingSet", named.map { $0.uppercased() }.sorted()),
        ("PrivateNetwork", isApart ? ["yes"] : nil),
    ]
    var wrong = expected.filter { settings.words($0.0) != $0.1 }.map { key, value in
        "\(key) is \(settings.words(key) ?? ["absent"]), and the page says \(value ?? ["absent"])"
    }
    if settings.words("WatchdogSec") == nil { wrong.append("it has no watchdog") }
    // The daemon is told by FDSTORE how many it may give.
    let keeps = files.contains {
        $0.isUnder(["Daemons/\(daemon)"])
            && $0.lines.contains { $0.contains("static let keepsDescriptors = true") }
    }
    let stored = settings.words("FileDescriptorStoreMax")?.first
    let told = (settings.words("Environment") ?? []).first { $0.hasPrefix("FDSTORE=") }
    if keeps != (stored != nil) || stored.map({ "FDSTORE=" + $0 }) != told {
        wrong.append("its descriptor store: \(stored ?? "absent"), told as \(told ?? "absent")")
    }
    let unknown = Set(settings.words("RestartPreventExitStatus") ?? []).subtracting(codes)
    if !unknown.isEmpty { wrong.append("exit codes the page does not have: \(unknown.sorted())") }
    let listens = Settings(socket)
    if listens.words("ListenSequentialPacket") != ["/run/celaut/\(daemon).sock"]
        || listens.words("FileDescriptorName") != [daemon]
    {
        wrong.append("its socket has another path or name")
    }
    return wrong.map { Violation(path: path, line: 0, what: $0) }
}

private func section(_ name: String, of page: SourceText) -> String {
    let start = page.lines.firstIndex { $0 == "## \(name)" } ?? page.lines.endIndex
    let body = page.lines[start...].dropFirst().prefix { !$0.hasPrefix("## ") }
    return "\n" + body.joined(separator: "\n")
}

/// The settings of a unit; several lines of one key add up.
private struct Settings {
    private var all: [String: [String]] = [:]

    init(_ file: SourceText) {
        for line in file.lines where !line.hasPrefix("#") {
            guard let mark = line.firstIndex(of: "=") else { continue }
            let words = line[line.index(after: mark)...].split(separator: " ").map(String.init)
            all[String(line[..<mark]), default: []] += words
        }
        all["CapabilityBoundingSet"]?.sort()
    }

    func words(_ key: String) -> [String]? { all[key] }
}
