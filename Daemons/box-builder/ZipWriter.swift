// libarchive, as far as a box that leaves as a zip needs it.

internal import CArchive
internal import Interfaces
internal import Syscalls

/// Writes a zip as its entries are given, without output of its own.
///
/// Keeps true: names are UTF-8 and say so; no entry has a time of its own, so that the same box gives
/// the same bytes with the same library.
@safe final class ZipWriter {
    /// What libarchive gave and nobody took.
    private final class Output {
        var bytes: [UInt8] = []
    }

    private let archive: OpaquePointer
    private let output = Output()

    // LIMIT: the year 1980, where the times of a zip begin: seconds since 1970.
    private static let firstSeconds = 315_619_200

    init() throws(Fault) {
        // SAFETY (all of this type): the handle is made here, used by one thread and freed in deinit;
        // what is passed is copied during the call, and the output lives as long as this object.
        guard let archive = unsafe archive_write_new() else {
            throw Fault(.internal, subject: "archive_write_new")
        }
        unsafe self.archive = archive
        unsafe archive_write_set_format_zip(archive)
        unsafe archive_write_set_options(archive, "zip:hdrcharset=UTF-8")
        unsafe archive_write_set_bytes_per_block(archive, 0)
        unsafe archive_write_set_bytes_in_last_block(archive, 1)
        let context = unsafe Unmanaged.passUnretained(output).toOpaque()
        let opened = unsafe archive_write_open(
            archive, context, nil,
            { _, context, start, count in
                guard let context = unsafe context else { return -1 }
                let output = unsafe Unmanaged<Output>.fromOpaque(context).takeUnretainedValue()
                let bytes = unsafe UnsafeRawBufferPointer(start: start, count: count)
                unsafe output.bytes.append(contentsOf: bytes)
                return count
            }, nil)
        try check(opened, "zip")
    }

    deinit {
        // SAFETY: made in init, freed once.
        unsafe archive_write_free(archive)
    }

    enum Entry {
        case file(bytes: UInt64)
        case directory
        case link(text: String)
    }

    /// - Parameter mode: with the bits of the type.
    func begin(_ path: String, mode: UInt32, _ content: Entry) throws(Fault) {
        guard let entry = unsafe archive_entry_new2(archive) else {
            throw Fault(.internal, subject: "archive_entry_new")
        }
        defer { unsafe archive_entry_free(entry) }
        unsafe archive_entry_set_pathname(entry, path)
        unsafe archive_entry_set_mode(entry, mode)
        unsafe archive_entry_set_mtime(entry, Self.firstSeconds, 0)
        switch content {
        case .file(let bytes):
            unsafe archive_entry_set_size(entry, Int64(clamping: bytes))
        case .directory: unsafe archive_entry_set_size(entry, 0)
        case .link(let text): unsafe archive_entry_set_symlink(entry, text)
        }
        try check(unsafe archive_write_header(archive, entry), path)
    }

    /// More of the content of the file that began last.
    func add(_ run: ArraySlice<UInt8>, of path: String) throws(Fault) {
        let written = unsafe run.withUnsafeBytes { bytes in
            unsafe archive_write_data(archive, bytes.baseAddress, bytes.count)
        }
        guard written == run.count else {
            throw Fault(.internal, subject: path, lines: [words])
        }
    }

    func finish() throws(Fault) {
        try check(unsafe archive_write_close(archive), "zip")
    }

    /// What is ready to be written. All of it after `finish`.
    func take() -> [UInt8] {
        defer { output.bytes = [] }
        return output.bytes
    }

    var readyBytes: Int { output.bytes.count }

    private func check(_ result: Int32, _ name: String) throws(Fault) {
        guard result == ARCHIVE_OK else {
            throw Fault(.internal, subject: name, lines: [words])
        }
    }

    private var words: String {
        // SAFETY: see init; the text is copied.
        guard let text = unsafe archive_error_string(archive) else { return "" }
        return unsafe String(cString: text)
    }
}
