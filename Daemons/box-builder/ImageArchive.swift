import Interfaces
import ServiceModel
import Syscalls

/// A layer of an image.
struct ImageLayer: Equatable {
    /// Of the layer as it is in the archive, compressed or not.
    let blob: ContentDigest
    /// Of the tar in it; nil where the image does not say.
    let plain: ContentDigest?
}

/// The archive of one container image or several, read as a tree: an OCI image layout
/// (image-spec, image-layout.md) or what `docker save` writes.
///
/// Keeps true: the layers it gives have the digests they are named by, and are as many as the
/// configuration of the image names. Refuses images that are not for the architecture, and a choice
/// that is not one.
struct ImageArchive {
    // LIMIT: layers of an image; container engines stop at 127.
    private static let layersMax = 512
    // LIMIT: images of an archive, and platforms of an image.
    private static let imagesMax = 1_024
    // LIMIT: descriptors in all indices of an archive, each read as often as it is named: an image of several
    // machines has one for itself, one for each, and one beside each that tells how it was made.
    private static let descriptorsMax = 4_096
    // LIMIT: an index within an index; builders make one of each.
    private static let depthMax = 3

    /// One image that could be meant.
    private struct Candidate: Equatable {
        let names: [String]
        let platform: String
        let layers: [ImageLayer]
        /// The path of a document that is not in the archive.
        var missing: String?
    }

    private var candidates: [Candidate] = []
    private var descriptors = 0
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
    func layers(for architecture: String, named name: String) throws(Fault) -> [ImageLayer] {
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
        guard fitting.allSatisfy({ $0.layers == first.layers && $0.missing == first.missing })
        else {
            throw Fault(
                .invalid, reason: .duplicate, subject: "image",
                lines: Array(Set(fitting.flatMap(\.names))).sorted())
        }
        if let missing = first.missing { throw .invalid(.fileMissing, subject: missing) }
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
            descriptors += 1
            guard descriptors <= Self.descriptorsMax else {
                throw .tooLarge(
                    subject: "index.json", limit: UInt64(Self.descriptorsMax),
                    actual: UInt64(descriptors))
            }
            var names = names
            if let annotations = try? JSONObjectView(descriptor["annotations"], name: "") {
                names += ["org.opencontainers.image.ref.name", "io.containerd.image.name"]
                    .map(annotations.optionalText).filter { !$0.isEmpty }
            }
            let platform = try? JSONObjectView(descriptor["platform"], name: "platform")
            // A signature or another document about an image, not an image.
            if platform?.optionalText("os") == "unknown" { continue }
            let name = try descriptor.text("digest")
            if let missing = try documents.missing(descriptor), let platform {
                // Who saves the image of one machine leaves out the others', and names them.
                candidates.append(
                    Candidate(
                        names: names, platform: Self.words(platform), layers: [],
                        missing: missing))
                continue
            }
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
        let descriptor = try JSONObjectView(manifest["config"], name: "\(manifest.name) config")
        let config = try JSONObjectView(
            try documents.document(try documents.blob(descriptor), "config", open: open),
            name: "config \(descriptor.optionalText("digest"))")
        let said = platform.map(Self.words) ?? ""
        candidates.append(
            Candidate(
                names: names, platform: said.isEmpty ? Self.words(config) : said,
                layers: try Self.layers(layers, config)))
    }

    /// Layers with what the configuration names them by (image-spec, config.md: `rootfs.diff_ids`).
    /// Where it has no `rootfs` it is no image's, and only the blobs have names.
    private static func layers(
        _ blobs: [ContentDigest], _ config: JSONObjectView
    ) throws(Fault) -> [ImageLayer] {
        guard config["rootfs"] != nil else {
            return blobs.map { ImageLayer(blob: $0, plain: nil) }
        }
        let root = try JSONObjectView(config["rootfs"], name: "\(config.name) rootfs")
        let names = root.texts("diff_ids")
        guard names.count == blobs.count else {
            throw .invalid(
                .malformed, subject: "\(root.name) diff_ids", limit: UInt64(blobs.count),
                actual: UInt64(names.count))
        }
        var layers: [ImageLayer] = []
        for (blob, name) in zip(blobs, names) {
            layers.append(ImageLayer(blob: blob, plain: try ImageDocuments.digest(name)))
        }
        return layers
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
        let paths = image.texts("Layers")
        guard paths.count <= Self.layersMax else {
            throw .tooLarge(
                subject: "\(image.name) Layers", limit: UInt64(Self.layersMax),
                actual: UInt64(paths.count))
        }
        // Its layers have no other names.
        _ = try JSONObjectView(config["rootfs"], name: "\(configName) rootfs")
        var blobs: [ContentDigest] = []
        for path in paths { blobs.append(try saved(path)) }
        candidates.append(
            Candidate(
                names: image.texts("RepoTags"), platform: Self.words(config),
                layers: try Self.layers(blobs, config)))
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
