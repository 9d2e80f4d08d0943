import ArgumentParser
import Channel
import Interfaces
import ServiceModel
import SwiftProtobuf
import Syscalls

/// `celautctl boxes`: what the node holds, and letting go of it.
struct Boxes: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists, inspects, exchanges, compares and removes boxes.",
        discussion: "Example:\n  celautctl boxes list",
        subcommands: [
            List.self, Inspect.self, Remove.self, Verify.self, Export.self, Import.self, Send.self,
            Receive.self, Diff.self, CodecList.self,
        ],
        aliases: ["box"])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the boxes of the node.",
            discussion: "Example:\n  celautctl boxes list --format json", aliases: ["ls"])

        @OptionGroup var options: NodeOptions

        func run() {
            let format = options.format
            Session.run(options) { session, _ async throws(Complaint) in
                let boxes = try await session.collected { () async throws(Fault) in
                    try await session.boxBuilder.listBoxes(ListBoxesRequest())
                }.map(BoxReport.init)
                switch format {
                case .json: Printer.json(boxes)
                case .table:
                    // The tags give way first, then the entrypoint.
                    Printer.table(BoxReport.headings, boxes.map(\.row), yielding: [1, 5])
                }
                return .success
            }
        }
    }

    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows one box: what it is known by, and its whole specification.",
            discussion: """
                A box can be named by any digest that is shown here.

                Example:
                  celautctl boxes inspect redis
                  celautctl boxes inspect --digests --format json redis
                """)

        @Argument(
            help: "The box: its id or another digest of it, a prefix of 8 digits or more, or a tag."
        )
        var box: String
        @Flag(help: "Compute the digests that are not known yet: all of the box is read.")
        var digests = false
        @OptionGroup var options: NodeOptions

        private struct Report: Encodable {
            let box: BoxReport
            /// By the name of the algorithm.
            let digests: [String: String]
            let service: SpecificationReport
            let holders: [String]
            /// Where opinions on it stand: claims, to be checked there.
            let reputationProofs: [ContractReport]
        }

        func run() {
            let format = options.format
            let request = InspectBoxRequest.with {
                $0.box = box
                $0.digests = digests
            }
            Session.run(options) { session, _ async throws(Complaint) in
                let (reply, parcel) = try await session.asked { () async throws(Fault) in
                    guard request.digests else {
                        return try await session.boxBuilder.inspectBox(request)
                    }
                    return try await session.boxBuilder.inspectBox(
                        request, deadline: Self.digestsDeadline)
                }
                let hashes = reply.hashes.compactMap { try? Hash(decoding: Array($0)) }
                let report = Report(
                    box: BoxReport(reply.summary), digests: BoxReport.digests(hashes),
                    service: try Self.specification(parcel), holders: reply.holders,
                    reputationProofs: reply.reputationProofs.compactMap {
                        ContractReport(Array($0))
                    })
                switch format {
                case .json: Printer.json(report)
                case .table:
                    let holders =
                        report.holders.isEmpty ? "-" : report.holders.joined(separator: ", ")
                    let proofs = report.reputationProofs.map { ["reputation", $0.text] }
                    let digests = report.digests.filter { $0.value != report.box.id }
                        .sorted { $0.key > $1.key }.map { [$0.key, $0.value] }
                    let rows =
                        report.box.rows + digests + report.service.rows + [["held by", holders]]
                        + proofs
                    for line in Printer.aligned(rows) { Printer.line(line) }
                }
                return .success
            }
        }

        // LIMIT: for reading all of a box: 256 GiB at the speed of the slowest digest.
        private static let digestsDeadline = Duration.seconds(3_600)

        private static func specification(
            _ parcel: Parcel
        ) throws(Complaint) -> SpecificationReport {
            let report: SpecificationReport?
            if let sealed = parcel.take(0),
                let bytes = try? File.readAll(sealed, limit: ProtoField.messageBytesMax)
            {
                report = try? SpecificationReport(bytes)
            } else {
                report = nil
            }
            guard let report else {
                throw Complaint("The node's answer has no specification.", code: .software)
            }
            return report
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Removes a box, and what no other box needs.",
            discussion: "Example:\n  celautctl boxes remove redis", aliases: ["rm"])

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
