// The codec that is a zip.

import Interfaces
import ServiceModel
import Syscalls

/// The codec for people: documents and files in a zip.
extension BoxExporter {
    /// Writes the `json+zip` codec: "service.json", "attributes.json" for what a zip cannot say, and
    /// the tree below "filesystem/", each directory before what is in it.
    ///
    /// - Throws: UNSUPPORTED for a box whose values would have another id.
    func zip(
        _ record: BoxRecord, _ form: StoredForm, _ summary: inout ExportSummary,
        _ put: ([UInt8]) throws(Fault) -> Void, _ progress: (ExportProgress) -> Void
    ) throws(Fault) {
        let (service, tree) = try values(record, form, BoxZip.codec)
        let described: [UInt8]
        let attributes: [UInt8]
        do throws(ServiceJSON.NotExpressible) {
            described = try ServiceJSON.frame(service, filesystem: false).before
            attributes = try TreeAttributesJSON.write(tree)
        } catch {
            throw Self.inexpressible(record, BoxZip.codec)
        }
        guard BoxZip.canSay(tree.entries) else {
            throw Self.inexpressible(record, BoxZip.codec)
        }
        var step = ExportProgress()
        step.bytesTotal = tree.contentBytes
        var written: UInt64 = 0
        try TextEncoding.withUTF8 { () throws(Fault) in
            let writer = try ZipWriter()
            func flush(all: Bool = false) throws(Fault) {
                guard all || writer.readyBytes >= StoredForm.stepBytes else { return }
                let bytes = writer.take()
                written += UInt64(bytes.count)
                try put(bytes)
            }
            func file(_ name: String, _ bytes: [UInt8]) throws(Fault) {
                try writer.begin(
                    name, mode: FileAttributes.typeRegular | 0o644,
                    .file(bytes: UInt64(bytes.count)))
                try writer.add(bytes[...], of: name)
                try flush()
            }
            func add(_ entries: [TreeEntry], below folder: String) throws(Fault) {
                for entry in entries {
                    let path = folder + entry.name
                    let mode = entry.attributes.mode
                    switch entry.content {
                    case .directory(let inside):
                        try writer.begin(path, mode: mode, .directory)
                        try add(inside, below: path + "/")
                    case .link(let target):
                        try writer.begin(path, mode: mode, .link(text: entry.linkText ?? target))
                    case .file(let digest, let bytes):
                        try writer.begin(path, mode: mode, .file(bytes: bytes))
                        guard bytes > 0 else { break }
                        try store.forEachRun(of: digest) { run throws(Fault) in
                            try writer.add(run, of: path)
                            step.bytes += UInt64(run.count)
                            progress(step)
                            try flush()
                        }
                    }
                    try flush()
                }
            }
            try file(BoxZip.service, described)
            try file(BoxZip.attributes, attributes)
            try add(tree.entries, below: BoxZip.folder)
            try writer.finish()
            try flush(all: true)
        }
        summary.bytes = written
    }
}

/// What the parts of a box are called in a zip.
enum BoxZip {
    static let codec = "json+zip"
    static let service = "service.json"
    static let attributes = "attributes.json"
    static let folder = "filesystem/"

    /// Whether each link's text leads where it leads.
    static func canSay(_ entries: [TreeEntry]) -> Bool {
        entries.allSatisfy { entry in
            switch entry.content {
            case .file: true
            case .directory(let below): canSay(below)
            case .link(let target):
                entry.linkText != nil
                    || FileTree.resolve(target, in: []).utf8.elementsEqual(target.utf8)
            }
        }
    }
}
