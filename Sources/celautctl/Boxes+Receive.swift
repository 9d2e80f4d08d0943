import ArgumentParser
import Interfaces
import Syscalls

/// Taking a box that another node sends, as a command.
extension Boxes {
    /// `celautctl boxes receive`: the other end of `boxes send`.
    struct Receive: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes the box that \"boxes send\" sends, by way of the standard streams.",
            discussion: """
                What the node has already is not sent. The id is computed over the whole; with --expect \
                the box is taken only when it has that id. Standard output belongs to the exchange: what \
                was received is told on standard error.

                Examples:
                  celautctl boxes send redis --over "ssh HOST celautctl boxes receive --tag redis"
                  socat TCP-LISTEN:4040 EXEC:"celautctl boxes receive --tag redis"
                """)

        @Option(help: ArgumentHelp("The id it must have: 64 digits.", valueName: "id"))
        var expect: String?
        @Option(name: .shortAndLong, help: "A tag to list the box under.")
        var tag = ""
        @OptionGroup var options: NodeOptions

        func run() {
            let format = options.format
            Session.run(options) { session, _ async throws(Complaint) in
                let expected = try expect.map(Boxes.id)
                let report = try await BoxReceiving(session: session, stream: .standard())
                    .receive(expecting: expected, tag: tag)
                switch format {
                case .json: Printer.json(report, to: .error)
                case .table:
                    for line in Printer.aligned(report.rows) { Printer.note(line) }
                    if report.alreadyPresent { Printer.note("The node had this box already.") }
                }
                return .success
            }
        }
    }
}
