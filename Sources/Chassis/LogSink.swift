// Where a daemon's log lines go: to the journal with their fields when our standard error is
// connected to it (JOURNAL_STREAM, systemd.exec(5)), otherwise to standard error, one line each, as
// key=value text.

import CSystemd
package import Logging
import Synchronization
import Syscalls

package final class LogSink: Sendable {
    private struct State {
        var level: Logger.Level
        var guardian = RepeatGuard()
        var lastError: LastError?
    }

    /// The last line of level error or critical.
    package struct LastError: Equatable, Sendable {
        package var text: String
        package var realtimeMs: UInt64

        package init(text: String, realtimeMs: UInt64) {
            self.text = text
            self.realtimeMs = realtimeMs
        }
    }

    private let state: Mutex<State>
    private let program: String
    private let usesJournal: Bool

    package init(program: String, level: Logger.Level) {
        self.program = program
        self.state = Mutex(State(level: level))
        self.usesJournal = Self.isJournal(Process.environment("JOURNAL_STREAM"))
    }

    package var level: Logger.Level {
        get { state.withLock { $0.level } }
        set { state.withLock { $0.level = newValue } }
    }

    package var lastError: LastError? { state.withLock { $0.lastError } }

    package func logger() -> Logger {
        Logger(label: program) { _ in DaemonLogHandler(sink: self) }
    }

    func write(_ line: LogLine) {
        let now = Clock.monotonicNanoseconds()
        let admitted = state.withLock { state -> Int? in
            if line.level >= .error {
                state.lastError = LastError(
                    text: line.sentence, realtimeMs: Clock.realtimeNanoseconds() / 1_000_000)
            }
            guard line.level >= state.level else { return nil }
            return state.guardian.admit(file: line.file, line: line.line, now: now)
        }
        guard let suppressed = admitted else { return }
        var line = line
        if suppressed > 0 { line.fields.append((name: "suppressed", value: String(suppressed))) }
        if usesJournal {
            writeJournal(line)
        } else {
            let time = Clock.realtimeNanoseconds()
            Terminal.write(line.text(program: program, realtimeNanoseconds: time), to: .error)
        }
    }

    private func writeJournal(_ line: LogLine) {
        let entries = line.journalEntries(program: program).map { Array($0.utf8) }
        let flat = entries.flatMap { $0 }
        // SAFETY: each vector points into `flat`, which lives for the call; the journal copies.
        unsafe flat.withUnsafeBytes { bytes in
            var vectors = unsafe [iovec]()
            var offset = 0
            for entry in entries {
                let part = unsafe UnsafeRawBufferPointer(
                    rebasing: bytes[offset..<(offset + entry.count)])
                unsafe vectors.append(
                    iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: part.baseAddress),
                        iov_len: entry.count))
                offset += entry.count
            }
            _ = unsafe sd_journal_sendv(vectors, Int32(vectors.count))
        }
    }

    /// Whether our standard error is the stream that the variable names ("device:inode").
    private static func isJournal(_ variable: String?) -> Bool {
        guard let variable, let error = Terminal.duplicate(.error),
            let status = try? File.status(error)
        else { return false }
        // As stat(2) puts a device in one number.
        let (major, minor) = (UInt64(status.device.major), UInt64(status.device.minor))
        let device = minor & 0xFF | major << 8 | (minor & ~0xFF) << 12
        return variable == "\(device):\(status.inode)"
    }
}

/// One line of a log, before it is written anywhere.
package struct LogLine: Sendable {
    package var level: Logger.Level
    package var message: String
    package var fields: [(name: String, value: String)]
    package var file: String
    package var line: UInt

    package init(
        level: Logger.Level, message: String, fields: [(name: String, value: String)],
        file: String, line: UInt
    ) {
        self.level = level
        self.message = message
        self.fields = fields
        self.file = file
        self.line = line
    }

    // LIMIT: 4 KiB of one value in a log; a peer's words are often in there.
    static let valueBytesMax = 4_096

    /// Fields that are never written, whatever is put in them by mistake.
    package static func isSecret(_ name: String) -> Bool {
        let name = name.lowercased()
        return ["token", "secret", "password", "passphrase"].contains { name.contains($0) }
    }

    /// `2026-01-31T10:00:00.123Z notice box-builder: message key=value`
    package func text(program: String, realtimeNanoseconds: UInt64) -> String {
        let time = Self.timestamp(realtimeNanoseconds)
        return "\(time) \(level.rawValue) \(program): \(sentence)\n"
    }

    /// `message key=value`
    package var sentence: String {
        var text = Self.oneLine(message)
        for field in fields { text += " \(field.name)=\(Self.quoted(field.value))" }
        return text
    }

    /// The fields of the journal (systemd.journal-fields(7)); ours begin with CELAUT_.
    package func journalEntries(program: String) -> [String] {
        var entries = [
            "MESSAGE=\(Self.cut(sentence))", "PRIORITY=\(priority)",
            "SYSLOG_IDENTIFIER=celaut-\(program)", "CODE_FILE=\(file)", "CODE_LINE=\(line)",
        ]
        for field in fields {
            let name = field.name.uppercased().map { character in
                character.isASCII && (character.isLetter || character.isNumber) ? character : "_"
            }
            entries.append("CELAUT_\(String(name))=\(Self.cut(field.value))")
        }
        return entries
    }

    private var priority: Int {
        switch level {
        case .critical: 2
        case .error: 3
        case .warning: 4
        case .notice: 5
        case .info: 6
        case .debug, .trace: 7
        }
    }

    private static func cut(_ value: String) -> String {
        value.utf8.count <= valueBytesMax
            ? value : String(decoding: value.utf8.prefix(valueBytesMax), as: UTF8.self) + "…"
    }

    /// Without control characters: a value must not be able to look like another line.
    private static func oneLine(_ value: String) -> String {
        var text = ""
        for scalar in cut(value).unicodeScalars {
            if scalar.value < 0x20 || scalar.value == 0x7F {
                text += "\\x" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    private static func quoted(_ value: String) -> String {
        let line = oneLine(value)
        guard line.isEmpty || line.contains(where: { $0 == " " || $0 == "\"" || $0 == "=" }) else {
            return line
        }
        return "\"" + line.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    /// RFC 3339 in UTC with milliseconds (civil-from-days, Hinnant 2013).
    private static func timestamp(_ nanoseconds: UInt64) -> String {
        let seconds = nanoseconds / 1_000_000_000
        let shifted = Int(seconds / 86_400) + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthIndex + 2) / 5 + 1
        let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let second = Int(seconds % 86_400)
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let millisecond = Int(nanoseconds / 1_000_000 % 1_000)
        let fraction = String(String(1_000 + millisecond).dropFirst())
        return "\(year)-\(two(month))-\(two(day))T\(two(second / 3_600)):"
            + "\(two(second / 60 % 60)):\(two(second % 60)).\(fraction)Z"
    }
}

/// swift-log's end of a sink.
struct DaemonLogHandler: LogHandler {
    let sink: LogSink
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    private var ownLevel: Logger.Level?

    init(sink: LogSink) {
        self.sink = sink
    }

    var logLevel: Logger.Level {
        get { ownLevel ?? sink.level }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let given = event.metadata { all.merge(given) { $1 } }
        if let error = event.error { all["error"] = "\(error)" }
        sink.write(
            LogLine(
                level: event.level, message: event.message.description,
                fields: all.sorted { $0.key < $1.key }.map {
                    ($0.key, LogLine.isSecret($0.key) ? "(hidden)" : $0.value.description)
                },
                file: event.file, line: event.line))
    }
}
