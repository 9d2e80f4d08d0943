import Syscalls

/// A folder for what a pack makes on the way, removed at its end.
///
/// Keeps true: what a pack that was killed has left goes with the next pack of the same user.
final class PackScratch {
    let path: String
    private static let prefix = "celaut-pack."

    init() throws(Complaint) {
        let base = Process.environment("TMPDIR") ?? "/var/tmp"
        Self.sweep(base)
        path = "\(base)/\(Self.prefix)\(Process.pid).\(Words.hex(Random.bytes(4)))"
        do throws(Errno) {
            try File.makeDirectory(path, mode: 0o700)
        } catch {
            throw Complaint(
                "\(path) cannot be made: \(error).",
                hint: "Name a folder with room in TMPDIR.", code: .cannotMake)
        }
    }

    deinit {
        Self.remove(path)
    }

    /// A folder in it, made.
    func folder(_ name: String) throws(Complaint) -> String {
        let folder = "\(path)/\(name)"
        do throws(Errno) {
            try File.makeDirectories(folder, mode: 0o755)
            try File.setMode(folder, 0o755)
        } catch {
            throw Complaint("\(folder) cannot be made: \(error).", code: .cannotMake)
        }
        return folder
    }

    func write(_ text: String, to name: String) throws(Complaint) {
        do throws(Errno) {
            let file = try File.open(
                "\(path)/\(name)", .writeOnly, [.create, .truncate], mode: 0o644)
            try File.writeAll(file, Array(text.utf8))
            // The umask must not be seen in a box.
            try File.setMode(file, 0o644)
        } catch {
            throw Complaint("\(path)/\(name) cannot be written: \(error).", code: .cannotMake)
        }
    }

    private static func remove(_ path: String) {
        guard let slash = path.lastIndex(of: "/"),
            let parent = try? Directory.open(String(path[..<slash]))
        else { return }
        try? Directory.removeAll(at: parent, String(path[path.index(after: slash)...]))
    }

    private static func sweep(_ base: String) {
        guard let folder = try? Directory.open(base),
            let entries = try? Directory.list(folder)
        else { return }
        for entry in entries where entry.name.hasPrefix(prefix) {
            let words = entry.name.dropFirst(prefix.count).split(separator: ".")
            guard let pid = words.first.flatMap({ Int32($0) }), pid > 0,
                !File.exists("/proc/\(pid)"),
                let status = try? File.status(at: folder, entry.name),
                status.uid == Process.effectiveUID
            else { continue }
            try? Directory.removeAll(at: folder, entry.name)
        }
    }
}
