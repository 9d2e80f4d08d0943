// What a container image becomes, layer by layer, and what it is refused for.

import Interfaces
import ServiceModel
import SharedCrypto
import Syscalls
import Testing
import box_builder

@Suite("A container image")
struct ImageArchiveTests {
    @Test("is its layers, one over the other")
    func layers() throws {
        let image = Image(layers: [
            Tar().directory("etc", mode: 0o700).file("etc/a", "first").file("etc/b", "kept")
                .file("kind", "a file").directory("was/deep").file("was/deep/x", ""),
            Tar().directory("etc").file("etc/a", "second").directory("kind").file("was", "now"),
        ])
        let tree = try image.layout().imported()
        #expect(Paths.of(tree) == ["etc", "etc/a", "etc/b", "kind", "was"])
        #expect(tree.entry(at: ["etc"])?.attributes.mode == 0o040755)
        #expect(tree.entry(at: ["etc", "a"])?.content == Image.content("second"))
        #expect(tree.count == 5)
    }

    @Test(
        "loses what a whiteout names, and only of the layers below",
        arguments: [
            (Tar().file("d/.wh.a", ""), ["d", "d/b", "d/e", "d/e/f", "top"]),
            (Tar().file("d/.wh.e", ""), ["d", "d/a", "d/b", "top"]),
            (Tar().file(".wh.d", ""), ["top"]),
            (Tar().file("d/.wh.none", ""), ["d", "d/a", "d/b", "d/e", "d/e/f", "top"]),
            (Tar().file("none/.wh.a", ""), ["d", "d/a", "d/b", "d/e", "d/e/f", "top"]),
            // Whatever stands first in the layer.
            (
                Tar().file("d/a", "new").file("d/.wh.a", ""),
                ["d", "d/a", "d/b", "d/e", "d/e/f", "top"]
            ),
            (Tar().directory("d").file("d/n", "").file(".wh.d", ""), ["d", "d/n", "top"]),
            (Tar().file(".wh.d", "").directory("d").file("d/n", ""), ["d", "d/n", "top"]),
            (Tar().file("d/.wh..wh..opq", "").file("d/n", ""), ["d", "d/n", "top"]),
            (Tar().file("d/n", "").file("d/.wh..wh..opq", ""), ["d", "d/n", "top"]),
            (Tar().file("d/e/n", "").file("d/.wh..wh..opq", ""), ["d", "d/e", "d/e/n", "top"]),
            (Tar().file(".wh..wh..opq", ""), []),
            // What a union file system kept for itself.
            (
                Tar().file(".wh..wh.plnk/1.2", "").file(".wh..wh.aufs", ""),
                [
                    "d", "d/a", "d/b", "d/e", "d/e/f", "top",
                ]
            ),
        ])
    func whiteouts(upper: Tar, left: [String]) throws {
        let lower = Tar().file("d/a", "").file("d/b", "").file("d/e/f", "").file("top", "")
        #expect(Paths.of(try Image(layers: [lower, upper]).layout().imported()) == left)
    }

    @Test(
        "is refused for a whiteout that leads elsewhere",
        arguments: [
            (".wh...", Fault.Reason.pathEscapes), ("d/.wh...", .pathEscapes),
            ("../.wh.a", .pathEscapes), ("/.wh.a", .pathAbsolute), (".wh.", .badName),
            (".wh..", .badName),
        ])
    func badWhiteout(name: String, reason: Fault.Reason) {
        let image = Image(layers: [Tar().file("a", ""), Tar().file(name, "")])
        let fault = #expect(throws: Fault.self) { try image.layout().imported() }
        #expect(fault?.reason == reason)
    }

    @Test("is put through a link of a layer below, as where it was made")
    func throughLink() throws {
        let image = Image(layers: [
            Tar().directory("usr/lib").link("lib", "usr/lib"),
            Tar().file("lib/x", "x").file("lib/.wh.none", ""),
        ])
        #expect(Paths.of(try image.layout().imported()) == ["lib", "usr", "usr/lib", "usr/lib/x"])
        let loop = Image(layers: [Tar().link("a", "b").link("b", "a"), Tar().file("a/x", "")])
        #expect(throws: Fault.self) { try loop.layout().imported() }
    }

