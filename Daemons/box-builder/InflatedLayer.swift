internal import CArchive
internal import Interfaces
internal import ServiceModel
internal import SharedCrypto

/// The plain bytes of an image's layer, whatever it is compressed with, and their digest: what the
/// image's configuration names a layer by (image-spec, config.md: "Layer DiffID").
///
/// Keeps true: the digest is that of all the plain bytes, also of those that a reader of the tar in
/// them does not ask for.
@safe final class InflatedLayer: ArchiveBytes {
    // LIMIT: plain bytes of one step.
    private static let stepBytes = 262_144

    private let archive: OpaquePointer
    private let source: any ArchiveBytes
    private let feed: ArchiveFeed
    private let bytesMax: UInt64
    private let buffer: UnsafeMutableRawBufferPointer
    private var hash = SHA256()
    private var bytes: UInt64 = 0
    private var isAtEnd = false
    private(set) var fault: Fault?

    /// - Parameter bytesMax: plain bytes past which it is `TOO_LARGE`.
    init(_ source: any ArchiveBytes, bytesMax: UInt64) throws(Fault) {
        // SAFETY (all of this type): the handle and the buffer are made here, used by one thread and
        // freed in deinit; who asks for bytes is done with them when it asks again.
        guard let archive = unsafe archive_read_new() else {
            throw Fault(.internal, subject: "archive_read_new")
        }
        unsafe self.archive = archive
        self.source = source
        self.bytesMax = bytesMax
        feed = ArchiveFeed(source)
        unsafe buffer = .allocate(byteCount: Self.stepBytes, alignment: 16)
        unsafe archive_read_support_format_raw(archive)
        unsafe archive_read_support_format_empty(archive)
        var entry: OpaquePointer?
        guard unsafe feed.open(archive) == ARCHIVE_OK else { throw failure() }
        switch unsafe archive_read_next_header(archive, &entry) {
        case ARCHIVE_OK, ARCHIVE_WARN: break
        case ARCHIVE_EOF: isAtEnd = true
        default: throw failure()
        }
    }

    deinit {
        // SAFETY: made in init, freed once.
        unsafe archive_read_free(archive)
        unsafe buffer.deallocate()
    }

    func next() -> UnsafeRawBufferPointer? {
        guard fault == nil else { return nil }
        guard !isAtEnd else { return unsafe UnsafeRawBufferPointer(start: nil, count: 0) }
        // SAFETY: see init.
        let count = unsafe archive_read_data(archive, buffer.baseAddress, buffer.count)
        guard count >= 0 else {
            fault = failure()
            return nil
        }
        bytes += UInt64(count)
        guard bytes <= bytesMax else {
            fault = .tooLarge(subject: "layer", limit: bytesMax, actual: bytes)
            return nil
        }
        isAtEnd = count == 0
        let step = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
        unsafe hash.update(bufferPointer: step)
        return unsafe step
    }

    /// The digest, with what nobody asked for.
    func finish() throws(Fault) -> ContentDigest {
        while !isAtEnd {
            // SAFETY: the bytes are hashed, and not looked at here.
            guard unsafe next() != nil else { break }
        }
        if let fault { throw fault }
        guard let digest = ContentDigest(Array(hash.finalize())) else {
            throw Fault(.internal, subject: "SHA-256")
        }
        return digest
    }

    private func failure() -> Fault {
        if let fault = source.fault { return fault }
        // SAFETY: a C string of the handle, copied.
        let words = unsafe archive_error_string(archive).map { unsafe String(cString: $0) } ?? ""
        // libarchive has no number for an early end; all its readers say "truncated".
        let isTruncated = words.lowercased().contains("truncated")
        return Fault(
            .invalid, reason: isTruncated ? .truncated : .malformed, subject: "layer",
            lines: [words])
    }
}
