// libarchive, as far as a box that comes as a zip needs it.

internal import CArchive
internal import Interfaces
internal import Syscalls

/// Reads a zip in a file by its directory: the entries that stand there, in its order.
///
/// Names come as the bytes they are, where none is marked as UTF-8 (see `ZipDirectory`) and the
/// thread's encoding is ASCII. Refuses what cannot be read, encrypted entries and contents that are
/// not what was declared.
@safe final class ZipReader {
    struct Header {
        enum Kind {
            case file, directory, special
            case link(text: [UInt8])
        }

        let path: [UInt8]
        let kind: Kind
        /// The twelve permission bits.
        let permissions: UInt32
        /// nil where the directory does not say.
        let bytes: UInt64?
    }

    // LIMIT: bytes of one read of the file.
    private static let readBytes = 65_536

    private let archive: OpaquePointer

    /// - Parameter file: at its start; read while this object lives.
    init(_ file: borrowing Descriptor) throws(Fault) {
        // SAFETY (all of this type): the handle is made here, used by one thread and freed in deinit;
        // entries and texts that it owns are copied before its next call.
        guard let archive = unsafe archive_read_new() else {
            throw Fault(.internal, subject: "archive_read_new")
        }
        unsafe self.archive = archive
        unsafe archive_read_support_format_zip_seekable(archive)
        guard unsafe archive_read_open_fd(archive, file.raw, Self.readBytes) == ARCHIVE_OK else {
            throw failure("zip")
        }
    }

    deinit {
        // SAFETY: made in init, freed once.
        unsafe archive_read_free(archive)
    }

    /// nil at the end.
    func next() throws(Fault) -> Header? {
        var entry: OpaquePointer?
        let result = unsafe archive_read_next_header(archive, &entry)
        if result == ARCHIVE_EOF { return nil }
        guard result == ARCHIVE_OK, let entry = unsafe entry else { throw failure("zip") }
        guard let name = unsafe archive_entry_pathname(entry) else {
            throw .invalid(.badName, subject: "zip")
        }
        let path = unsafe Self.bytes(name)
        guard unsafe archive_entry_is_encrypted(entry) == 0 else {
            throw Fault(.unsupported, subject: EntryPath.shown(path))
        }
        let kind: Header.Kind
        switch UInt32(unsafe archive_entry_filetype(entry)) {
        case 0o100000: kind = .file
        case 0o040000: kind = .directory
        case 0o120000:
            guard let text = unsafe archive_entry_symlink(entry) else {
                throw .invalid(.badName, subject: EntryPath.shown(path))
            }
            kind = .link(text: unsafe Self.bytes(text))
        default: kind = .special
        }
        let isSized = unsafe archive_entry_size_is_set(entry) != 0
        return Header(
            path: path, kind: kind, permissions: UInt32(unsafe archive_entry_perm(entry)),
            bytes: isSized ? UInt64(clamping: unsafe archive_entry_size(entry)) : nil)
    }

    /// Reads content of the entry whose header was last; 0 is its end.
    func read(into buffer: inout [UInt8], of name: String) throws(Fault) -> Int {
        // SAFETY: libarchive writes inside the array, which is ours alone during the call.
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe archive_read_data(archive, bytes.baseAddress, bytes.count)
        }
        guard count >= 0 else { throw failure(name) }
        return count
    }

    private static func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
        var bytes: [UInt8] = []
        var next = unsafe text
        while unsafe next.pointee != 0 {
            bytes.append(UInt8(bitPattern: unsafe next.pointee))
            unsafe next += 1
        }
        return bytes
    }

    private func failure(_ name: String) -> Fault {
        let text = unsafe archive_error_string(archive)
        let words = String(decoding: unsafe text.map { unsafe Self.bytes($0) } ?? [], as: UTF8.self)
        let isTruncated = words.lowercased().contains("truncated")
        return Fault(
            .invalid, reason: isTruncated ? .truncated : .malformed, subject: name,
            lines: [words])
    }
}
