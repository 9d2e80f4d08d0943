import Syscalls

/// Other programs of the system, run to their end.
enum Command {
    private static let environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"]
    // LIMIT: 1 MiB of what a program says.
    private static let outputBytesMax = 1 << 20

    /// Runs one on our own terminal.
    ///
    /// - Returns: its exit code, 128 + the signal for one that was killed; nil where it could not be
    ///   started.
    static func run(_ words: [String]) -> Int32? {
        var plan = SpawnPlan(path: words[0], arguments: words)
        plan.environment = environment + terminal
        for stream in Int32(0)...2 { plan.give(standardStream: stream, as: stream) }
        guard let pid = try? Process.spawn(plan) else { return nil }
        return code(pid)
    }

    /// Runs one and keeps what it says, on both streams.
    static func output(_ words: [String]) -> (code: Int32, text: String)? {
        guard let pipe = try? Pipe() else { return nil }
        var plan = SpawnPlan(path: words[0], arguments: words)
        plan.environment = environment
        plan.give(pipe.writing, as: 1)
        plan.give(pipe.writing, as: 2)
        guard let pid = try? Process.spawn(plan) else { return nil }
        let bytes = try? File.readAll(pipe.keepReading(), limit: outputBytesMax)
        guard let code = code(pid) else { return nil }
        return (code, String(decoding: bytes ?? [], as: UTF8.self))
    }

    /// What a pager and colours need to know.
    private static var terminal: [String] {
        ["TERM", "PAGER", "LESS"].compactMap { name in
            Process.environment(name).map { "\(name)=\($0)" }
        }
    }

    private static func code(_ pid: Int32) -> Int32? {
        switch try? Process.wait(pid: pid) {
        case .exited(let code)?: code
        case .signaled(let signal, _)?: 128 + signal.number
        case nil: nil
        }
    }
}
