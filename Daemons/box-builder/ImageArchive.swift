import Interfaces
import ServiceModel
import Syscalls

/// The archive of one container image or several, read as a tree: an OCI image layout
/// (image-spec, image-layout.md) or what `docker save` writes.
///
/// Keeps true: the layers it gives have the digests they are named by. Refuses images that are not
/// for the architecture, and a choice that is not one.
struct ImageArchive {
    // LIMIT: layers of an image; container engines stop at 127.
    private static let layersMax = 512
    // LIMIT: images of an archive, and platforms of an image.
    private static let imagesMax = 1_024
    // LIMIT: an index within an index; builders make one of each.
    private static let depthMax = 3

    /// One image that could be meant.
    private struct Candidate: Equatable {
        let names: [String]
        let platform: String
        let layers: [ContentDigest]
    }

    private var candidates: [Candidate] = []
    private let documents: ImageDocuments

    /// - Returns: nil where the tree is not laid out as an image's archive.
    init?(
        _ tree: FileTree, open: (ContentDigest) throws(Fault) -> Descriptor
    ) throws(Fault) {
        documents = ImageDocuments(tree)
        if documents.content("oci-layout") != nil, let index = documents.content("index.json") {
            let document = try documents.document(index.digest, "index.json", open: open)
            try addIndex(JSONObjectView(document, name: "index.json"), [], open, depth: 0)
        } else if let list = documents.content("manifest.json") {
            // A tree may have a file of that name: only the list of an archive has layers in it.
            let document = try? documents.document(list.digest, "manifest.json", open: open)
            guard case .array(let images)? = document, !images.isEmpty,
                case .object(let first) = images[0], first.contains(where: { $0.key == "Layers" })
            else { return nil }
            let views = try JSONObjectView.list(images, "manifest.json", max: Self.imagesMax)
            for image in views { try addSaved(image, open) }
        } else {
            return nil
        }
    }

    /// The layers of the image that is meant, the lowest first.
    func layers(for architecture: String, named name: String) throws(Fault) -> [ContentDigest] {
        let named = name.isEmpty ? candidates : candidates.filter { Self.isNamed($0.names, name) }
        guard !named.isEmpty else {
            throw Fault(
                .notFound, subject: "image \(name)",
                lines: Array(Set(candidates.flatMap(\.names))).sorted())
        }
        let fitting = named.filter { $0.platform == architecture || $0.platform.isEmpty }
        guard let first = fitting.first else {
            throw Fault(
                .unsupported, subject: "image for \(architecture)",
                lines: Array(Set(named.map(\.platform))).sorted())
        }
        guard fitting.allSatisfy({ $0.layers == first.layers }) else {
            throw Fault(
                .invalid, reason: .duplicate, subject: "image",
                lines: Array(Set(fitting.flatMap(\.names))).sorted())
        }
        return first.layers
    }

    /// "latest" and "name:latest" are names of "registry/name:latest".
    private static func isNamed(_ names: [String], _ name: String) -> Bool {
        names.contains { $0 == name || $0.hasSuffix(":\(name)") || $0.hasSuffix("/\(name)") }
    }

    // MARK: Image layout

    private mutating func addIndex(
        _ index: JSONObjectView, _ names: [String],
        _ open: (ContentDigest) throws(Fault) -> Descriptor, depth: Int
    ) throws(Fault) {
        guard depth < Self.depthMax else {
            throw .invalid(.tooDeep, subject: index.name, limit: UInt64(Self.depthMax))
        }
        for descriptor in try index.objects("manifests", max: Self.imagesMax) {
            var names = names
            if let annotations = try? JSONObjectView(descriptor["annotations"], name: "") {
                names += ["org.opencontainers.image.ref.name", "io.containerd.image.name"]
                    .map(annotations.optionalText).filter { !$0.isEmpty }
            }
            let platform = try? JSONObjectView(descriptor["platform"], name: "platform")
            // A signature or another document about an image, not an image.
            if platform?.optionalText("os") == "unknown" { continue }
            let name = try descriptor.text("digest")
            let digest = try documents.blob(descriptor)
            let view = try JSONObjectView(
                try documents.document(digest, name, open: open), name: name)
            if view["manifests"] != nil {
                try addIndex(view, names, open, depth: depth + 1)
            } else {
                try addManifest(view, names, platform, open)
            }
        }
        guard candidates.count <= Self.imagesMax else {
            throw .tooLarge(
                subject: "index.json", limit: UInt64(Self.imagesMax),
                actual: UInt64(candidates.count))
        }
    }

