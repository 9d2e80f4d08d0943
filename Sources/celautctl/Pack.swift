import ArgumentParser
import Channel
import Interfaces
import SwiftProtobuf
import Syscalls

/// `celautctl pack`: hands a project to box-builder; nothing of it is decided here.
struct Pack: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes a box from a project.",
        discussion: """
            A project is a folder with a service.json (or .service/service.json) and the tree of its \
            root filesystem, as a folder "rootfs" or an archive "rootfs.tar" (.gz, .xz, .zst). The \
            tree can also be named with --rootfs. The same tree and description give the same id.

            Examples:
              celautctl pack deploy/examples/redis
              celautctl pack --rootfs /srv/trees/web --tag web my-project
            """)

    @Argument(help: "The project's folder, or its service.json.")
    var project: String
    @Option(
        help: ArgumentHelp(
            "The tree: a folder, or a tar archive (plain or compressed; - for standard input).",
            valueName: "path"))
    var rootfs: String?
    @Option(name: .shortAndLong, help: "A tag to list the box under, beside its own.")
    var tag = ""
    @OptionGroup var options: NodeOptions

    func run() {
        let format = options.format
        Session.run(options) { session, _ async throws(Complaint) in
            let files = try ProjectFiles(project: project, rootfs: rootfs)
            let source = try files.open()
            var progress = ProgressLine()
            let report = try await importBox(source, files.root, session, &progress)
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

    private func importBox(
        _ source: borrowing ProjectFiles.Source, _ root: String, _ session: Session,
        _ progress: inout ProgressLine
    ) async throws(Complaint) -> BoxReport {
        defer { progress.clear() }
        let request = ImportBoxRequest.with { $0.tag = tag }
        do throws(Fault) {
            let stream = try await session.boxBuilder.importBox(
                request, descriptors: source.parcel)
            while let item = try await stream.next() {
                switch item.event {
                case .progress(let now): progress.show(Self.words(now))
                case .box(let box):
                    try source.finish()
                    return BoxReport(box)
                case .normalised, nil: continue
                }
            }
        } catch {
            // What stopped the archiver explains more than the truncated archive it left.
            if let complaint = source.complaint(after: error) { throw complaint }
            throw session.complaint(error)
        }
        throw Complaint("The node ended its answer without a box.", code: .software)
    }

    private static func words(_ progress: ImportProgress) -> String {
        let bytes = Words.bytes(progress.bytes)
        let total = progress.bytesTotal == 0 ? "" : " of \(Words.bytes(progress.bytesTotal))"
        switch progress.phase {
        case .reading: return "reading: \(progress.entries) entries, \(bytes)\(total)"
        case .hashing: return "computing the id: \(bytes)\(total)"
        case .writing: return "writing the root image"
        case .unspecified, .UNRECOGNIZED: return "working"
        }
    }
}
