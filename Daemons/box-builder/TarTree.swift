package import Interfaces
package import ServiceModel
package import Syscalls

/// Reads archives (tar, plain or compressed) as the tree of a box: one as it is, several as the
/// layers of an image.
///
/// Keeps true: what is in the tree is inside the tree, once, and ordinary (files, directories,
/// symbolic links); contents are with the sink before the tree is given. Memory is bounded by the
/// number of names, not by what the archive says. Refuses everything else, naming the entry.
package final class TarTree {
    // LIMIT: bytes of all contents. Larger than any root file system people run, and small enough
    // that the zeros of a sparse archive end in hours, not years. Past it TOO_LARGE.
    package static let contentBytesMax: UInt64 = 256 << 30

    // LIMIT: what contents may take past `expansionMax`: sparse files and compressed zeros of a
    // usual size.
    package static let expansionBytesFree: UInt64 = 1 << 30

    // LIMIT: bytes of content for each byte of the archive. File systems compress to a tenth, text
    // to a hundredth; what is past it is made to fill a disk. Past it TOO_LARGE.
    package static let expansionMax: UInt64 = 256

    // LIMIT: bytes read from libarchive in one step; what a progress report may lag behind.
    private static let stepBytesMax = 131_072

    // LIMIT: entries between two progress reports, so that a million small files do not become a
    // million messages.
    private static let reportEntries: UInt64 = 512
    private static let reportBytes: UInt64 = 8 << 20

    private let builder: TreeBuilder
    private let sink: any ContentSink
    private let placement: TarPlacement
    private let progress: (_ entries: UInt64, _ bytes: UInt64) -> Void
    private let wait: PeerWait
    private let isCancelled: () -> Bool

    private var buffer = [UInt8](repeating: 0, count: stepBytesMax)
    private var entries: UInt64 = 0
    private var bytes: UInt64 = 0
    private var reported: (entries: UInt64, bytes: UInt64) = (0, 0)
    /// Bytes of the archive from outside, so far.
    private var sourceBytes: UInt64 = 0

    /// - Parameters:
    ///   - sink: takes the contents, in the order of the archive.
    ///   - keepsOwners: otherwise all belongs to user and group 0.
    ///   - log: hears what is not kept.
    ///   - progress: hears entries and bytes of content so far.
    ///   - wait: for the archive's sender.
    ///   - isCancelled: asked between steps, and at least ten times a second while the archive's
    ///     sender is silent.
    init(
        into sink: any ContentSink, keepsOwners: Bool, log: NormalisationLog?,
        progress: @escaping (_ entries: UInt64, _ bytes: UInt64) -> Void,
        wait: PeerWait, isCancelled: @escaping () -> Bool
    ) {
        builder = TreeBuilder(log: log)
        self.sink = sink
        placement = TarPlacement(builder: builder, keepsOwners: keepsOwners, log: log)
        self.progress = progress
        self.wait = wait
        self.isCancelled = isCancelled
    }

    /// What was read.
    func tree() throws(Fault) -> FileTree {
        guard !isCancelled() else { throw .cancelled }
        progress(entries, bytes)
        return builder.tree()
    }

    /// Reads an archive.
    ///
    /// - Parameter isSealed: it is whole only with the end word behind it.
    /// - Throws: the fault that names the entry; `CANCELLED` when `isCancelled` said so; `TRUNCATED`
    ///   without the end word.
    func add(_ archive: SharedDescriptor, isSealed: Bool = false) throws(Fault) {
        try TextEncoding.withASCII { () throws(Fault) in
            let source = TarSource(archive, wait, isCancelled)
            let reader = try TarReader(source: source)
            let before = sourceBytes
            try readEntries(of: reader) { sourceBytes = before + reader.sourceBytes }
            if isSealed { try source.expectEndWord() }
        }
    }

    /// Reads an archive that came inside another, as the layer above all that was read: what it
    /// holds is measured against what came from outside.
    ///
    /// - Parameter outer: the bytes that came.
    /// - Throws: `CORRUPT` where the plain archive is not the one that the image's configuration names.
    func addLayer(
        _ layer: ImageLayer, _ archive: SharedDescriptor, outerBytes: UInt64
    ) throws(Fault) {
        builder.beginLayer()
        sourceBytes = outerBytes
        try TextEncoding.withASCII { () throws(Fault) in
            let source = TarSource(archive, wait, isCancelled)
            // One that is not compressed, and has its digest, is the one.
            guard let named = layer.plain, named != layer.blob else {
                let reader = try TarReader(source: source, isChecked: true)
                return try readEntries(of: reader, isLayer: true) {}
            }
            let plain = try InflatedLayer(
                source, bytesMax: Self.expansionBytesFree + outerBytes * Self.expansionMax)
            let reader = try TarReader(source: plain, isChecked: true)
            try readEntries(of: reader, isLayer: true) {}
            let digest = try plain.finish()
            guard digest == named else {
                throw Fault(
                    .corrupt, subject: "layer sha256:\(layer.blob.hex)",
                    lines: ["diff_id sha256:\(named.hex)", "unpacked sha256:\(digest.hex)"])
            }
        }
    }

    var archiveBytes: UInt64 { sourceBytes }

    private func readEntries(
        of reader: TarReader, isLayer: Bool = false, measure: () -> Void
    ) throws(Fault) {
        while let header = try reader.next() {
            guard !isCancelled() else { throw .cancelled }
            entries += 1
            let path = try EntryPath(header.path)
            if isLayer, try Whiteout.apply(path, to: builder) { continue }
            try placement.add(
                header, at: path,
                content: { () throws(Fault) in
                    let start = bytes
                    let digest = try copy(reader, path, measure)
                    return (digest, bytes - start)
                }, again: { sink.again($0, bytes: $1) })
            report()
        }
        measure()
    }

    private func copy(
        _ reader: TarReader, _ path: EntryPath, _ measure: () -> Void
    ) throws(Fault) -> ContentDigest {
        guard reader.contentBytesLeft <= Self.contentBytesMax else {
            throw .tooLarge(
                subject: path.text, limit: Self.contentBytesMax, actual: reader.contentBytesLeft)
        }
        try sink.begin()
        do throws(Fault) {
            while true {
                let count = try reader.read(into: &buffer, of: path.text)
                if count == 0 { break }
                try take(count, path, measure)
            }
            // A hole at the end, of which nothing came.
            var left = reader.contentBytesLeft
            if left > 0 { buffer = [UInt8](repeating: 0, count: buffer.count) }
            while left > 0 {
                let count = Int(min(left, UInt64(buffer.count)))
                try take(count, path, measure)
                left -= UInt64(count)
            }
            return try sink.finish()
        } catch {
            sink.discard()
            throw error
        }
    }

    /// Hands what is in the buffer on.
    private func take(_ count: Int, _ path: EntryPath, _ measure: () -> Void) throws(Fault) {
        bytes += UInt64(count)
        measure()
        try checkBytes(path)
        guard !isCancelled() else { throw .cancelled }
        let content = buffer
        // SAFETY: bytes have no padding.
        try sink.append(unsafe content.span.extracting(0..<count).bytes)
        report()
    }

    private func checkBytes(_ path: EntryPath) throws(Fault) {
        let expanded = Self.expansionBytesFree + sourceBytes * Self.expansionMax
        let most = min(Self.contentBytesMax, expanded)
        guard bytes <= most else {
            throw .tooLarge(subject: path.text, limit: most, actual: bytes)
        }
    }

    private func report() {
        guard
            entries - reported.entries >= Self.reportEntries
                || bytes - reported.bytes >= Self.reportBytes
        else { return }
        reported = (entries, bytes)
        progress(entries, bytes)
    }
}

extension TarTree {
    /// Reads one archive as a tree.
    package static func read(
        _ archive: borrowing Descriptor, into sink: any ContentSink,
        progress: (_ entries: UInt64, _ bytes: UInt64) -> Void, isCancelled: () -> Bool
    ) throws(Fault) -> FileTree {
        try BoxSource.read(
            archive, BoxSource.Options(kind: .tree), into: sink,
            open: { digest throws(Fault) in throw Fault(.notFound, subject: digest.hex) },
            progress: progress, isCancelled: isCancelled)
    }
}
