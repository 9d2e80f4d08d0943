package import Interfaces
package import ServiceModel
package import Syscalls

/// What a developer has, as a tree: the archive of a tree, or that of a container image.
///
/// Keeps true: nothing of an archive is believed before its digests and names are checked. An
/// image's archive is first read like any other, in whatever order it comes; its blobs are then
/// contents under their own digests, and the layers among them are read back in their order.
package enum BoxSource {
    package struct Options: Sendable {
        package var kind: SourceKind
        /// Of several images, which.
        package var image: String
        package var keepsOwners: Bool
        /// As in the description: "linux/amd64".
        package var architecture: String
        /// The archive is whole only with the end word behind it.
        package var isSealed: Bool
        package var wait: PeerWait

        package init(
            kind: SourceKind = .unspecified, image: String = "", keepsOwners: Bool = false,
            architecture: String = "linux/amd64", isSealed: Bool = false,
            wait: PeerWait = PeerWait()
        ) {
            self.kind = kind
            self.image = image
            self.keepsOwners = keepsOwners
            self.architecture = architecture
            self.isSealed = isSealed
            self.wait = wait
        }
    }

    /// - Parameters:
    ///   - sink: takes the contents, those of the tree and those that only lead to it.
    ///   - open: a content that the sink has taken.
    ///   - log: hears what is not kept; nil where nobody asks.
    ///   - progress: hears entries and bytes of content so far.
    ///   - isCancelled: asked between steps, and at least ten times a second while the archive's
    ///     sender is silent.
    /// - Throws: the fault that names the entry; `CORRUPT` for a blob that is not what its digest
    ///   says; `UNSUPPORTED` where no image is for the architecture; `CANCELLED`.
    package static func read(
        _ archive: borrowing Descriptor, _ options: Options, into sink: any ContentSink,
        open: (ContentDigest) throws(Fault) -> Descriptor, log: NormalisationLog? = nil,
        progress: (_ entries: UInt64, _ bytes: UInt64) -> Void, isCancelled: () -> Bool
    ) throws(Fault) -> FileTree {
        let shared: SharedDescriptor
        do throws(Errno) {
            shared = SharedDescriptor(try archive.duplicate())
        } catch {
            throw Fault(.internal, subject: "archive: \(error)")
        }
        // The closures live as long as the readings, which end before this function does.
        return try withoutActuallyEscaping(progress) { progress throws(Fault) in
            try withoutActuallyEscaping(isCancelled) { isCancelled throws(Fault) in
                let makeTree = { (log: NormalisationLog?) in
                    TarTree(
                        into: sink, keepsOwners: options.keepsOwners, log: log,
                        progress: progress, wait: options.wait, isCancelled: isCancelled)
                }
                let outer = makeTree(options.kind == .image ? nil : log)
                try outer.add(shared, isSealed: options.isSealed)
                let tree = try outer.tree()
                guard options.kind != .tree else { return tree }
                guard let image = try ImageArchive(tree, open: open) else {
                    guard options.kind != .image else {
                        throw .invalid(.fileMissing, subject: "index.json")
                    }
                    return tree
                }
                log?.clear()
                let layers = try image.layers(
                    for: options.architecture, named: options.image)
                let layered = makeTree(log)
                for layer in layers {
                    let file = SharedDescriptor(try open(layer.blob))
                    try layered.addLayer(layer, file, outerBytes: outer.archiveBytes)
                }
                return try layered.tree()
            }
        }
    }
}
