import Syscalls

/// A local image that a FROM names: "NAME=LAYOUT", where a layout is a path and perhaps a tag.
struct BaseImage {
    let name: String
    let path: String
    /// ":12", or nothing.
    let reference: String

    init(_ words: String) throws(Complaint) {
        guard let equals = words.firstIndex(of: "="), equals != words.startIndex else {
            throw Complaint(
                "\"\(words)\" names no base image.",
                hint: "Write it as NAME=LAYOUT: --base debian:12=./debian-layout", code: .usage)
        }
        try self.init(
            String(words[..<equals]), at: String(words[words.index(after: equals)...]))
    }

    /// A path may have a colon in it; what stands behind the first one that makes a path is a tag.
    init(_ name: String, at layout: String) throws(Complaint) {
        let colons = layout.indices.filter { layout[$0] == ":" } + [layout.endIndex]
        guard let end = colons.first(where: { File.exists(String(layout[..<$0])) }) else {
            throw Complaint(
                "There is no \(layout).",
                hint: "A base image is here already: skopeo copy SOURCE oci:LAYOUT:TAG",
                code: .notFound)
        }
        self.name = name
        path = String(layout[..<end])
        reference = String(layout[end...])
    }

    /// How buildah may find it there; the likeliest first.
    var transports: [String] {
        ProjectFiles.isFolder(path) ? ["oci"] : ["docker-archive", "oci-archive"]
    }

    func canonicalPath() throws(Errno) -> String {
        let opened = try File.open(path)
        return String(decoding: try File.readLink(opened.procPath()), as: UTF8.self)
    }
}
