// libarchive, as far as a box needs it: the entries of a tar in order, and their bytes.

internal import CArchive
internal import Interfaces
internal import Syscalls

/// Where the archive's bytes come from: a descriptor whose sender may be slow, silent or gone.
@safe final class TarSource: ArchiveBytes {
    // LIMIT: bytes of one read; a pipe holds as much.
    private static let readBytesMax = 262_144

    private let descriptor: SharedDescriptor
    private let wait: PeerWait
    private let isCancelled: () -> Bool
    private let buffer: UnsafeMutableRawBufferPointer
    /// The last bytes that came, as many as an end word has.
    private var tail: ArraySlice<UInt8> = []
    /// Why reading stopped, where it was not the end.
    private(set) var fault: Fault?

    init(
        _ descriptor: SharedDescriptor, _ wait: PeerWait, _ isCancelled: @escaping () -> Bool
    ) {
        self.descriptor = descriptor
        self.wait = wait
        self.isCancelled = isCancelled
        // SAFETY: libarchive reads from it until the next call of the read function or its own end,
        // which comes before this object's; freed once, below.
        unsafe buffer = .allocate(byteCount: Self.readBytesMax, alignment: 16)
    }

    deinit {
        // SAFETY: allocated above.
        unsafe buffer.deallocate()
    }

    func next() -> UnsafeRawBufferPointer? {
        do throws(Fault) {
            try wait.reading(descriptor.descriptor, "archive", isCancelled)
        } catch {
            fault = error
            return nil
        }
        do throws(Errno) {
            // SAFETY: the span ends with this block, the buffer with this object.
            var span = unsafe MutableRawSpan(_unsafeBytes: buffer)
            let count = try File.read(descriptor.descriptor, into: &span)
            wait.moved(count)
            let bytes = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
            let length = ArchiveEnd.word.count
            tail = unsafe (tail + bytes.suffix(length)).suffix(length)
            return unsafe bytes
        } catch {
            fault = Fault(.invalid, reason: .badDescriptor, subject: "archive: \(error)")
            return nil
        }
    }

    /// Reads what is left, which ends with the end word.
    func expectEndWord() throws(Fault) {
        while let more = unsafe next(), unsafe !more.isEmpty {}
        if let fault { throw fault }
        guard tail.elementsEqual(ArchiveEnd.word) else {
            throw .invalid(.truncated, subject: "archive")
        }
    }
}

/// One entry of an archive, before anything of it is believed.
struct TarHeader {
    enum Kind {
        case file, directory, special
        case link(target: [UInt8])
        case hardLink(target: [UInt8])
    }

    let path: [UInt8]
    let kind: Kind
    /// The twelve permission bits.
    let permissions: UInt32
    let uid: Int64
    let gid: Int64
    let hasTime: Bool
    /// Those named `user.…`; values as they are.
    let userAttributes: [(name: [UInt8], value: [UInt8])]
    /// The names of the others, access lists among them.
    let otherAttributes: [String]

    /// Links have none of their own (xattr(7)).
    var hasUserAttributes: Bool {
        switch kind {
        case .file, .directory: !userAttributes.isEmpty
        case .link, .hardLink, .special: false
        }
    }

    var isHardLink: Bool {
        if case .hardLink = kind { true } else { false }
    }
}

/// Keeps true: entries come in order, each once; a stream that ends before its end marker is told
/// as truncated, never as a smaller tree. One whose bytes were checked against a digest may do
/// without the marker, and without what fills its last block: `umoci insert` leaves both out.
@safe final class TarReader {
    // LIMIT: broken headers that are passed over in a row before the archive is given up.
    private static let retriesMax = 16

    private let archive: OpaquePointer
    private let source: any ArchiveBytes
    private let feed: ArchiveFeed
    private let isChecked: Bool
    /// Of the content of the last entry, as its header has it, what was not read yet. A file that
    /// ends in a hole may leave some: it reads as zeros.
    private(set) var contentBytesLeft: UInt64 = 0

    /// - Parameter isChecked: the bytes are known to be all there are.
    init(source: any ArchiveBytes, isChecked: Bool = false) throws(Fault) {
        self.isChecked = isChecked
        // SAFETY (all of this type): the handle is made here, used by one thread and freed in deinit;
        // entries and texts that it owns are copied before its next call.
        guard let archive = unsafe archive_read_new() else {
            throw Fault(.internal, subject: "archive_read_new")
        }
        unsafe self.archive = archive
        self.source = source
        feed = ArchiveFeed(source)
        unsafe archive_read_support_format_tar(archive)
        let opened = unsafe feed.open(archive)
        guard opened == ARCHIVE_OK else { throw failure(opened, of: "archive") }
    }

    deinit {
        // SAFETY: made in init, freed once.
        unsafe archive_read_free(archive)
    }

    /// The next entry's header; nil at the end.
    func next() throws(Fault) -> TarHeader? {
        var entry: OpaquePointer?
        for _ in 0..<Self.retriesMax {
            // SAFETY: libarchive sets the pointer to an entry of its own, valid until the next call.
            let result = unsafe archive_read_next_header(archive, &entry)
            switch result {
            case ARCHIVE_OK, ARCHIVE_WARN:
                guard let entry = unsafe entry else { throw Fault(.internal, subject: "archive") }
                return try unsafe header(entry)
            case ARCHIVE_EOF:
                try checkEndMarker()
                return nil
            case ARCHIVE_RETRY: continue
            default:
                if isChecked, isAtEnd { return nil }
                throw failure(result, of: "archive")
            }
        }
        throw .invalid(.malformed, subject: "archive")
    }