    @Test("follows no more links to a file than a kernel, however they lead through one another")
    func linksThroughLinks() throws {
        // Each leads through the next one twice: the first to the root, by 2^n - 1 of them.
        func links(_ count: Int) -> Tar {
            (1..<count).reduce(Tar().link("l0", "/")) { tar, number in
                tar.link("l\(number)", "/l\(number - 1)/l\(number - 1)")
            }
        }
        let few = Image(layers: [links(5), Tar().file("l4/x", "x").file("l4/.wh.l0", "")])
        #expect(Paths.of(try few.layout().imported()) == ["l1", "l2", "l3", "l4", "x"])
        let many = Image(layers: [links(40), Tar().file("l39/x", "x")])
        #expect(throws: Fault.self) { try many.layout().imported() }
        let whiteout = Image(layers: [links(40), Tar().file("l39/.wh.l0", "")])
        #expect(try whiteout.layout().imported().count == 40)
    }

    @Test("is refused for a blob that is not what its digest says, or as long as it says")
    func digests() throws {
        var image = Image(layers: [Tar().file("a", "")])
        image.alter = { $0.hasPrefix("blobs/") ? $1 + [0] : $1 }
        #expect(throws: Fault.self) { try image.layout().imported() }
        for altered in image.blobNames {
            var image = image
            image.alter = { $0 == altered ? $1.dropLast() + [($1.last ?? 0) ^ 1] : $1 }
            let fault = #expect(throws: Fault.self) { try image.layout().imported() }
            #expect(fault?.code == .corrupt)
            #expect(fault?.subject == altered)
            image.alter = { $0 == altered ? nil : $1 }
            let missing = #expect(throws: Fault.self) { try image.layout().imported() }
            #expect(missing?.reason == .fileMissing)
        }
        image.alter = { $1 }
        image.sizeError = 1
        #expect(#expect(throws: Fault.self) { try image.layout().imported() }?.code == .corrupt)
        // What is no size says nothing that could be compared.
        (image.sizeError, image.sizeSuffix) = (0, "000000000000000000000000")
        let fault = #expect(throws: Fault.self) { try image.layout().imported() }
        #expect(fault?.reason == .wrongType)
    }

    @Test(
        "is refused where a layer is not the one its configuration names, in either form",
        arguments: [
            (["sha256:" + String(repeating: "0", count: 64)], Fault.Code.corrupt),
            (["sha256:00"], .invalid), (["00"], .invalid), (["md5:00"], .unsupported),
            ([], .invalid),
        ])
    func plainNames(names: [String], code: Fault.Code) {
        var image = Image(layers: [Tar().file("a", ""), Tar().file("b", "")])
        image.plainNames = { Array($0.prefix(1)) + names }
        for archive in [image.layout(), image.saved()] {
            let fault = #expect(throws: Fault.self) { try archive.imported() }
            #expect(fault?.code == code)
            #expect(code != .corrupt || fault?.lines.first?.contains("diff_id sha256:0") == true)
        }
    }

