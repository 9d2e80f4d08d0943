import ArgumentParser
import Interfaces
import Syscalls

/// Taking a box that another node sends, as a command.
extension Boxes {
    /// `celautctl boxes receive`: the other end of `boxes send`.
    struct Receive: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes the boxes that \"boxes send\" sends, by way of the standard streams.",
            discussion: """
                What the node has already is not sent. The id is computed over the whole; with --expect \
                a box is taken only when it has that id; --tag names one box, and only one is taken then. \
                Standard output belongs to the exchange: what was received is told on standard error.

                Examples:
                  celautctl boxes send redis --over "ssh HOST celautctl boxes receive --tag redis"
                  socat TCP-LISTEN:4040 EXEC:"celautctl boxes receive --tag redis"
                """)

        @Option(help: ArgumentHelp("The id it must have: 64 digits.", valueName: "id"))
        var expect: String?
        @Option(name: .shortAndLong, help: "A tag to list the box under; then one is taken.")
        var tag = ""
        @OptionGroup var options: NodeOptions

        func run() {
            let format = options.format
            Session.run(options) { session, _ async throws(Complaint) in
                let expected = try expect.map(Boxes.id)
                var reports: [BoxReport] = []
                let received = await Send.outcome { () async throws(Complaint) in
                    try await BoxReceiving(session: session, stream: .standard())
                        .receive(expecting: expected, tag: tag) { report in
                            reports.append(report)
                            if format == .table { Self.tell(report) }
                        }
                }
                if format == .json, let first = reports.first {
                    if reports.count == 1 {
                        Printer.json(first, to: .error)
                    } else {
                        Printer.json(reports, to: .error)
                    }
                }
                try received.get()
                return .success
            }
        }

        private static func tell(_ report: BoxReport) {
            for line in Printer.aligned(report.rows) { Printer.note(line) }
            if report.alreadyPresent { Printer.note("The node had this box already.") }
        }
    }
}
