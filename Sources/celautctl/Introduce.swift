import ArgumentParser
import Channel
import Interfaces
import SwiftProtobuf

/// `celautctl introduce`: lets an instance reach another of its family.
struct Introduce: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lets an instance reach a sibling: another child of the same parent.",
        discussion: """
            The sibling then reaches the instance at an address inside its own network, until either \
            ends. Printed is where siblings reach it, all it was introduced to. Doing it again gives \
            the same address.

            Example:
              celautctl introduce worker-1 --to collector
            """)

    @Argument(help: "The instance to be reached: its name, its id, or its token.")
    var instance: String
    @Option(help: "The sibling that is to reach it: its name, its id, or its token.")
    var to: String
    @OptionGroup var options: NodeOptions

    func run() {
        let format = options.format
        let request = IntroduceServiceRequest.with {
            $0.instance = .init(instance)
            $0.to = .init(to)
        }
        Session.run(options) { session, _ async throws(Complaint) in
            let reply = try await session.asked { () async throws(Fault) in
                try await session.gateway.introduceService(request)
            }
            let report = InstanceReport(reply)
            switch format {
            case .json: Printer.json(report)
            case .table:
                let siblings = report.addresses.filter {
                    $0.inside != nil && $0.inside != report.parent
                }
                for line in Printer.aligned(siblings.map { ["slot \($0.slot)", $0.place] }) {
                    Printer.line(line)
                }
            }
            return .success
        }
    }
}
