import Channel
import Interfaces
import ServiceModel
import SwiftProtobuf
import Syscalls

/// Makes boxes of projects: the one that is asked for, and before it those it depends on.
struct Packing {
    let session: Session
    let tool: PackTool
    let choice: ProjectFiles.Choice
    let bases: [String]
    let tag: String
    let keepsOwners: Bool
    let explains: Bool
    let update: Bool

    // LIMIT: dependencies of dependencies; a project that needs more is a mistake.
    private static let depthMax = 16

    /// What a pack gives.
    struct Result {
        var box: BoxReport
        var normalised: [Normalised] = []
    }

    /// - Parameter above: the projects that are being packed, the outermost first.
    func pack(_ project: String, above: [String] = []) async throws(Complaint) -> Result {
        let files = try ProjectFiles(project: project, above.isEmpty ? choice : .init())
        let here = try Self.canonical(files.folder)
        guard !above.contains(here) else {
            throw Complaint(
                "\(here) depends on itself.",
                lines: (above + [here]).map { "needs \($0)" }, code: .invalidInput)
        }
        guard above.count < Self.depthMax else {
            throw Complaint(
                "\(here) is the end of \(Self.depthMax) projects that depend on each other.",
                hint: "A chain may be \(Self.depthMax) long.", code: .invalidInput)
        }
        let ids = try await dependencies(files, above + [here])
        let source = try prepare(files, ids)
        return try await send(source, isOutermost: above.isEmpty)
    }

    private static func canonical(_ folder: String) throws(Complaint) -> String {
        do throws(Errno) {
            let directory = try Directory.open(folder)
            let path = try File.readLink(directory.procPath())
            return String(decoding: path, as: UTF8.self)
        } catch {
            throw Complaint("\(folder) cannot be opened: \(error).", code: .notFound)
        }
    }

    // MARK: Dependencies

    /// The ids, in the order of the list, or by name.
    private func dependencies(
        _ files: ProjectFiles, _ above: [String]
    ) async throws(Complaint) -> [(name: String, id: String)] {
        var ids: [(name: String, id: String)] = []
        for dependency in files.config.dependencies {
            ids.append((dependency.name, try await resolve(dependency.source, files, above)))
        }
        return ids
    }

    private func resolve(
        _ source: String, _ files: ProjectFiles, _ above: [String]
    ) async throws(Complaint) -> String {
        let isID = source.utf8.count == 64 && source.allSatisfy(\.isHexDigit)
        if isID {
            let (reply, parcel) = try await session.asked { () async throws(Fault) in
                try await session.boxBuilder.inspectBox(.with { $0.box = source.lowercased() })
            }
            _ = parcel
            return Words.hex(reply.summary.serviceIDBytes)
        }
        guard !source.contains("://") else {
            throw Complaint(
                "The dependency \(source) is somewhere on the network.",
                hint: "Fetch it first and name its folder: what a box is made of must be here.",
                code: .invalidInput)
        }
        let path = ProjectFiles.path(source, in: files.folder)
        guard File.exists(path) else {
            throw Complaint(
                "The dependency \(source) is neither an id (64 digits) nor a folder of the project.",
                hint: "Looked for: \(path)", code: .notFound)
        }
        tool.progress.show("packing the dependency \(source)")
        return try await pack(path, above: above).box.id
    }

    /// The file that tells the service the ids of what it depends on.
    private static func text(_ ids: [(name: String, id: String)]) -> String {
        ids.map { $0.name.isEmpty ? "\($0.id)\n" : "\($0.name)=\($0.id)\n" }.joined()
    }

    // MARK: Sources