    private mutating func addManifest(
        _ manifest: JSONObjectView, _ names: [String], _ platform: JSONObjectView?,
        _ open: (ContentDigest) throws(Fault) -> Descriptor
    ) throws(Fault) {
        guard manifest["layers"] != nil else {
            // The first form of Docker's registry, which names its layers otherwise.
            throw Fault(.unsupported, subject: "manifest \(manifest.name)")
        }
        var layers: [ContentDigest] = []
        for layer in try manifest.objects("layers", max: Self.layersMax) {
            let type = layer.optionalText("mediaType")
            guard type.isEmpty || type.contains("tar"), !type.hasSuffix("+encrypted") else {
                throw Fault(.unsupported, subject: "layer \(type)")
            }
            layers.append(try documents.blob(layer))
        }
        var words = platform.map(Self.words) ?? ""
        if words.isEmpty {
            let descriptor = try JSONObjectView(manifest["config"], name: "\(manifest.name) config")
            let digest = try documents.blob(descriptor)
            let config = try JSONObjectView(
                try documents.document(digest, "config", open: open), name: "config")
            words = Self.words(config)
        }
        candidates.append(Candidate(names: names, platform: words, layers: layers))
    }

    /// "linux/amd64"; empty where it says nothing.
    private static func words(_ platform: JSONObjectView) -> String {
        let architecture = platform.optionalText("architecture")
        let system = platform.optionalText("os")
        if architecture.isEmpty && system.isEmpty { return "" }
        return "\(system.isEmpty ? "linux" : system)/\(architecture)"
    }

    // MARK: docker save

    private mutating func addSaved(
        _ image: JSONObjectView, _ open: (ContentDigest) throws(Fault) -> Descriptor
    ) throws(Fault) {
        let configName = try image.text("Config")
        let configDigest = try saved(configName)
        let config = try JSONObjectView(
            try documents.document(configDigest, configName, open: open), name: configName)
        let root = try JSONObjectView(config["rootfs"], name: "\(configName) rootfs")
        let expected = root.texts("diff_ids")
        let paths = image.texts("Layers")
        guard paths.count == expected.count, paths.count <= Self.layersMax else {
            throw .invalid(
                .malformed, subject: "\(image.name) Layers", limit: UInt64(expected.count),
                actual: UInt64(paths.count))
        }
        var layers: [ContentDigest] = []
        for (path, expected) in zip(paths, expected) {
            let digest = try saved(path)
            // The configuration names a layer by its plain tar. One that is compressed is told by
            // its own name, which `saved` has checked.
            let isNamed = path.hasPrefix("blobs/sha256/")
            guard isNamed || expected == "sha256:\(digest.hex)" else {
                throw Fault(.corrupt, subject: path)
            }
            layers.append(digest)
        }
        candidates.append(
            Candidate(
                names: image.texts("RepoTags"), platform: Self.words(config), layers: layers))
    }

    /// A file of the archive that may be named by its digest, and then must have it.
    private func saved(_ path: String) throws(Fault) -> ContentDigest {
        guard let (digest, _) = documents.content(path) else {
            throw .invalid(.fileMissing, subject: path)
        }
        let name = path.split(separator: "/").last ?? ""
        let stem = name.split(separator: ".").first ?? ""
        let isDigest = stem.utf8.count == 64 && stem.allSatisfy(\.isHexDigit)
        guard !isDigest || stem == digest.hex else { throw Fault(.corrupt, subject: path) }
        return digest
    }
}
