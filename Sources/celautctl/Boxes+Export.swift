import ArgumentParser
import Channel
import Interfaces
import SwiftProtobuf
import Syscalls

/// The forms a box travels in, as they are named on the command line.
enum CodecName: String, ExpressibleByArgument, CaseIterable {
    case proto3, json
    case jsonZip = "json+zip"
    case bee

    var codec: Codec {
        switch self {
        case .proto3: .proto3
        case .json: .json
        case .jsonZip: .jsonZip
        case .bee: .bee
        }
    }
}

extension Boxes {
    /// `celautctl boxes export`: a box as a file or a stream.
    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Writes a box as a file or a stream.",
            discussion: """
                Codecs: proto3 (.celaut: the bytes the id is computed over), bee (.celaut.bee: the package \
                other Celaut nodes exchange), json and json+zip (to be read by people and tools). A file is \
                there only when it is whole.

                Examples:
                  celautctl boxes export redis --codec bee --output redis.celaut.bee
                  celautctl boxes export redis --codec proto3 | sha3sum -a 256
                """)

        @Argument(help: "The box: its id, a prefix of 8 digits or more, or a tag.")
        var box: String
        @Option(help: "The codec: proto3, json, json+zip or bee (default: proto3).")
        var codec: CodecName?
        @Option(
            help: ArgumentHelp(
                "What another node understands (boxes codecs): the codec that both do is chosen.",
                valueName: "file"))
        var codecsOf: String?
        @Option(
            name: .shortAndLong,
            help: ArgumentHelp("Where to write; - is standard output.", valueName: "file"))
        var output = "-"
        @OptionGroup var options: NodeOptions

        struct Report: Encodable {
            let id: String
            let codec: String
            let bytes: UInt64
            let blocks: UInt64
            let blocksSkipped: UInt64
            let bytesSkipped: UInt64

            init(_ summary: ExportSummary, _ codec: String) {
                id = Words.hex(summary.serviceIDBytes)
                self.codec = codec
                bytes = summary.bytes
                blocks = summary.blocks
                blocksSkipped = summary.blocksSkipped
                bytesSkipped = summary.bytesSkipped
            }
        }

        func validate() throws {
            guard codec == nil || codecsOf == nil else {
                throw ValidationError("Name the codec, or whose codecs to choose from: not both.")
            }
        }

        func run() {
            let format = options.format
            Session.run(options) { session, _ async throws(Complaint) in
                let codec = try codecsOf.map(CodecName.common(file:)) ?? codec ?? .proto3
                var target = try ExportTarget(output)
                var request = ExportBoxRequest()
                request.box = box
                request.codec = codec.codec
                var progress = ProgressLine()
                defer { progress.clear() }
                let summary: ExportSummary
                do throws(Complaint) {
                    summary = try await session.export(request, try target.parcel(known: [])) {
                        progress.show(
                            "exporting: \(Words.bytes($0.bytes)) of \(Words.bytes($0.bytesTotal))"
                        )
                    }
                } catch {
                    // A reader that had enough (`| head`) ends the command quietly.
                    guard target.isStream, error.fault?.subject == "target: EPIPE" else {
                        throw error
                    }
                    return .success
                }
                try target.publish()
                progress.clear()
                let report = Report(summary, codec.rawValue)
                switch format {
                // Where it was written may be standard output by another name.
                case .json: Printer.json(report, to: target.isNamedLater ? .output : .error)
                case .table where target.isStream: break
                case .table:
                    let text =
                        "Wrote \(report.id.prefix(16)) to \(output): \(Words.bytes(report.bytes))."
                    if target.isNamedLater { Printer.line(text) } else { Printer.note(text) }
                }
                return .success
            }
        }
    }
}

/// The file or stream an export goes to.
///
/// Keeps true: a file under the name that was asked for is whole; one that was not completed is
/// removed. A device, pipe or socket that has the name is written into and stays what it is.
struct ExportTarget: ~Copyable {
    private let path: String
    private let descriptor: Descriptor
    /// It is written under another name first.
    let isNamedLater: Bool
    private var isPublished = false

    var isStream: Bool { path == "-" }
    private var unfinished: String { "\(path).unfinished" }

    init(_ path: String) throws(Complaint) {
        if path == "-", Terminal.isTerminal(.output) {
            throw Complaint(
                "A box is not for a terminal.",
                hint: "Name a file with --output, or pass the output on to a program.", code: .usage
            )
        }
        do throws(Errno) {
            switch path == "-" ? nil : try Self.kind(path) {
            case nil where path == "-":
                guard let output = Terminal.duplicate(.output) else { throw Errno.noEntry }
                descriptor = output
                isNamedLater = false
            case .directory: throw Errno.isDirectory
            case nil, .regular:
                descriptor = try File.open(
                    "\(path).unfinished", .writeOnly, [.create, .truncate, .noFollow], mode: 0o644)
                isNamedLater = true
            default:
                descriptor = try File.open(path, .writeOnly)
                isNamedLater = false
            }
        } catch {
            throw Complaint("\(path) cannot be written: \(error).", code: .cannotMake)
        }
        self.path = path
    }

    deinit {
        if isNamedLater, !isPublished { try? File.remove("\(path).unfinished") }
    }

    /// What has the name, behind links; nil where there is nothing.
    private static func kind(_ path: String) throws(Errno) -> FileStatus.Kind? {
        do throws(Errno) {
            return try File.status(path).kind
        } catch .noEntry {
            return nil
        }
    }

    /// What goes with a request: where to write, and what the receiver has.
    func parcel(known: [UInt8]) throws(Complaint) -> Parcel {
        do throws(Errno) {
            let parcel = Parcel(try descriptor.duplicate())
            parcel.append(try Memfd.sealed(known))
            return parcel
        } catch {
            throw Complaint("\(path) cannot be handed over: \(error).", code: .software)
        }
    }

    /// It is whole: it gets its name.
    mutating func publish() throws(Complaint) {
        guard isNamedLater else { return }
        do throws(Errno) {
            try File.syncData(descriptor)
            try File.rename(unfinished, to: path)
        } catch {
            throw Complaint("\(path) cannot be written: \(error).", code: .cannotMake)
        }
        isPublished = true
    }
}

extension Session {
    /// Has a box written.
    func export(
        _ request: ExportBoxRequest, _ parcel: Parcel,
        _ progress: (ExportProgress) -> Void
    ) async throws(Complaint) -> ExportSummary {
        defer { parcel.close() }
        do throws(Fault) {
            let stream = try await boxBuilder.exportBox(request, descriptors: parcel)
            while let item = try await stream.next() {
                // The request was sent; a pipe ends only when this process has let go of it too.
                parcel.close()
                switch item.event {
                case .progress(let now): progress(now)
                case .summary(let summary): return summary
                case nil: continue
                }
            }
        } catch {
            throw complaint(error)
        }
        throw Complaint("The node ended its answer without a sum.", code: .software)
    }

    /// Has a package taken in.
    func importPackage(
        _ request: ImportPackageRequest, _ parcel: Parcel,
        _ progress: (ImportProgress) -> Void
    ) async throws(Complaint) -> BoxReport {
        defer { parcel.close() }
        do throws(Fault) {
            let stream = try await boxBuilder.importPackage(request, descriptors: parcel)
            while let item = try await stream.next() {
                parcel.close()
                switch item.event {
                case .progress(let now): progress(now)
                case .box(let box): return BoxReport(box)
                case .normalised, nil: continue
                }
            }
        } catch {
            throw complaint(error)
        }
        throw Complaint("The node ended its answer without a box.", code: .software)
    }
}
