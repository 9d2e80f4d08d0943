import ArgumentParser
import Channel
import Interfaces
import Syscalls

/// `celautctl pack`: hands a project to box-builder; nothing of it is decided here.
struct Pack: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes a box from a project.",
        discussion: """
            A project is a folder with a service.json (or .service/service.json) and what its root \
            filesystem is made of, the first of these that there is: --rootfs, --image, the "image" or \
            the "debian" list of pack_config.json, a Dockerfile (needs buildah), a folder "rootfs", an \
            archive "rootfs.tar" (.gz, .xz, .zst). The same input gives the same id.

            Examples:
              celautctl pack deploy/examples/redis
              celautctl pack --rootfs /srv/trees/web --tag web my-project
              celautctl pack --image image.tar --image-name app:2 my-project
              celautctl pack --explain --format json my-project
            """)

    @Argument(help: "The project's folder, or its service.json.")
    var project: String
    @Option(
        help: ArgumentHelp(
            "The tree: a folder, or a tar archive (plain or compressed; - for standard input).",
            valueName: "path"))
    var rootfs: String?
    @Option(
        help: ArgumentHelp(
            "A container image: an OCI layout (folder or archive), or what \"docker save\" wrote.",
            valueName: "path"))
    var image: String?
    @Option(
        help: ArgumentHelp("Which image, where there are several: name:tag.", valueName: "name"))
    var imageName = ""
    @Option(
        help: ArgumentHelp(
            "A local image that the Dockerfile's FROM names: an OCI layout, or an archive of one or "
                + "of \"docker save\", with :tag where it has several; may be given again.",
            valueName: "name=layout"))
    var base: [String] = []
    @Option(name: .shortAndLong, help: "A tag to list the box under, beside its own.")
    var tag = ""
    @Flag(help: "Keep the owners of the files; otherwise all belong to user and group 0.")
    var keepOwners = false
    @Flag(help: "Say what was not kept as it came: owners, times, set-id bits, attributes, links.")
    var explain = false
    @Flag(help: "Choose the Debian packages anew instead of taking those of the lock file.")
    var update = false
    @OptionGroup var options: NodeOptions

    func validate() throws {
        if rootfs != nil && image != nil {
            throw ValidationError("--rootfs and --image exclude each other.")
        }
    }

    func run() {
        let format = options.format
        // Much of what is made on the way becomes part of the box, with the mode it has then.
        _ = Process.setUmask(0o022)
        Session.run(options) { session, _ async throws(Complaint) in
            let progress = PackProgress()
            let packing = Packing(
                session: session, progress: progress,
                choice: .init(rootfs: rootfs, image: image, imageName: imageName), bases: base,
                tag: tag, keepsOwners: keepOwners, explains: explain, update: update)
            let result = try await packing.pack(project)
            progress.clear()
            var report = result.box
            if explain { report.normalised = NormalisedReport.gathered(result.normalised) }
            switch format {
            case .json: Printer.json(report)
            case .table:
                for line in Printer.aligned(report.rows) { Printer.line(line) }
                for line in report.normalised?.flatMap(\.lines) ?? [] { Printer.line(line) }
                if report.alreadyPresent { Printer.note("The node had this box already.") }
            }
            return .success
        }
    }
}
