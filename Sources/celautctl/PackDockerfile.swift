import Syscalls

/// Builds a project's Dockerfile with buildah, as the archive of an image. Only its files count: what
/// it says of commands, users, ports and variables is not part of a box.
///
/// Keeps true: the machine's own images and containers are not touched; what is built goes with the
/// scratch folder.
struct PackDockerfile {
    let files: ProjectFiles
    let dockerfile: String
    /// "linux/amd64".
    let architecture: String
    let tool: PackTool

    // LIMIT: bytes of a Dockerfile.
    private static let bytesMax = 1 << 20

    /// - Parameters:
    ///   - extra: what goes over the files of the image.
    ///   - bases: "NAME=LAYOUT" each.
    /// - Returns: the path of the archive.
    func build(_ extra: PackSource.Extra?, bases: [String]) throws(Complaint) -> String {
        let buildah = try PackTool.need("buildah", package: "buildah", for: "A Dockerfile")
        let context = try tool.scratch.folder("context")
        let text = try script(extra)
        let place = usesServiceFolder(text) ? try tool.scratch.folder("context/service") : context
        var chosen = PackFiles(include: files.config.include, ignore: files.config.ignore)
        chosen.keepsAttributes = true
        // Its patterns start from the folder that is copied, wherever that stands.
        if place != context { chosen.ignore += try dockerIgnored() }
        try chosen.copy(files.folder, to: place, tool, doing: "gathering the project's files")
        if let extra {
            for folder in Set([context, place]) {
                try PackFiles().copy(
                    extra.folder, to: folder, tool, doing: "adding the dependencies")
            }
        }
        try tool.scratch.write(text, to: "Dockerfile")
        for base in bases { try load(try BaseImage(base), buildah) }
        for (name, layout) in files.config.baseImages {
            let path = ProjectFiles.path(layout, in: files.folder)
            try load(try BaseImage(name, at: path), buildah)
        }
        do throws(Complaint) {
            try tool.run(
                storage(buildah) + [
                    "bud", "--isolation", "chroot", "--pull=false", "--layers=false", "--squash",
                    "--timestamp", "0", "--platform", architecture, "--tag", "celaut-pack",
                    "--file",
                    "\(tool.scratch.path)/Dockerfile",
                ] + ignoreWords + [context], doing: "building the Dockerfile")
        } catch {
            throw Self.explained(error)
        }
        let archive = "\(tool.scratch.path)/image.tar"
        try tool.run(
            storage(buildah) + ["push", "--disable-compression", "celaut-pack"]
                + ["oci-archive:\(archive)"], doing: "taking the built image")
        return archive
    }

    /// With what to do, where that can be told from what buildah says.
    private static func explained(_ complaint: Complaint) -> Complaint {
        var complaint = complaint
        let base = complaint.lines.filter { $0.contains("creating build container") }
        if base.contains(where: { $0.contains("invalid reference format") }) {
            complaint.hint =
                "Of the path in \"FROM oci:PATH\" buildah makes an image's name, which cannot be "
                + "made of every path (capitals, \"_\" at an end). --base NAME=LAYOUT takes a "
                + "layout at any path, for \"FROM NAME\"."
        } else if !base.isEmpty {
            complaint.hint =
                "Base images are taken from --base NAME=LAYOUT, \"FROM oci:…\" or a registry."
        }
        return complaint
    }

    /// Everything of buildah's is in the scratch folder.
    private func storage(_ buildah: String) -> [String] {
        [
            buildah, "--root", "\(tool.scratch.path)/storage", "--runroot",
            "\(tool.scratch.path)/run", "--storage-driver", "vfs",
        ]
    }

    /// The Dockerfile, with lines for what goes over its files.
    private func script(_ extra: PackSource.Extra?) throws(Complaint) -> String {
        let lines = extra?.names.map { "COPY \($0) /\($0)\n" } ?? []
        return try read(dockerfile) + "\n" + lines.joined()
    }

    /// Other nodes give a Dockerfile the project's files in a folder `service`. Where it copies from
    /// there and the project has none, it is given them so here too.
    private func usesServiceFolder(_ text: String) -> Bool {
        guard !File.exists("\(files.folder)/service") else { return false }
        return text.split(separator: "\n").contains { line in
            let words = line.split(whereSeparator: \.isWhitespace)
            guard let first = words.first, ["COPY", "ADD"].contains(first.uppercased()) else {
                return false
            }
            return words.dropFirst().dropLast().contains {
                $0 == "service" || $0.hasPrefix("service/") || $0 == "./service"
                    || $0.hasPrefix("./service/")
            }
        }
    }

    private var ignoreFile: String? {
        let beside = dockerfile.lastIndex(of: "/").map { String(dockerfile[..<$0]) } ?? "."
        return ["\(beside)/.dockerignore", "\(files.folder)/.dockerignore"]
            .first(where: File.exists)
    }

    private var ignoreWords: [String] {
        ignoreFile.map { ["--ignorefile", $0] } ?? []
    }

    private func dockerIgnored() throws(Complaint) -> [String] {
        guard let file = ignoreFile else { return [] }
        let text = try read(file)
        return try PackConfig.patterns(text.split(separator: "\n").map(String.init), in: file)
    }

    private func read(_ path: String) throws(Complaint) -> String {
        do throws(Errno) {
            return String(
                decoding: try File.readAll(path, limit: Self.bytesMax), as: UTF8.self)
        } catch {
            throw Complaint("\(path) cannot be read: \(error).", code: .invalidInput)
        }
    }

    /// Makes a local image known under the name a FROM has.
    private func load(_ base: BaseImage, _ buildah: String) throws(Complaint) {
        let doing = "loading the base image \(base.name)"
        // buildah makes a name of the path, and not of every path can one be made.
        let link = "base"
        do throws(Errno) {
            let scratch = try Directory.open(tool.scratch.path)
            try? File.remove("\(tool.scratch.path)/\(link)")
            try File.symlink(base.canonicalPath(), at: scratch, link)
        } catch {
            throw Complaint("\(base.path) cannot be opened: \(error).", code: .notFound)
        }
        var pulled: [UInt8] = []
        for transport in base.transports {
            do throws(Complaint) {
                pulled = try tool.run(
                    storage(buildah) + [
                        "pull", "--quiet", "--platform", architecture,
                        "\(transport):\(link)\(base.reference)",
                    ], doing: doing, directory: tool.scratch.path,
                    hint:
                        "It is an OCI layout, or an archive of one or of \"docker save\"; where it "
                        + "has several images, say which: NAME=LAYOUT:TAG.")
                break
            } catch {
                if transport == base.transports.last { throw error }
            }
        }
        let words = String(decoding: pulled, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard let image = words.last else {
            throw Complaint("\(base.path) has no image.", code: .invalidInput)
        }
        try tool.run(storage(buildah) + ["tag", String(image), base.name], doing: doing)
    }
}
