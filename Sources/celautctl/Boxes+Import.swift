import ArgumentParser
import Channel
import Interfaces
import SwiftProtobuf
import Syscalls

/// Taking in what another node exported, as a command.
extension Boxes {
    /// `celautctl boxes import`: a box that somebody exported.
    struct Import: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes in a box that was exported, here or elsewhere.",
            discussion: """
                The id is computed over what arrives; with --expect the box is taken only when it has that \
                id. Names that come with a package are not taken: give one with --tag.

                Examples:
                  celautctl boxes import redis.celaut.bee --tag redis
                  celautctl boxes export web --codec proto3 | celautctl boxes import - --runtime OTHER
                """)

        @Argument(help: "The file; - is standard input.")
        var file = "-"
        @Option(help: ArgumentHelp("The id it must have: 64 digits.", valueName: "id"))
        var expect: String?
        @Option(name: .shortAndLong, help: "A tag to list the box under.")
        var tag = ""
        @Option(help: "The codec: proto3, json, json+zip or bee (default: what it looks like).")
        var codec: CodecName?
        @OptionGroup var options: NodeOptions

        func run() {
            let format = options.format
            Session.run(options) { session, _ async throws(Complaint) in
                var request = ImportPackageRequest()
                request.codec = codec?.codec ?? .unspecified
                request.tag = tag
                if let expect { request.expectedIDBytes = try Boxes.id(expect) }
                var progress = ProgressLine()
                defer { progress.clear() }
                let report = try await session.importPackage(request, try source()) {
                    progress.show(
                        $0.phase == .writing
                            ? "writing the root image" : "reading: \(Words.bytes($0.bytes))")
                }
                progress.clear()
                switch format {
                case .json: Printer.json(report)
                case .table:
                    for line in Printer.aligned(report.rows) { Printer.line(line) }
                    if report.alreadyPresent { Printer.note("The node had this box already.") }
                }
                return .success
            }
        }

        private func source() throws(Complaint) -> Parcel {
            do throws(Errno) {
                guard file != "-" else {
                    guard let input = Terminal.duplicate(.input) else { throw Errno.noEntry }
                    return Parcel(input)
                }
                return Parcel(try File.open(file))
            } catch {
                throw Complaint("\(file) cannot be read: \(error).", code: .notFound)
            }
        }
    }

    /// An id from its digits.
    static func id(_ text: String) throws(Complaint) -> [UInt8] {
        let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count == 64, text.utf8.count == 64 else {
            throw Complaint(
                "\"\(text)\" is not an id.", hint: "An id has 64 hexadecimal digits.", code: .usage)
        }
        return stride(from: 0, to: 64, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }
}