    @Test("of several is the one for the architecture, or none")
    func architectures() throws {
        let image = Image(layers: [Tar().file("amd", "")], others: [Tar().file("arm", "")])
        #expect(Paths.of(try image.layout().imported()) == ["amd"])
        #expect(Paths.of(try image.layout().imported(architecture: "linux/arm64")) == ["arm"])
        let fault = #expect(throws: Fault.self) {
            try image.layout().imported(architecture: "linux/riscv64")
        }
        #expect(fault?.code == .unsupported)
        #expect(fault?.lines == ["linux/amd64", "linux/arm64"])
    }

    @Test("of several may be the only one that is there, and the others are named in vain")
    func sparse() throws {
        var image = Image(layers: [Tar().file("amd", "")], others: [Tar().file("arm", "")])
        let kept = Image(layers: image.layers).blobNames
        image.alter = { kept.contains($0) ? $1 : nil }
        #expect(Paths.of(try image.layout().imported()) == ["amd"])
        let fault = #expect(throws: Fault.self) {
            try image.layout().imported(architecture: "linux/arm64")
        }
        #expect(fault?.reason == .fileMissing && fault?.subject.hasPrefix("blobs/") == true)
    }

    @Test("is chosen by its name where there are several")
    func names() throws {
        let image = Image(layers: [Tar().file("a", "")], name: "app:1")
        #expect(Paths.of(try image.layout().imported(named: "app:1")) == ["a"])
        #expect(Paths.of(try image.layout().imported(named: "1")) == ["a"])
        let fault = #expect(throws: Fault.self) { try image.layout().imported(named: "2") }
        #expect(fault?.code == .notFound)
        #expect(fault?.lines == ["app:1"])
    }

    @Test("may be what docker save writes, links between its layers as well")
    func saved() throws {
        let layer = Tar().file("a", "")
        var image = Image(layers: [layer, Tar().file("b", "")])
        #expect(Paths.of(try image.saved().imported()) == ["a", "b"])
        image.alter = { $0.hasSuffix("layer.tar") ? layer.bytes + [0] : $1 }
        let fault = #expect(throws: Fault.self) { try image.saved().imported() }
        #expect(fault?.code == .corrupt)
    }

    @Test("is a tree like any other where a tree is asked for")
    func asked() throws {
        let image = Image(layers: [Tar().file("a", "")]).layout()
        #expect(Paths.of(try image.imported(kind: .tree)).contains("oci-layout"))
        let tree = Tar().file("a", "").file("manifest.json", "[]")
        #expect(Paths.of(try tree.imported(kind: .unspecified)) == ["a", "manifest.json"])
        let fault = #expect(throws: Fault.self) { try tree.imported(kind: .image) }
        #expect(fault?.reason == .fileMissing)
    }

    @Test("tells what was not kept, by kind")
    func told() throws {
        let log = NormalisationLog()
        let tree = Tar().file("s", "", mode: 0o4755).file("a", "1").file("a", "2")
            .hardLink("h", "a")
        _ = try tree.imported(kind: .tree, log: log)
        let told = log.messages()
        #expect(told.map(\.what) == [.setID, .hardLink, .replaced])
        #expect(told.flatMap(\.entries).map(\.path) == ["s", "h", "a"])
        #expect(told.flatMap(\.entries).map(\.had) == ["4755", "a", ""])
    }
}

enum Paths {
    /// All of a tree, in its order.
    static func of(_ tree: FileTree) -> [String] { of(tree.entries, "") }

    private static func of(_ entries: [TreeEntry], _ above: String) -> [String] {
        entries.flatMap { entry -> [String] in
            guard case .directory(let below) = entry.content else { return [above + entry.name] }
            return [above + entry.name] + of(below, "\(above)\(entry.name)/")
        }
    }
}

/// Keeps contents by their digests.
final class BlobSink: ContentSink {
    private(set) var contents: [ContentDigest: [UInt8]] = [:]
    private var open: [UInt8] = []

    func begin() throws(Fault) { open = [] }

    func append(_ bytes: RawSpan) throws(Fault) {
        // SAFETY: the span outlives the call.
        unsafe bytes.withUnsafeBytes { unsafe open.append(contentsOf: $0) }
    }

    func finish() throws(Fault) -> ContentDigest {
        guard let digest = ContentDigest(Array(SHA256.hash(data: open))) else {
            throw Fault(.internal)
        }
        contents[digest] = open
        return digest
    }

    func discard() { open = [] }
}

extension Tar {
    func imported(
        kind: SourceKind = .image, architecture: String = "linux/amd64", named: String = "",
        log: NormalisationLog? = nil
    ) throws -> FileTree {
        let sink = BlobSink()
        return try BoxSource.read(
            try Memfd.sealed(bytes),
            BoxSource.Options(kind: kind, image: named, architecture: architecture), into: sink,
            open: { digest throws(Fault) in
                do throws(Errno) {
                    return try Memfd.sealed(sink.contents[digest] ?? [])
                } catch {
                    throw Fault(.internal)
                }
            }, log: log, progress: { _, _ in }, isCancelled: { false })
    }
}

