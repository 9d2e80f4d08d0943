import Syscalls

/// Other programs that a pack has work done by: tar, apt, buildah.
///
/// Keeps true: they speak one language whatever the user's, run without questions, end with this
/// command, and what they said is told where they fail.
struct PackTool {
    let scratch: PackScratch
    let progress: PackProgress

    // LIMIT: bytes of a program's answer that is read: the records of 10,000 packages.
    private static let outputBytesMax = 32 << 20
    // LIMIT: lines of a program's last words that are shown.
    private static let linesMax = 15
    // LIMIT: bytes of an answer's end that are looked at for its last line: a terminal's line.
    private static let lastBytes = 512
    // LIMIT: how often a program that runs is told of, in milliseconds.
    private static let patience: Int32 = 200

    /// What of the user's environment they see.
    private static let inherited = [
        "HOME", "USER", "TMPDIR", "XDG_RUNTIME_DIR", "APT_CONFIG", "http_proxy", "https_proxy",
        "ftp_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
        "SSL_CERT_FILE", "SSL_CERT_DIR",
    ]

    static var environment: [String] {
        ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"]
            + inherited.compactMap { name in
                Process.environment(name).map { "\(name)=\($0)" }
            }
    }

    /// Where a program is; nil where it is not installed.
    static func find(_ name: String) -> String? {
        ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"].map { "\($0)/\(name)" }
            .first(where: File.isExecutable)
    }

    /// - Parameter package: the Debian package that has it.
    static func need(
        _ name: String, package: String, for what: String
    ) throws(Complaint) -> String {
        if let path = find(name) { return path }
        throw Complaint(
            "\(what) needs \(name), which is not installed.",
            hint: "Install it: apt-get install \(package)", code: .unavailable)
    }

    /// Runs a program to its end.
    ///
    /// - Parameters:
    ///   - doing: what it does, for people: "resolving packages".
    ///   - hint: what to do where it fails.
    /// - Returns: what it wrote to its standard output.
    @discardableResult
    func run(
        _ words: [String], doing: String, directory: String? = nil, extra: [String] = [],
        hint: String = "", input: borrowing Descriptor? = nil
    ) throws(Complaint) -> [UInt8] {
        let pid: Int32
        let output = try fresh("output")
        let log = try fresh("log")
        var plan = SpawnPlan(path: words[0], arguments: words)
        plan.environment = Self.environment + extra
        plan.directory = directory
        plan.parentDeathSignal = .terminate
        plan.umask = 0o022
        plan.give(output, as: 1)
        plan.give(log, as: 2)
        switch input {
        case .none: break
        case .some(let input): plan.give(input, as: 0)
        }
        do throws(SpawnFailure) {
            pid = try Process.spawn(plan)
        } catch {
            throw Complaint("\(words[0]) cannot be started: \(error).", code: .software)
        }
        let status: ExitStatus
        let bytes: [UInt8]
        do throws(Errno) {
            status = try wait(pid, doing)
            bytes = try File.readAll("\(scratch.path)/output", limit: Self.outputBytesMax)
        } catch {
            throw Complaint("\(words[0]) cannot be read: \(error).", code: .software)
        }
        guard status == .exited(0) else { throw failure(words, doing, status, bytes, hint) }
        return bytes
    }

    /// Whether the last program said something of it beside its answer.
    func said(_ words: String) -> Bool { log.contains(words) }

    /// The last lines that the last program said beside its answer.
    var complaints: [String] {
        log.split(whereSeparator: \.isNewline).suffix(Self.linesMax).map(String.init)
    }

    private var log: String {
        let said = (try? File.readAll("\(scratch.path)/log", limit: Self.outputBytesMax)) ?? []
        return String(decoding: said, as: UTF8.self)
    }

    private func fresh(_ name: String) throws(Complaint) -> Descriptor {
        do throws(Errno) {
            return try File.open("\(scratch.path)/\(name)", .readWrite, [.create, .truncate])
        } catch {
            throw Complaint("\(scratch.path) cannot be written: \(error).", code: .cannotMake)
        }
    }

    private func wait(_ pid: Int32, _ doing: String) throws(Errno) -> ExitStatus {
        let pidfd = try Pidfd.open(pid: pid)
        let start = Clock.monotonicNanoseconds()
        while try !File.waitReadable(pidfd, milliseconds: Self.patience) {
            let seconds = (Clock.monotonicNanoseconds() - start) / 1_000_000_000
            let words = lastWords()
            progress.show("\(doing): \(seconds) s" + (words.isEmpty ? "" : ": \(words)"))
        }
        return try Pidfd.wait(pidfd)
    }

    /// The line that the program wrote last: "STEP 2/3: RUN …", "Get:3 …".
    private func lastWords() -> String {
        var bytes = [UInt8](repeating: 0, count: Self.lastBytes)
        guard let output = try? File.open("\(scratch.path)/output"),
            let size = try? File.status(output).sizeBytes,
            let count = try? File.read(
                output, into: &bytes, at: size - min(size, UInt64(bytes.count)))
        else { return "" }
        return PackProgress.lastLine(of: bytes[..<count])
    }

    private func failure(
        _ words: [String], _ doing: String, _ status: ExitStatus, _ output: [UInt8],
        _ hint: String
    ) -> Complaint {
        let said = (try? File.readAll("\(scratch.path)/log", limit: Self.outputBytesMax)) ?? []
        let lines = String(decoding: output + said, as: UTF8.self)
            .split(whereSeparator: \.isNewline).map(String.init)
        let name = words[0].split(separator: "/").last ?? ""
        return Complaint(
            "\(doing) failed: \(name) \(status.words).", hint: hint,
            lines: Array(lines.suffix(Self.linesMax)), code: .invalidInput)
    }
}

/// The progress of a command of many steps.
package final class PackProgress {
    private var line = ProgressLine()

    /// The last line of what is written so far that says something, as a terminal may show it.
    package static func lastLine(of bytes: some Sequence<UInt8>) -> String {
        // Programs also end with a return what they mean to write over.
        let lines = String(decoding: Array(bytes), as: UTF8.self).split {
            $0.isNewline || $0 == "\r"
        }
        let line = lines.last { line in line.contains { !$0.isWhitespace } } ?? ""
        return Words.printable(String(line))
    }

    func show(_ text: String) { line.show(text) }
    func clear() { line.clear() }

    /// A line that stays.
    func note(_ text: String) {
        line.clear()
        Printer.note(text)
    }
}
