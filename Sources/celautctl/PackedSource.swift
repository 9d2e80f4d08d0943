import Interfaces
import Syscalls

/// What is sent of a project: an archive that is there, or a folder that is archived on the way.
struct PackedSource {
    let root: String
    let kind: SourceKind
    let imageName: String
    let parcel: Parcel
    /// nil for an archive.
    private var folder: Folder?

    private struct Folder {
        let files: PackFiles
        let description: String
        let sending: FolderSending
    }

    /// A node that can is told of the tree ahead, and of the archive's end.
    var isAhead: Bool { parcel.count > 2 }

    /// Opens an archive as it is.
    ///
    /// - Parameter made: what of the user's it was made of, where it is not the user's.
    static func archive(
        _ archive: String, description: String, _ kind: SourceKind, imageName: String = "",
        of made: String? = nil
    ) throws(Complaint) -> PackedSource {
        do throws(Errno) {
            let tree =
                archive == "-" ? Terminal.duplicate(.input) : .some(try File.open(archive))
            guard let tree else { throw Errno.noEntry }
            let parcel = Parcel(tree)
            parcel.append(try File.open(description))
            return PackedSource(
                root: made ?? archive, kind: kind, imageName: imageName, parcel: parcel)
        } catch {
            throw Complaint(
                "\(archive) or \(description) cannot be read: \(error).", code: .notFound)
        }
    }

    /// Has a folder archived while it is sent.
    static func folder(
        _ folder: String, _ files: PackFiles, description: String, _ kind: SourceKind,
        imageName: String = "", isAhead: Bool = true
    ) throws(Complaint) -> PackedSource {
        do throws(Errno) {
            // Of an image the layers are hashed, not its own files.
            let isImage = kind == .image || File.exists("\(folder)/oci-layout")
            let sending = try FolderSending(
                folder, files, description: description, isAhead: isAhead, isTold: !isImage)
            return PackedSource(
                root: folder, kind: kind, imageName: imageName, parcel: sending.parcel,
                folder: Folder(files: files, description: description, sending: sending))
        } catch {
            throw Complaint(
                "\(folder) or \(description) cannot be read: \(error).", code: .notFound)
        }
    }

    /// The same for a node that takes archives only; nil where it is one.
    func alone() throws(Complaint) -> PackedSource? {
        guard isAhead, let folder else { return nil }
        // Nobody reads the first archive any more.
        parcel.close()
        return try .folder(
            root, folder.files, description: folder.description, kind, imageName: imageName,
            isAhead: false)
    }

    /// Waits for the archiver.
    ///
    /// - Parameter fault: what the node said; nil where it has made the box.
    /// - Returns: the archiver's own failure; nil where there is none.
    func complaint(after fault: Fault?) -> Complaint? {
        // Only a stream that ended early can be the archiver's doing.
        if let fault, fault.reason != .truncated { return nil }
        guard let folder else { return nil }
        parcel.close()
        return folder.sending.end()
    }
}
