internal import CArchive
internal import Interfaces

/// Bytes of an archive, as libarchive asks for them.
protocol ArchiveBytes: AnyObject {
    /// Why they ended, where it was not the end.
    var fault: Fault? { get }
    /// The next, which stay until it is asked again; empty at the end, nil for a failure that is now in
    /// `fault`.
    func next() -> UnsafeRawBufferPointer?
}

/// Gives bytes to a handle of libarchive, which asks for them as long as both live.
final class ArchiveFeed {
    private let bytes: any ArchiveBytes

    init(_ bytes: any ArchiveBytes) {
        self.bytes = bytes
    }

    /// Opens a handle, whatever the bytes are compressed with.
    ///
    /// - Returns: what libarchive says of it.
    @unsafe func open(_ archive: OpaquePointer) -> Int32 {
        // Named one by one: "all" would run programs of the machine for formats of long ago.
        unsafe archive_read_support_filter_gzip(archive)
        unsafe archive_read_support_filter_bzip2(archive)
        unsafe archive_read_support_filter_xz(archive)
        unsafe archive_read_support_filter_zstd(archive)
        // SAFETY: the reader that has the handle has this object too, and frees the handle first.
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        return unsafe archive_read_open(
            archive, context, nil,
            { _, context, start in
                guard let context = unsafe context, let start = unsafe start else { return -1 }
                let feed = unsafe Unmanaged<ArchiveFeed>.fromOpaque(context).takeUnretainedValue()
                guard let bytes = unsafe feed.bytes.next() else { return -1 }
                unsafe start.pointee = bytes.baseAddress
                return bytes.count
            }, nil)
    }
}
