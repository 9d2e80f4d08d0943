import Interfaces
import Syscalls

/// GNU tar at work on a folder.
///
/// Keeps true: what tar leaves out is a failure, also where tar does not think so.
final class Archiver: Sendable {
    // LIMIT: bytes of tar's messages that are read: a line for each file of a folder that nobody may read
    // would be more than a person does.
    private static let logBytesMax: UInt64 = 65_536
    // LIMIT: lines of them that are shown.
    private static let linesMax = 15

    private let folder: String
    private let process: Descriptor
    private let log: Descriptor

    init(_ folder: String, _ files: PackFiles, into pipe: borrowing Descriptor) throws(Errno) {
        // Both sides wait less often; who may have no more has what there is.
        _ = try? Pipe.setCapacity(pipe, bytes: PackFiles.pipeBytes)
        let log = try Memfd.make(name: "tar")
        var plan = SpawnPlan(path: "/bin/tar", arguments: files.words(folder))
        plan.environment = ["PATH=/usr/bin:/bin", "LC_ALL=C"]
        plan.parentDeathSignal = .terminate
        plan.give(pipe, as: 1)
        plan.give(log, as: 2)
        let pid: Int32
        do throws(SpawnFailure) {
            pid = try Process.spawn(plan)
        } catch {
            throw error.errno
        }
        process = try Pidfd.open(pid: pid)
        self.folder = folder
        self.log = log
    }

    /// Waits for its end.
    ///
    /// - Returns: what it could not do; nil where all that was chosen is in the archive.
    func end() -> Complaint? {
        let status = try? Pidfd.wait(process)
        var bytes = [UInt8](repeating: 0, count: Int(Self.logBytesMax))
        let count = (try? File.read(log, into: &bytes, at: 0)) ?? 0
        let lines = String(decoding: bytes[..<count], as: UTF8.self)
            .split(whereSeparator: \.isNewline).map(String.init)
        // "tar: ./run/x.sock: socket ignored", with which it ends well.
        for line in lines where line.hasPrefix("tar: ") && line.hasSuffix(" ignored") {
            let end = line.lastIndex(of: ":") ?? line.endIndex
            let path = line[..<end].dropFirst(line.hasPrefix("tar: ./") ? 7 : 5)
            return Complaint(.invalid(.specialFile, subject: String(path)))
        }
        // Who reads has closed its end: it has what it wanted, or says itself what is wrong.
        var isCut = false
        if case .signaled(.pipe, _) = status { isCut = true }
        guard status == .exited(0) || isCut else {
            return Complaint(
                "tar could not read all of \(folder) (\(status?.words ?? "lost")).",
                hint: "What is said above has to be mended first.",
                lines: Array(lines.suffix(Self.linesMax)), code: .invalidInput)
        }
        for line in lines { Printer.note(line) }
        return nil
    }
}
