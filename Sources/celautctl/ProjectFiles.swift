import Interfaces
import Syscalls

/// A project: where its description is, and what its tree is made from.
package struct ProjectFiles {
    /// The folder that relative paths start from.
    package let folder: String
    package let description: String
    package let config: PackConfig
    package let source: Source

    package enum Source: Equatable {
        /// A folder, an archive, or "-" for standard input.
        case tree(String)
        /// A container image: a layout's folder, or an archive.
        case image(String, name: String)
        case dockerfile(String)
        /// Packages, and a folder whose files go over theirs.
        case debian([String], over: String?)

        var isImage: Bool {
            if case .image = self { true } else { false }
        }
    }

    /// What the command line says of it.
    package struct Choice {
        package var rootfs: String?
        package var image: String?
        package var imageName = ""

        package init(rootfs: String? = nil, image: String? = nil, imageName: String = "") {
            self.rootfs = rootfs
            self.image = image
            self.imageName = imageName
        }
    }

    static let archiveNames = [
        "rootfs.tar", "rootfs.tar.zst", "rootfs.tar.gz", "rootfs.tar.xz", "rootfs.tgz",
    ]

    package init(project: String, _ choice: Choice = Choice()) throws(Complaint) {
        let (folder, description) = try Self.find(project)
        let beside = description.lastIndex(of: "/").map { String(description[..<$0]) } ?? "."
        self.folder = folder
        self.description = description
        let configs = ["\(beside)/pack_config.json", "\(folder)/pack_config.json"]
        if let path = configs.first(where: File.exists) {
            config = try PackConfig.read(path: path)
        } else {
            config = PackConfig()
        }
        source = try Self.source(folder, beside, config, choice)
        try Self.check(source, config, folder)
    }

    private static func find(
        _ project: String
    ) throws(Complaint) -> (folder: String, description: String) {
        if isFolder(project) {
            let places = ["\(project)/.service/service.json", "\(project)/service.json"]
            guard let place = places.first(where: File.exists) else {
                throw Complaint(
                    "There is no service.json in \(project).",
                    hint: "It describes the service; see deploy/examples for some.",
                    code: .notFound)
            }
            return (project, place)
        }
        guard File.exists(project) else {
            throw Complaint("There is no \(project).", code: .notFound)
        }
        let folder = project.lastIndex(of: "/").map { String(project[..<$0]) } ?? "."
        guard folder.hasSuffix("/.service") || folder == ".service" else {
            return (folder, project)
        }
        let above = folder.dropLast(".service".count)
        return (above.isEmpty ? "." : String(above.dropLast()), project)
    }

    private static func source(
        _ folder: String, _ beside: String, _ config: PackConfig, _ choice: Choice
    ) throws(Complaint) -> Source {
        if let rootfs = choice.rootfs { return .tree(rootfs) }
        let name = choice.imageName.isEmpty ? config.imageName : choice.imageName
        if let image = choice.image { return .image(image, name: name) }
        if let image = config.image { return .image(path(image, in: folder), name: name) }
        let rootfs = ["\(folder)/rootfs", "\(beside)/rootfs"].first(where: isFolder)
        if !config.debian.isEmpty { return .debian(config.debian, over: rootfs) }
        let dockerfiles = ["\(beside)/Dockerfile", "\(folder)/Dockerfile"]
        if let dockerfile = dockerfiles.first(where: File.exists) {
            return .dockerfile(dockerfile)
        }
        if let rootfs { return .tree(rootfs) }
        let archives = [folder, beside].flatMap { folder in
            archiveNames.map { "\(folder)/\($0)" }
        }
        if let archive = archives.first(where: File.exists) { return .tree(archive) }
        throw Complaint(
            "There is no tree in \(folder): no rootfs, rootfs.tar, Dockerfile, nor a list of Debian "
                + "packages.",
            hint: "Make one (deploy/examples has some), or name it with --rootfs or --image.",
            code: .notFound)
    }

    /// Refuses what of the configuration would have no effect, and what is not there.
    private static func check(
        _ source: Source, _ config: PackConfig, _ folder: String
    ) throws(Complaint) {
        var isFilterable = true
        switch source {
        case .tree(let path):
            guard path == "-" || File.exists(path) else {
                throw Complaint("There is no \(path).", code: .notFound)
            }
            isFilterable = isFolder(path)
        case .image(let path, _):
            guard File.exists(path) else {
                throw Complaint(
                    "There is no \(path).", hint: imageHint(path), code: .notFound)
            }
            isFilterable = false
        case .dockerfile, .debian: break
        }
        try checkKeys(source, config)
        let isFiltering = config.include != nil || !config.ignore.isEmpty
        if !isFilterable, isFiltering || !config.dependencies.isEmpty {
            throw Complaint(
                "include, ignore and dependencies of pack_config.json need a folder, a Dockerfile or "
                    + "Debian packages; here the tree is an archive that is taken as it is.",
                hint: "Unpack it and name the folder with --rootfs.", code: .invalidInput)
        }
    }

    /// For who writes an image as other tools have it.
    private static func imageHint(_ path: String) -> String {
        let parts = path.split(separator: ":", maxSplits: 1).map(String.init)
        if path.contains("://") {
            return "Get it first: skopeo copy \(path) oci:LAYOUT:TAG; then --image LAYOUT."
        }
        guard parts.count == 2, File.exists(parts[0]) else { return "" }
        return "Its name goes by itself: --image \(parts[0]) --image-name \(parts[1])"
    }

    /// Keys that go with another one. What the command line chooses instead leaves them as they are.
    private static func checkKeys(
        _ source: Source, _ config: PackConfig
    ) throws(Complaint) {
        let orphan: (key: String, needs: String)?
        if config.debianEssential, config.debian.isEmpty {
            orphan = ("debian_essential", "\"debian\"")
        } else if !config.imageName.isEmpty, config.image == nil, !source.isImage {
            orphan = ("image_name", "\"image\"")
        } else {
            orphan = nil
        }
        guard let orphan else { return }
        throw Complaint(
            "\"\(orphan.key)\" of pack_config.json has no effect without \(orphan.needs).",
            hint: "Add that, or leave it out.", code: .invalidInput)
    }

    static func isFolder(_ path: String) -> Bool {
        (try? File.status(path))?.kind == .directory
    }

    /// A path of a configuration, from the project's folder.
    static func path(_ path: String, in folder: String) -> String {
        path.hasPrefix("/") ? path : "\(folder)/\(path)"
    }
}
