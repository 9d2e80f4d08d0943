// How a daemon's processes followed each other, in `<state>/<daemon>/life`: how many there were since
// the machine was booted, and whether the one before ended as asked. One line of a fixed width:
//
//   <boot id> <starts, 10 digits> <running|stopped>
//
// It is for people (`celautctl status`), so it is written without waiting for the disk, and what
// cannot be read counts as a first start.

import Syscalls

package struct LifeRecord: Equatable, Sendable {
    /// The kernel's, new with every boot.
    package var bootID: String
    /// Since that boot, the current one included.
    package var starts: UInt32
    /// Set by an end that was asked for.
    package var hasStopped = false

    /// - Parameter previous: the record that the process before left; nil for none.
    package init(after previous: LifeRecord?, bootID: String) {
        self.bootID = bootID
        starts = previous.map { $0.bootID == bootID ? $0.starts &+ 1 : 1 } ?? 1
    }

    package init?(line: String) {
        let words = line.split(whereSeparator: \.isWhitespace)
        guard words.count == 3, let starts = UInt32(words[1]) else { return nil }
        bootID = String(words[0])
        self.starts = starts
        hasStopped = words[2] == "stopped"
    }

    package var line: String {
        let digits = String(starts)
        let padding = String(repeating: "0", count: max(0, 10 - digits.count))
        return "\(bootID) \(padding)\(digits) \(hasStopped ? "stopped" : "running")\n"
    }

    /// What to say of the process before; empty where it ended as asked, or there was none.
    package static func complaint(about previous: LifeRecord?, bootID: String) -> String {
        guard let previous, !previous.hasStopped else { return "" }
        return previous.bootID == bootID
            ? "the process before ended without being asked to"
            : "the machine went down while it ran"
    }
}

/// The record of this process in its state directory.
package final class Life: Sendable {
    // LIMIT: the file is one line of about 60 bytes; anything longer is not ours.
    private static let bytesMax = 256

    package let record: LifeRecord
    /// Of the process before.
    package let complaint: String
    /// When that was seen, in milliseconds since 1970; 0 for none.
    package let complaintMs: UInt64
    private let path: String

    package init(in directory: StateDirectory) {
        path = "\(directory.path)/life"
        // Where the service manager hides the kernel's, its own word for it is there.
        let bootID =
            Process.environment("CELAUT_BOOT_ID").flatMap { Self.isWord($0) ? $0 : nil }
            ?? Self.firstLine("/proc/sys/kernel/random/boot_id") ?? "unknown"
        let previous = Self.firstLine(path).flatMap { LifeRecord(line: $0) }
        record = LifeRecord(after: previous, bootID: bootID)
        complaint = LifeRecord.complaint(about: previous, bootID: bootID)
        complaintMs = complaint.isEmpty ? 0 : Clock.realtimeNanoseconds() / 1_000_000
        write(record)
    }

    /// This process ends as asked.
    package func stopped() {
        var last = record
        last.hasStopped = true
        write(last)
    }

    private func write(_ record: LifeRecord) {
        // A disk that is full, or failing, is told by what needs it.
        guard let file = try? File.open(path, .writeOnly, [.create, .noFollow]) else { return }
        try? File.writeAll(file, [UInt8](record.line.utf8))
    }

    /// What fits into the record's line as one of its words.
    private static func isWord(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 64 && text.allSatisfy { $0.isHexDigit || $0 == "-" }
    }

    private static func firstLine(_ path: String) -> String? {
        guard let bytes = try? File.readAll(path, limit: bytesMax) else { return nil }
        return String(decoding: bytes.prefix { $0 != 10 }, as: UTF8.self)
    }
}
