import ArgumentParser
import Channel
import Interfaces
import SwiftProtobuf
import Syscalls

/// Looking through the store, as a command.
/// Looking after the store.
extension Boxes {
    /// `celautctl boxes verify`: reads again all that the node stores.
    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Reads the store again and names whatever is altered, missing or left over.",
            discussion: """
                Reads all contents, images and checkouts, or those that one box needs, and compares \
                them with what they must be. Changes nothing; the next import of a content that was \
                found altered puts it right. Ends with 0 when all is whole, with \
                \(ExitCode.damaged.rawValue) when something is not.

                Examples:
                  celautctl boxes verify
                  celautctl boxes verify redis --format json
                """)

        @Argument(
            help: "The box: its id, a prefix of 8 digits or more, or a tag. All, without one.")
        var box = ""
        @OptionGroup var options: NodeOptions

        func run() {
            let format = options.format
            let request = VerifyStoreRequest.with { $0.box = box }
            Session.run(options) { session, _ async throws(Complaint) in
                var progress = ProgressLine()
                defer { progress.clear() }
                var report = VerifyReport()
                do throws(Fault) {
                    let stream = try await session.boxBuilder.verifyStore(request)
                    while let item = try await stream.next() {
                        switch item.event {
                        case .progress(let now): progress.show(Self.words(now))
                        case .finding(let finding):
                            report.add(finding)
                            guard format == .table else { continue }
                            progress.clear()
                            for line in FindingReport(finding).lines { Printer.line(line) }
                        case .summary(let summary): report.finish(summary)
                        case nil: continue
                        }
                    }
                } catch {
                    progress.clear()
                    throw session.complaint(error)
                }
                progress.clear()
                guard report.isFinished else {
                    throw Complaint(
                        "The node ended its answer in the middle.", code: .software)
                }
                switch format {
                case .json: Printer.json(report)
                case .table: Printer.line(report.sentence)
                }
                return Session.ExitStatus(
                    code: (report.isWhole ? ExitCode.success : .damaged).rawValue)
            }
        }

        private static func words(_ progress: VerifyProgress) -> String {
            "reading: \(progress.objects) of \(progress.objectsTotal) contents, "
                + Words.bytes(progress.bytes)
        }
    }
}