    private func prepare(
        _ files: ProjectFiles, _ ids: [(name: String, id: String)]
    ) throws(Complaint) -> PackedSource {
        let config = files.config
        if config.dependenciesFolder != nil, !ids.isEmpty { throw Self.noPackages }
        let dependencies = ids.isEmpty || !config.writesDependencies ? nil : Self.text(ids)
        var chosen = PackFiles(include: config.include, ignore: config.ignore)
        chosen.keepsAttributes = keepsOwners || explains
        switch files.source {
        case .image(let path, let name):
            if ProjectFiles.isFolder(path) {
                return try PackedSource.folder(
                    path, PackFiles(), description: files.description, .image,
                    imageName: name)
            }
            return try PackedSource.archive(
                path, description: files.description, .image, imageName: name)
        case .tree(let path) where !ProjectFiles.isFolder(path):
            return try PackedSource.archive(
                path, description: files.description, .unspecified)
        case .tree(let path):
            guard let dependencies else {
                return try PackedSource.folder(
                    path, chosen, description: files.description, .unspecified)
            }
            let tree = try tool.scratch.folder("tree")
            try chosen.copy(path, to: tree, tool, doing: "gathering the tree")
            return try finished(tree, chosen, dependencies, files)
        case .dockerfile(let path):
            let archive = try PackDockerfile(
                files: files, dockerfile: path, architecture: architecture(files), tool: tool
            ).build(dependencies: dependencies, bases: bases)
            return try PackedSource.archive(
                archive, description: files.description, .image)
        case .debian(let names, let over):
            let tree = try tool.scratch.folder("tree")
            let packages = try PackDebian(
                names, essential: config.debianEssential, architecture: architecture(files), tool)
            let lock = try packages.lock(files.lockPath, update: update)
            try packages.unpack(lock, to: tree)
            if let over {
                try chosen.copy(over, to: tree, tool, doing: "adding the project's files")
            }
            return try finished(tree, chosen, dependencies, files)
        }
    }

    private static var noPackages: Complaint {
        Complaint(
            "service_dependencies_directory asks for the dependencies inside the box.",
            hint: "Remove the key: a node that has this box is asked for the others by their ids, "
                + "which are written to /.dependencies.", code: .invalidInput)
    }

    /// A tree that was made here, with the file of ids.
    private func finished(
        _ tree: String, _ chosen: PackFiles, _ dependencies: String?, _ files: ProjectFiles
    ) throws(Complaint) -> PackedSource {
        if let dependencies {
            do throws(Errno) {
                let file = try File.open(
                    "\(tree)/.dependencies", .writeOnly, [.create, .truncate], mode: 0o644)
                try File.writeAll(file, Array(dependencies.utf8))
                try File.setMode(file, 0o644)
            } catch {
                throw Complaint("\(tree) cannot be written: \(error).", code: .cannotMake)
            }
        }
        var all = chosen
        all.include = nil
        return try PackedSource.folder(
            tree, all, description: files.description, .tree)
    }

    /// What the description says it is for, where that can be read: box-builder says what is wrong
    /// with it otherwise.
    private func architecture(_ files: ProjectFiles) throws(Complaint) -> String {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try File.readAll(files.description, limit: ServiceDescription.bytesMax)
        } catch {
            throw Complaint("\(files.description) cannot be read: \(error).", code: .notFound)
        }
        do throws(DescriptionError) {
            return try ServiceDescription.read(bytes).service.architecture
        } catch {
            throw Complaint(
                "\"\(error.key)\" in \(files.description) is not valid (\(error.condition)).",
                hint: error.accepted.isEmpty
                    ? "See deploy/examples for descriptions."
                    : "Accepted are: \(error.accepted.joined(separator: ", ")).",
                code: .invalidInput)
        }
    }

    // MARK: Sending

    private func send(
        _ source: consuming PackedSource, isOutermost: Bool
    ) async throws(Complaint) -> Result {
        defer { tool.progress.clear() }
        let request = ImportBoxRequest.with {
            $0.tag = isOutermost ? tag : ""
            $0.source = source.kind
            $0.image = source.imageName
            $0.keepOwners = keepsOwners
            $0.explain = explains && isOutermost
        }
        var normalised: [Normalised] = []
        do throws(Fault) {
            let stream = try await session.boxBuilder.importBox(
                request, descriptors: source.parcel)
            while let item = try await stream.next() {
                switch item.event {
                case .progress(let now): tool.progress.show(Self.words(now))
                case .normalised(let more): normalised.append(more)
                case .box(let box):
                    try source.finish()
                    return Result(box: BoxReport(box), normalised: normalised)
                case nil: continue
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

extension ProjectFiles {
    /// Beside the configuration, where it can be seen and kept with the project.
    var lockPath: String {
        let beside = description.lastIndex(of: "/").map { String(description[..<$0]) } ?? "."
        return "\(beside)/\(DebianLock.fileName)"
    }
}
