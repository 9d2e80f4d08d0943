import FoundationEssentials
import Syscalls

/// What goes to the terminal: results to standard output, everything else to standard error.
///
/// Names and texts are often somebody else's: a box says its entrypoint, its files and its
/// architecture, a service its last lines. Nothing of them moves the cursor.
package enum Printer {
    static func line(_ text: String) {
        emit(Array((Words.printableLines(text) + "\n").utf8), to: .output)
    }

    static func note(_ text: String) {
        emit(Array((Words.printableLines(text) + "\n").utf8), to: .error)
    }

    static func emit(_ bytes: [UInt8], to stream: Terminal.Stream) {
        let failure = Terminal.write(bytes, to: stream)
        // Where nobody hears a complaint, the exit code still says how the command ended.
        guard let failure, stream == .output else { return }
        // A reader that went away (`| head`) ends the command quietly, as it does for others.
        if failure == .brokenPipe { Process.exit(0, now: true) }
        note("celautctl: The standard output cannot be written: \(failure).")
        Process.exit(ExitCode.cannotMake.rawValue, now: true)
    }

    static func complain(_ complaint: Complaint, as format: NodeOptions.Format = .table) {
        if format == .json { return json(Complaint.Report(complaint), pretty: false, to: .error) }
        note("celautctl: \(complaint.text)")
        for line in complaint.lines { note("  | \(line)") }
        if !complaint.hint.isEmpty { note(complaint.hint) }
    }

    /// One JSON document, keys sorted.
    static func json(
        _ value: some Encodable, pretty: Bool = true, to stream: Terminal.Stream = .output
    ) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
        guard let data = try? encoder.encode(value) else { return }
        emit([UInt8](data) + [10], to: stream)
    }

    /// Columns as wide as their widest cell, left-aligned, the last one unpadded.
    ///
    /// - Parameter yielding: the columns that are shortened, one after the other, where the terminal is
    ///   too narrow for all. A file or a pipe gets everything.
    static func table(_ headings: [String], _ rows: [[String]], yielding: [Int] = []) {
        let columns = yielding.isEmpty ? nil : Terminal.columns(.output)
        for row in aligned([headings] + rows, within: columns, yielding: yielding) { line(row) }
    }

    package static func aligned(
        _ given: [[String]], within columns: Int? = nil, yielding: [Int] = []
    ) -> [String] {
        // A line's end in a cell would look like a row.
        let rows = given.map { $0.map { Words.printable($0) } }
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        if let columns {
            var excess = widths.reduce(2 * (widths.count - 1), +) - columns
            for column in yielding where excess > 0 && widths[column] > shortenedMin {
                let width = max(shortenedMin, widths[column] - excess)
                excess -= widths[column] - width
                widths[column] = width
            }
        }
        return rows.map { row in
            row.enumerated().map { column, whole in
                let cell = shortened(whole, to: widths[column])
                return column == row.count - 1
                    ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
            }.joined(separator: "  ")
        }
    }

    // LIMIT: characters that are left of a cell at least: both ends of it can still be told.
    private static let shortenedMin = 15

    /// Without its middle: what differs in paths and in names of images stands at either end.
    private static func shortened(_ text: String, to count: Int) -> String {
        guard text.count > count else { return text }
        let end = (count - 1) / 2
        return text.prefix(count - 1 - end) + "…" + text.suffix(end)
    }
}

/// One line on standard error that is rewritten while long work goes on; nothing where standard
/// error is not a terminal.
struct ProgressLine {
    private let isShown = Terminal.isTerminal(.error)
    private var isOpen = false

    mutating func show(_ text: String) {
        guard isShown else { return }
        let width = max(20, (Terminal.columns(.error) ?? 80) - 1)
        _ = Terminal.write("\r\u{1B}[K\(text.prefix(width))", to: .error)
        isOpen = true
    }

    mutating func clear() {
        guard isOpen else { return }
        _ = Terminal.write("\r\u{1B}[K", to: .error)
        isOpen = false
    }
}
