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
            if file == "-", Terminal.isTerminal(.input) {
                throw Complaint(
                    "A box does not come from a terminal.",
                    hint: "Name a file, or pass on what a program writes.", code: .usage)
            }
            let name = file == "-" ? "Standard input" : file
            let source: Descriptor
            do throws(Errno) {
                if file == "-" {
                    guard let input = Terminal.duplicate(.input) else { throw Errno.noEntry }
                    source = input
                } else {
                    source = try File.open(file)
                }
            } catch {
                throw Complaint("\(name) cannot be read: \(error).", code: .notFound)
            }
            return Parcel(try Self.checked(source, name))
        }

        /// What the node could not read is told here by its name.
        private static func checked(
            _ source: consuming Descriptor, _ name: String
        ) throws(Complaint) -> Descriptor {
            switch (try? File.status(source))?.kind {
            case .directory:
                throw Complaint(
                    "\(name) is a folder.",
                    hint: "A box is made of a folder with: celautctl pack FOLDER",
                    code: .invalidInput)
            case .characterDevice, .blockDevice:
                throw Complaint(
                    "\(name) is a device.", hint: "Name a file or a pipe.", code: .invalidInput)
            default: return source
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