/// An image, and its archive in either form.
struct Image {
    var layers: [Tar]
    /// The layers for another architecture.
    var others: [Tar]?
    var name = "latest"
    /// What a file of the archive has instead; nil leaves it out.
    var alter: @Sendable (_ name: String, _ content: [UInt8]) -> [UInt8]? = { $1 }
    var sizeError = 0
    /// Behind the digits of each size.
    var sizeSuffix = ""
    /// What the configuration names the layers by.
    var plainNames: @Sendable ([String]) -> [String] = { $0 }

    init(layers: [Tar], others: [Tar]? = nil, name: String = "latest") {
        self.layers = layers
        self.others = others
        self.name = name
    }

    static func content(_ text: String) -> TreeEntry.Content? {
        ContentDigest(Array(SHA256.hash(data: Array(text.utf8)))).map {
            .file($0, bytes: UInt64(text.utf8.count))
        }
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        ContentDigest(Array(SHA256.hash(data: bytes)))?.hex ?? ""
    }

    private func config(_ layers: [Tar], _ architecture: String) -> [UInt8] {
        let names = plainNames(layers.map { "sha256:\(Self.hex($0.bytes))" })
        let ids = names.map { "\"\($0)\"" }.joined(separator: ",")
        let text = """
            {"architecture":"\(architecture)","os":"linux","rootfs":{"type":"layers","diff_ids":[\(ids)]}}
            """
        return Array(text.utf8)
    }

    private func descriptor(_ bytes: [UInt8], _ more: String = "") -> String {
        """
        {"mediaType":"application/tar","digest":"sha256:\(Self.hex(bytes))",\
        "size":\(bytes.count + sizeError)\(sizeSuffix)\(more)}
        """
    }

    private func blobs() -> [[UInt8]] {
        [(layers, "amd64"), (others ?? [], "arm64")].filter { !$0.0.isEmpty }.flatMap {
            layers, architecture in
            let config = config(layers, architecture)
            return layers.map(\.bytes) + [config, manifest(layers, config)]
        }
    }

    var blobNames: [String] { blobs().map { "blobs/sha256/\(Self.hex($0))" } }

    private func manifest(_ layers: [Tar], _ config: [UInt8]) -> [UInt8] {
        let list = layers.map { descriptor($0.bytes) }.joined(separator: ",")
        return Array(
            "{\"schemaVersion\":2,\"config\":\(descriptor(config)),\"layers\":[\(list)]}".utf8)
    }

    /// An OCI image layout, blobs before what names them.
    func layout() -> Tar {
        let sets = [(layers, "amd64"), (others ?? [], "arm64")].filter { !$0.0.isEmpty }
        let list = sets.map { layers, architecture in
            let platform =
                others == nil
                ? "" : ",\"platform\":{\"os\":\"linux\",\"architecture\":\"\(architecture)\"}"
            let annotation =
                ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"\(name)\"}"
            return descriptor(manifest(layers, config(layers, architecture)), platform + annotation)
        }.joined(separator: ",")
        var archive = Tar()
        for blob in blobs() {
            let name = "blobs/sha256/\(Self.hex(blob))"
            if let content = alter(name, blob) { archive = archive.file(name, content) }
        }
        return archive.file("index.json", "{\"schemaVersion\":2,\"manifests\":[\(list)]}")
            .file("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}")
    }

    /// What `docker save` writes, its second layer by way of a link.
    func saved() -> Tar {
        let config = config(layers, "amd64")
        var archive = Tar().file("\(Self.hex(config)).json", config)
        var names: [String] = []
        for (index, layer) in layers.enumerated() {
            let name = "l\(index)/layer.tar"
            names.append("\"\(name)\"")
            guard let content = alter(name, layer.bytes) else { continue }
            archive =
                index == 1
                ? archive.file("plain-\(index).tar", content).link(name, "../plain-\(index).tar")
                : archive.file(name, content)
        }
        let list = """
            [{"Config":"\(Self.hex(config)).json","RepoTags":["app:1"],\
            "Layers":[\(names.joined(separator: ","))]}]
            """
        return archive.file("manifest.json", list)
    }
}
