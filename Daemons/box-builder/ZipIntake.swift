import Interfaces
import ServiceModel
import Syscalls

/// Takes a box in the `json+zip` codec: keeps the zip in a file until it is whole, because a zip is
/// read by the directory at its end; then its contents, and the id over the canonical form.
///
/// Refuses entries beside the two documents and the tree, an entry twice, what is neither file,
/// directory nor link, and contents past what so small a zip may hold.
final class ZipIntake {
    // LIMIT: bytes of a content read in one step.
    private static let stepBytes = 131_072

    private let store: ObjectStore
    private let contents: ImportedContents
    private let file: StagedFile
    private var zipBytes: UInt64 = 0
    /// Bytes of the texts of links.
    private var linkBytes: UInt64 = 0
    private var contentBytes: UInt64 = 0
    private var buffer = [UInt8](repeating: 0, count: stepBytes)

    init(_ store: ObjectStore, _ contents: ImportedContents) throws(Fault) {
        self.store = store
        self.contents = contents
        do throws(Errno) {
            file = try StagedFile(in: store.staging)
        } catch {
            throw StoreFault.storing(error, "staging")
        }
    }

    func feed(_ run: ArraySlice<UInt8>) throws(Fault) {
        zipBytes += UInt64(run.count)
        try ServiceIntake.check(contentBytes: zipBytes, UInt64(run.count))
        do throws(Errno) {
            // SAFETY: bytes have no padding.
            try unsafe File.writeAll(file.descriptor, run.span.bytes)
        } catch {
            throw StoreFault.storing(error, "staging")
        }
    }

    /// There is no more.
    func finish(
        _ forms: ImportedContents, _ isCancelled: () -> Bool
    ) throws(Fault) -> ServiceIntake.Result {
        let declared = try ZipDirectory.takeMarks(off: file.descriptor, bytes: zipBytes)
        do throws(Errno) {
            try File.seek(file.descriptor, to: 0)
        } catch {
            throw StoreFault.storing(error, "staging")
        }
        let (service, tree) = try TextEncoding.withASCII { () throws(Fault) in
            try read(isCancelled)
        }
        // A text is read to its first NUL, and never past its declared end.
        guard linkBytes == declared else {
            throw .invalid(
                .badName, subject: "text of a link in the zip", limit: declared, actual: linkBytes)
        }
        try contents.drain()
        return try ServiceIntake.Result(service, tree, store, forms, isCancelled)
    }

    private func read(_ isCancelled: () -> Bool) throws(Fault) -> (Service, FileTree) {
        let reader = try ZipReader(file.descriptor)
        let builder = TreeBuilder()
        var described: [UInt8]?
        var attributes: [UInt8]?
        var entries = 0
        while let header = try reader.next() {
            guard !isCancelled() else { throw .cancelled }
            let folder = Array(BoxZip.folder.utf8)
            if header.path.elementsEqual(BoxZip.service.utf8), described == nil {
                described = try document(reader, header, ServiceJSONReader.bytesMax)
            } else if header.path.elementsEqual(BoxZip.attributes.utf8), attributes == nil {
                attributes = try document(reader, header, TreeAttributesJSON.bytesMax)
            } else if header.path == folder, case .directory = header.kind {
                continue
            } else if header.path.starts(with: folder) {
                let path = try EntryPath(Array(header.path.dropFirst(folder.count)))
                try add(header, at: path, reader, builder, isCancelled)
                entries += 1
                guard builder.named == entries else {
                    throw .invalid(.duplicate, subject: path.text)
                }
            } else {
                throw .invalid(.unknownKey, subject: EntryPath.shown(header.path))
            }
        }
        guard let described else { throw .invalid(.fileMissing, subject: BoxZip.service) }
        var tree = builder.tree()
        return (try service(described, attributes, &tree), tree)
    }

    private func service(
        _ described: [UInt8], _ attributes: [UInt8]?, _ tree: inout FileTree
    ) throws(Fault) -> Service {
        let document: JSONValue
        do throws(JSONError) {
            document = try JSONReader.read(described)
        } catch {
            throw StoreFault.canonical(CanonicalError(error, path: BoxZip.service))
        }
        do throws(CanonicalError) {
            if let attributes { try TreeAttributesJSON.apply(attributes, to: &tree) }
            return try ServiceJSON.read(document)
        } catch {
            throw StoreFault.canonical(error)
        }
    }

    private func add(
        _ header: ZipReader.Header, at path: EntryPath, _ reader: ZipReader,
        _ builder: TreeBuilder, _ isCancelled: () -> Bool
    ) throws(Fault) {
        switch header.kind {
        case .directory:
            try builder.addDirectory(
                path, FileAttributes(mode: FileAttributes.typeDirectory | header.permissions))
        case .link(let text):
            linkBytes += UInt64(text.count)
            try builder.addLink(
                path, target: text, FileAttributes(mode: FileAttributes.typeLink | 0o777))
        case .special: throw .invalid(.specialFile, subject: path.text)
        case .file:
            try builder.checkFile(path)
            let start = contentBytes
            try contents.begin()
            try copy(reader, header, path.text, isCancelled) { run throws(Fault) in
                // SAFETY: bytes have no padding.
                try unsafe contents.append(run.span.bytes)
            }
            try builder.addFile(
                path, FileAttributes(mode: FileAttributes.typeRegular | header.permissions),
                digest: try contents.finish(), bytes: contentBytes - start)
        }
    }

    /// A document, which is held.
    private func document(
        _ reader: ZipReader, _ header: ZipReader.Header, _ limit: Int
    ) throws(Fault) -> [UInt8] {
        let name = EntryPath.shown(header.path)
        var bytes: [UInt8] = []
        try copy(reader, header, name, { false }) { run throws(Fault) in
            bytes += run
            guard bytes.count <= limit else {
                throw .tooLarge(subject: name, limit: UInt64(limit), actual: UInt64(bytes.count))
            }
        }
        return bytes
    }

    /// Gives the content of an entry, measured against what its directory declares and against what
    /// the zip has.
    private func copy(
        _ reader: ZipReader, _ header: ZipReader.Header, _ name: String,
        _ isCancelled: () -> Bool, _ give: (ArraySlice<UInt8>) throws(Fault) -> Void
    ) throws(Fault) {
        let expanded = TarTree.expansionBytesFree + zipBytes * TarTree.expansionMax
        let most = min(TarTree.contentBytesMax, expanded)
        let start = contentBytes
        while true {
            guard !isCancelled() else { throw .cancelled }
            let count = try reader.read(into: &buffer, of: name)
            if count == 0 { break }
            contentBytes += UInt64(count)
            guard contentBytes <= most else {
                throw .tooLarge(subject: name, limit: most, actual: contentBytes)
            }
            try give(buffer[..<count])
        }
        if let declared = header.bytes, declared != contentBytes - start {
            throw .invalid(
                .outOfRange, subject: name, limit: declared, actual: contentBytes - start)
        }
    }
}
