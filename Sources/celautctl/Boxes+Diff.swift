import ArgumentParser
import Channel
import Interfaces
import SwiftProtobuf

/// What differs between two boxes, as a command.
extension Boxes {
    /// `celautctl boxes diff`: in what two boxes differ.
    struct Diff: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows in which files and fields two boxes differ.",
            discussion: """
                One line for each difference: - only the first has it, + only the second, ~ both have it and \
                something of it differs (kind, mode, owner, time, size, digest, link, xattr). Fields of the \
                specification come after the files.

                The exit code is 0 where they are the same box, and 1 where they differ.

                Example:
                  celautctl boxes diff web 5f3c9a10
                """)

        @Argument(help: "A box: its id, a prefix of 8 digits or more, or a tag.")
        var left: String
        @Argument(help: "Another.")
        var right: String
        @OptionGroup var options: NodeOptions

        struct Report: Encodable {
            let kind: String
            let what: String
            let path: String
            let attribute: String
            let left: String
            let right: String

            init(_ difference: BoxDifference) {
                switch difference.kind {
                case .added: kind = "added"
                case .removed: kind = "removed"
                default: kind = "changed"
                }
                what = difference.isField ? "field" : "entry"
                path = difference.path
                attribute = difference.attribute
                left = difference.left
                right = difference.right
            }

            var row: [String] {
                let sign = kind == "added" ? "+" : kind == "removed" ? "-" : "~"
                let values: String
                switch kind {
                case "added": values = right
                case "removed": values = left
                default: values = "\(left) -> \(right)"
                }
                return ["\(sign) \(path)", attribute.isEmpty ? "-" : attribute, values]
            }
        }

        func run() {
            let format = options.format
            var request = CompareBoxesRequest()
            request.left = left
            request.right = right
            let asked = request
            Session.run(options) { session, _ async throws(Complaint) in
                let differences = try await session.collected { () async throws(Fault) in
                    try await session.boxBuilder.compareBoxes(asked)
                }.map(Report.init)
                switch format {
                case .json: Printer.json(differences)
                case .table:
                    for line in Printer.aligned(differences.map(\.row)) { Printer.line(line) }
                }
                return differences.isEmpty
                    ? .success : Session.ExitStatus(code: ExitCode.failure.rawValue)
            }
        }
    }
}
