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
        // A reader that went away (`| head`) ends the command quietly, as it does for others.
        if !Terminal.write(bytes, to: stream) { Process.exit(0, now: true) }
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
    static func table(_ headings: [String], _ rows: [[String]]) {
        for row in aligned([headings] + rows) { line(row) }
    }

    package static func aligned(_ given: [[String]]) -> [String] {
        // A line's end in a cell would look like a row.
        let rows = given.map { $0.map { Words.printable($0) } }
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        return rows.map { row in
            row.enumerated().map { column, cell in
                column == row.count - 1
                    ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
            }.joined(separator: "  ")
        }
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