    /// Bytes of the descriptor that were taken so far, as they came (compressed or not).
    var sourceBytes: UInt64 {
        // SAFETY: see init.
        UInt64(clamping: unsafe archive_filter_bytes(archive, -1))
    }

    /// Reads content of the entry whose header was last; 0 is its end. Holes read as zeros.
    func read(into buffer: inout [UInt8], of name: String) throws(Fault) -> Int {
        // Not a byte more: libarchive would look for the block behind, which may not be there.
        let wanted = Int(min(UInt64(buffer.count), contentBytesLeft))
        guard wanted > 0 else { return 0 }
        // SAFETY: libarchive writes inside the array, which is ours alone during the call.
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe archive_read_data(archive, bytes.baseAddress, wanted)
        }
        guard count >= 0 else { throw failure(Int32(truncatingIfNeeded: count), of: name) }
        contentBytesLeft -= UInt64(count)
        return count
    }

    // SAFETY: see init; the entry is valid during the call.
    private func header(_ entry: OpaquePointer) throws(Fault) -> TarHeader {
        let path = unsafe Self.bytes(archive_entry_pathname(entry))
        // A name that libarchive could not read is not one we can refuse by name.
        guard let path else { throw .invalid(.badName, subject: "archive") }
        let permissions = UInt32(unsafe archive_entry_perm(entry))
        let kind: TarHeader.Kind
        if let target = unsafe Self.bytes(archive_entry_hardlink(entry)) {
            kind = .hardLink(target: target)
        } else {
            switch UInt32(unsafe archive_entry_filetype(entry)) {
            case 0o100000: kind = .file
            case 0o040000: kind = .directory
            case 0o120000:
                kind = .link(target: unsafe Self.bytes(archive_entry_symlink(entry)) ?? [])
            default: kind = .special
            }
        }
        let (kept, others) = unsafe attributes(entry)
        contentBytesLeft = UInt64(max(0, unsafe archive_entry_size(entry)))
        return TarHeader(
            path: path, kind: kind, permissions: permissions,
            uid: unsafe archive_entry_uid(entry), gid: unsafe archive_entry_gid(entry),
            hasTime: unsafe archive_entry_mtime_is_set(entry) != 0
                && (archive_entry_mtime(entry) != 0 || archive_entry_mtime_nsec(entry) != 0),
            userAttributes: kept, otherAttributes: others)
    }

    // SAFETY: see init; names and values are copied.
    private func attributes(
        _ entry: OpaquePointer
    ) -> (user: [(name: [UInt8], value: [UInt8])], others: [String]) {
        var user: [(name: [UInt8], value: [UInt8])] = []
        var others: [String] = []
        if unsafe archive_entry_acl_types(entry) != 0 { others.append("access list") }
        guard unsafe archive_entry_xattr_reset(entry) > 0 else { return (user, others) }
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var count = 0
        while unsafe archive_entry_xattr_next(entry, &name, &value, &count) == ARCHIVE_OK {
            guard let bytes = unsafe Self.bytes(name) else { continue }
            if bytes.starts(with: Array("user.".utf8)) {
                let content = unsafe UnsafeRawBufferPointer(start: value, count: count)
                user.append((bytes, unsafe Array(content)))
            } else {
                others.append(String(decoding: bytes, as: UTF8.self))
            }
        }
        return (user, others)
    }

    // SAFETY: a C string of the entry, copied.
    private static func bytes(_ text: UnsafePointer<CChar>?) -> [UInt8]? {
        guard let text = unsafe text else { return nil }
        var bytes: [UInt8] = []
        var next = unsafe text
        while unsafe next.pointee != 0 {
            bytes.append(UInt8(bitPattern: unsafe next.pointee))
            unsafe next += 1
        }
        return bytes
    }

    /// libarchive takes the end of the stream for the end of the archive. A tar has a marker (blocks
    /// of zeros); where nothing was consumed after the last entry, the stream was cut between two.
    private func checkEndMarker() throws(Fault) {
        let consumed = unsafe archive_filter_bytes(archive, 0)
        let lastEntryEnd = unsafe archive_read_header_position(archive)
        if let fault = source.fault { throw fault }
        guard isChecked || consumed > lastEntryEnd else {
            throw .invalid(.truncated, subject: "archive")
        }
    }

    /// Whether nothing was missing but what fills the last block: the content before it is read, and
    /// a header that is cut is called otherwise. libarchive has words for it only.
    private var isAtEnd: Bool {
        guard source.fault == nil, contentBytesLeft == 0 else { return false }
        // SAFETY: see init; the text is copied.
        let text = unsafe Self.bytes(archive_error_string(archive)) ?? []
        return String(decoding: text, as: UTF8.self).contains("Truncated input file")
    }

    private func failure(_ code: Int32, of name: String) -> Fault {
        if let fault = source.fault { return fault }
        // libarchive has no number for an early end; all its readers say "truncated".
        let text = unsafe Self.bytes(archive_error_string(archive)) ?? []
        let words = String(decoding: text, as: UTF8.self)
        let isTruncated = words.lowercased().contains("truncated")
        return Fault(
            .invalid, reason: isTruncated ? .truncated : .malformed, subject: name, lines: [words])
    }
}
