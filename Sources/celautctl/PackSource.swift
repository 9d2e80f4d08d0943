import Interfaces
import ServiceModel
import Syscalls

/// Turns what a project's tree is made of into what is sent: an archive, or a folder that is archived
/// on the way.
struct PackSource {
    let files: ProjectFiles
    /// What goes over the tree, whatever it is made of.
    let extra: Extra?
    let bases: [String]
    /// Owners and times go along: they are kept, or told of.
    let keepsAttributes: Bool
    let update: Bool
    let tool: PackTool

    struct Extra {
        let folder: String
        /// What is in it.
        let names: [String]
    }

    func prepare() throws(Complaint) -> PackedSource {
        var chosen = PackFiles(include: files.config.include, ignore: files.config.ignore)
        chosen.keepsAttributes = keepsAttributes
        switch files.source {
        case .image(let path, let name):
            return ProjectFiles.isFolder(path)
                ? try .folder(
                    path, PackFiles(), description: files.description, .image, imageName: name)
                : try .archive(path, description: files.description, .image, imageName: name)
        case .tree(let path) where !ProjectFiles.isFolder(path):
            return try .archive(path, description: files.description, .unspecified)
        case .tree(let path):
            guard extra != nil else {
                return try .folder(path, chosen, description: files.description, .unspecified)
            }
            let tree = try tool.scratch.folder("tree")
            try chosen.copy(path, to: tree, tool, doing: "gathering the tree")
            return try finished(tree, chosen)
        case .dockerfile(let path):
            let archive = try PackDockerfile(
                files: files, dockerfile: path, architecture: architecture(), tool: tool
            ).build(extra, bases: bases)
            return try .archive(archive, description: files.description, .image, of: path)
        case .debian(let names, let over):
            let tree = try tool.scratch.folder("tree")
            let packages = try PackDebian(
                names, essential: files.config.debianEssential, architecture: architecture(),
                keepsOwners: keepsAttributes, tool)
            try packages.make(tree, lockPath: files.lockPath, update: update)
            if let over {
                try chosen.copy(over, to: tree, tool, doing: "adding the project's files")
            }
            return try finished(tree, chosen)
        }
    }

    /// A tree that was made here, with what goes over it.
    private func finished(
        _ tree: String, _ chosen: PackFiles
    ) throws(Complaint) -> PackedSource {
        if let extra {
            try PackFiles().copy(
                extra.folder, to: tree, tool, doing: "adding the dependencies")
        }
        var all = chosen
        // That was asked of the project's own files.
        all.include = nil
        return try .folder(tree, all, description: files.description, .tree)
    }

    /// What the description says it is for.
    private func architecture() throws(Complaint) -> String {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try File.readAll(files.description, limit: ServiceDescription.bytesMax)
        } catch {
            throw Complaint("\(files.description) cannot be read: \(error).", code: .notFound)
        }
        do throws(DescriptionError) {
            return try ServiceDescription.read(bytes).service.architecture
        } catch {
            throw Complaint(error)
        }
    }
}
