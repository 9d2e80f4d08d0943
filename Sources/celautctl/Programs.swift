import Syscalls

/// Where the daemons' programs are taken from.
///
/// Keeps true: every daemon's user can read them. Where the build stands in a folder that is not
/// open to others (a home directory), they are copied, with the libraries that are not the
/// system's, to a folder of the node's state.
package enum Programs {
    private static let programs = NodeLayout.daemons + ["sandbox-launcher"]

    /// The folder to start the daemons from.
    static func folder(built: String, state: String) throws(Complaint) -> String {
        for daemon in programs where !File.isExecutable("\(built)/\(daemon)") {
            throw Complaint(
                "The program \(daemon) is not in \(built).",
                hint: "Build it, or name its directory with --daemons.", code: .notFound)
        }
        let libraries = programs.flatMap { Self.libraries("\(built)/\($0)") }
        let needed = Set(libraries.filter { !$0.hasPrefix("/lib") && !$0.hasPrefix("/usr/lib") })
        if (needed + ["\(built)/x"]).allSatisfy(isOpenToAll) { return built }
        let copies = "\(state)/programs"
        do throws(Errno) {
            try File.makeDirectories(copies, mode: 0o755)
            for path in programs.map({ "\(built)/\($0)" }) + needed.sorted() {
                try copy(path, to: "\(copies)/\(name(path))")
            }
        } catch {
            throw Complaint(
                "The programs in \(built) cannot be copied to \(copies): \(error).",
                hint: "Build in a folder that other users can read.", code: .cannotMake)
        }
        Keeper.say("other users cannot read \(built); the programs run from \(copies)")
        return copies
    }

    /// Whether every folder on the way to a path can be passed by anybody.
    package static func isOpenToAll(_ path: String) -> Bool {
        var folder = path[...]
        while let slash = folder.lastIndex(of: "/"), slash > folder.startIndex {
            folder = folder[..<slash]
            guard let status = try? File.status(String(folder)), status.permissions & 0o001 != 0
            else { return false }
        }
        return true
    }

    private static func copy(_ path: String, to target: String) throws(Errno) {
        let source = try File.open(path)
        let size = try File.status(source).sizeBytes
        // Beside it and renamed: a program that runs cannot be written over.
        let fresh = try File.open(
            target + ".new", .writeOnly, [.create, .truncate], mode: 0o755)
        _ = try File.copy(from: source, to: fresh, bytes: size)
        try File.setMode(fresh, 0o755)
        try File.rename(target + ".new", to: target)
    }

    private static func name(_ path: String) -> Substring {
        path.lastIndex(of: "/").map { path[path.index(after: $0)...] } ?? path[...]
    }

    /// The libraries a program loads, by path, as the system's loader says; none where it says
    /// nothing.
    private static func libraries(_ program: String) -> [String] {
        guard let text = try? output(["/usr/bin/ldd", program]) else { return [] }
        return text.split(separator: "\n").compactMap { line in
            guard let arrow = line.firstRange(of: "=> /") else { return nil }
            let path = line[line.index(before: arrow.upperBound)...]
            return path.firstIndex(of: " ").map { String(path[..<$0]) } ?? String(path)
        }
    }

    // LIMIT: 1 MiB of what ldd says; a program that loads more than 10,000 libraries is none.
    private static let outputBytesMax = 1 << 20

    private static func output(_ words: [String]) throws -> String {
        let pipe = try Pipe()
        var plan = SpawnPlan(path: words[0], arguments: words)
        plan.environment = ["PATH=/usr/bin:/bin", "LC_ALL=C"]
        plan.give(pipe.writing, as: 1)
        let pid = try Process.spawn(plan)
        let bytes = try File.readAll(pipe.keepReading(), limit: outputBytesMax)
        _ = try Process.wait(pid: pid)
        return String(decoding: bytes, as: UTF8.self)
    }
}
