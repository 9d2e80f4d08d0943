import Channel
import Interfaces
import ServiceModel
import SwiftProtobuf
import Syscalls

/// Makes boxes of projects: the one that is asked for, and before it those it depends on.
struct Packing {
    let session: Session
    let progress: PackProgress
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
        if above.isEmpty { try refuseWhatHasNoEffect(files) }
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
        // A folder of its own for each project: nothing of one gets into another.
        let tool = PackTool(scratch: try PackScratch(), progress: progress)
        let extra = try await extra(files.config, ids, tool)
        let source = try PackSource(
            files: files, extra: extra, bases: bases, keepsAttributes: keepsOwners || explains,
            update: update, tool: tool
        ).prepare()
        return try await send(source, isOutermost: above.isEmpty)
    }

    /// Options that were meant to do something. A dependency may be what they are for.
    private func refuseWhatHasNoEffect(_ files: ProjectFiles) throws(Complaint) {
        func refuse(_ option: String, _ need: String) -> Complaint {
            Complaint(
                "\(option) has no effect here: \(need).",
                hint: "Leave it out: celautctl pack --help",
                code: .usage)
        }
        let isAlone = files.config.dependencies.isEmpty
        let (isDockerfile, isDebian): (Bool, Bool) =
            switch files.source {
            case .dockerfile: (true, false)
            case .debian: (false, true)
            case .tree, .image: (false, false)
            }
        guard choice.imageName.isEmpty || files.source.isImage else {
            throw refuse("--image-name", "the tree is not made of a container image")
        }
        guard bases.isEmpty || isDockerfile || !isAlone else {
            throw refuse("--base", "the tree is not made by a Dockerfile")
        }
        guard !update || isDebian || !isAlone else {
            throw refuse("--update", "the tree is not made of Debian packages")
        }
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
            do throws(Fault) {
                let (reply, parcel) = try await session.boxBuilder.inspectBox(
                    .with { $0.box = source.lowercased() })
                _ = parcel
                return Words.hex(reply.summary.serviceIDBytes)
            } catch {
                guard error.code == .notFound else { throw session.complaint(error) }
                throw Complaint(
                    "The dependency \(source) is not on this node.",
                    hint: "Pack it or import it first, or name its project's folder instead.",
                    code: .notFound)
            }
        }
        let path = ProjectFiles.path(source, in: files.folder)
        guard File.exists(path) else {
            guard !Self.isElsewhere(source) else {
                throw Complaint(
                    "The dependency \(source) is somewhere on a network.",
                    hint: "Fetch it first, at the commit you mean, and name its folder: what a box "
                        + "is made of must be here, and the same tomorrow.", code: .invalidInput)
            }
            throw Complaint(
                "The dependency \(source) is neither an id (64 digits) nor a folder of the project.",
                hint: "Looked for: \(path)", code: .notFound)
        }
        progress.show("packing the dependency \(source)")
        return try await pack(path, above: above).box.id
    }

    /// Whether it is written as git and others write what they fetch: "https://…", "git@host:path",
    /// "path.git".
    private static func isElsewhere(_ source: String) -> Bool {
        if source.contains("://") || source.hasSuffix(".git") { return true }
        guard let host = source.split(separator: ":", maxSplits: 1).first, host != source else {
            return false
        }
        return host.contains("@") && !host.contains("/")
    }

    /// The file that tells the service the ids of what it depends on.
    private static func text(_ ids: [(name: String, id: String)]) -> String {
        ids.map { $0.name.isEmpty ? "\($0.id)\n" : "\($0.name)=\($0.id)\n" }.joined()
    }

    /// What the tree has of the dependencies: the file of their ids, and themselves where that is
    /// asked for. nil for nothing.
    private func extra(
        _ config: PackConfig, _ ids: [(name: String, id: String)], _ tool: PackTool
    ) async throws(Complaint) -> PackSource.Extra? {
        guard !ids.isEmpty else { return nil }
        let folder = try tool.scratch.folder("extra")
        var names: [String] = []
        if config.writesDependencies {
            try tool.scratch.write(Self.text(ids), to: "extra/.dependencies")
            names.append(".dependencies")
        }
        if let place = config.dependenciesFolder {
            _ = try tool.scratch.folder("extra/\(place)")
            for (_, id) in ids {
                try await export(id, to: "\(folder)/\(place)/\(id)")
            }
            names.append(place)
        }
        return names.isEmpty ? nil : PackSource.Extra(folder: folder, names: names)
    }

    /// Writes a box as the bytes its id is computed over.
    private func export(_ id: String, to path: String) async throws(Complaint) {
        let parcel = Parcel()
        do throws(Errno) {
            parcel.append(
                try File.open(path, .writeOnly, [.create, .truncate], mode: 0o644))
            parcel.append(try Memfd.sealed([]))
        } catch {
            throw Complaint("\(path) cannot be written: \(error).", code: .cannotMake)
        }
        let request = ExportBoxRequest.with {
            $0.box = id
            $0.codec = .proto3
        }
        _ = try await session.collected { () async throws(Fault) in
            progress.show("adding the dependency \(id.prefix(16))")
            return try await session.boxBuilder.exportBox(request, descriptors: parcel)
        }
    }

    // MARK: Sending

    private func send(
        _ source: PackedSource, isOutermost: Bool
    ) async throws(Complaint) -> Result {
        defer { progress.clear() }
        do throws(Complaint) {
            return try await sent(source, isOutermost: isOutermost)
        } catch {
            // A node from before trees were told ahead.
            guard error.fault?.code == .unknownMethod, let alone = try source.alone() else {
                throw error
            }
            return try await sent(alone, isOutermost: isOutermost)
        }
    }

    private func sent(
        _ source: PackedSource, isOutermost: Bool
    ) async throws(Complaint) -> Result {
        let request = ImportBoxRequest.with {
            $0.tag = isOutermost ? tag : ""
            $0.source = source.kind
            $0.image = source.imageName
            $0.keepOwners = keepsOwners
            $0.explain = explains && isOutermost
        }
        var normalised: [Normalised] = []
        var made: BoxSummary?
        do throws(Fault) {
            let stream =
                source.isAhead
                ? try await session.boxBuilder.importTree(request, descriptors: source.parcel)
                : try await session.boxBuilder.importBox(request, descriptors: source.parcel)
            while let item = try await stream.next() {
                switch item.event {
                case .progress(let now): progress.show(Self.words(now))
                case .normalised(let more): normalised.append(more)
                case .box(let box): made = box
                case nil: continue
                }
            }
        } catch {
            // What stopped the archiver explains more than the truncated archive it left.
            if let complaint = source.complaint(after: error) { throw complaint }
            throw session.complaint(error, packing: source.root)
        }
        guard let made else {
            throw Complaint("The node ended its answer without a box.", code: .software)
        }
        if let complaint = source.complaint(after: nil) { throw complaint }
        return Result(box: BoxReport(made), normalised: normalised)
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
