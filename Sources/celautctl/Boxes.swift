import ArgumentParser
import Channel
import Interfaces
import SwiftProtobuf

/// `celautctl boxes`: what the node holds, and letting go of it.
struct Boxes: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists, inspects, exchanges, compares and removes boxes.",
        discussion: "Example:\n  celautctl boxes list",
        subcommands: [
            List.self, Inspect.self, Remove.self, Verify.self, Export.self, Import.self, Send.self,
            Receive.self, Diff.self, CodecList.self,
        ])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the boxes of the node.",
            discussion: "Example:\n  celautctl boxes list --format json")

        @OptionGroup var options: NodeOptions

        func run() {
            let format = options.format
            Session.run(options) { session, _ async throws(Complaint) in
                let boxes = try await session.collected { () async throws(Fault) in
                    try await session.boxBuilder.listBoxes(ListBoxesRequest())
                }.map(BoxReport.init)
                switch format {
                case .json: Printer.json(boxes)
                case .table: Printer.table(BoxReport.headings, boxes.map(\.row))
                }
                return .success
            }
        }
    }

    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows one box.", discussion: "Example:\n  celautctl boxes inspect redis")

        @Argument(help: "The box: its id, a prefix of 8 digits or more, or a tag.")
        var box: String
        @OptionGroup var options: NodeOptions

        private struct Report: Encodable {
            let box: BoxReport
            let holders: [String]
            /// Where opinions on it stand: claims, to be checked there.
            let reputationProofs: [ContractReport]
        }

        func run() {
            let format = options.format
            let request = InspectBoxRequest.with { $0.box = box }
            Session.run(options) { session, _ async throws(Complaint) in
                let (reply, _) = try await session.asked { () async throws(Fault) in
                    try await session.boxBuilder.inspectBox(request)
                }
                let report = Report(
                    box: BoxReport(reply.summary), holders: reply.holders,
                    reputationProofs: reply.reputationProofs.compactMap {
                        ContractReport(Array($0))
                    })
                switch format {
                case .json: Printer.json(report)
                case .table:
                    let holders =
                        report.holders.isEmpty ? "-" : report.holders.joined(separator: ", ")
                    let proofs = report.reputationProofs.map { ["reputation", $0.text] }
                    let rows = report.box.rows + [["held by", holders]] + proofs
                    for line in Printer.aligned(rows) { Printer.line(line) }
                }
                return .success
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Removes a box, and what no other box needs.",
            discussion: "Example:\n  celautctl boxes remove redis")

        @Argument(help: "The box: its id, a prefix of 8 digits or more, or a tag.")
        var box: String
        @OptionGroup var options: NodeOptions

        private struct Report: Encodable {
            let id: String
            let freedBytes: UInt64
        }

        func run() {
            let format = options.format
            let request = RemoveBoxRequest.with { $0.box = box }
            Session.run(options) { session, _ async throws(Complaint) in
                let reply = try await session.asked { () async throws(Fault) in
                    try await session.boxBuilder.removeBox(request)
                }
                let report = Report(
                    id: Words.hex(reply.serviceIDBytes), freedBytes: reply.freedBytes)
                switch format {
                case .json: Printer.json(report)
                case .table:
                    Printer.line(
                        "Removed \(report.id.prefix(16)); freed \(Words.bytes(report.freedBytes)).")
                }
                return .success
            }
        }
    }
}
