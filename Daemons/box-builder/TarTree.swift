package import Interfaces
package import ServiceModel
package import Syscalls

/// Reads an archive (tar, plain or compressed) as the tree of a box.
///
/// Keeps true: what is in the tree is inside the tree, once, and ordinary (files, directories,
/// symbolic links); contents are with the sink before the tree is given. Memory is bounded by the
/// number of names, not by what the archive says. Refuses everything else, naming the entry.
package enum TarTree {
    // LIMIT: bytes of all contents. Larger than any root file system people run, and small enough
    // that the zeros of a sparse archive end in hours, not years. Past it TOO_LARGE.
    package static let contentBytesMax: UInt64 = 256 << 30

    // LIMIT: bytes read from libarchive in one step; what a progress report may lag behind.
    private static let stepBytesMax = 131_072

    // LIMIT: entries between two progress reports, so that a million small files do not become a
    // million messages.
    private static let reportEntries: UInt64 = 512
    private static let reportBytes: UInt64 = 8 << 20

    /// - Parameters:
    ///   - sink: takes the contents, in the order of the archive.
    ///   - progress: hears entries and bytes of content so far.
    ///   - isCancelled: asked between steps, and at least ten times a second while the archive's
    ///     sender is silent.
    /// - Throws: the fault that names the entry; `CANCELLED` when `isCancelled` said so.
    package static func read(
        _ archive: borrowing Descriptor, into sink: any ContentSink,
        progress: (_ entries: UInt64, _ bytes: UInt64) -> Void, isCancelled: () -> Bool
    ) throws(Fault) -> FileTree {
        let shared: SharedDescriptor
        do throws(Errno) {
            shared = SharedDescriptor(try archive.duplicate())
        } catch {
            throw Fault(.internal, subject: "archive: \(error)")
        }
        // The closure lives as long as the reader, which ends before this function does.
        return try withoutActuallyEscaping(isCancelled) { isCancelled throws(Fault) in
            try TextEncoding.withUTF8 { () throws(Fault) in
                let reader = try TarReader(source: TarSource(shared, isCancelled))
                return try read(reader, into: sink, progress: progress, isCancelled: isCancelled)
            }
        }
    }

    private static func read(
        _ reader: TarReader, into sink: any ContentSink,
        progress: (UInt64, UInt64) -> Void, isCancelled: () -> Bool
    ) throws(Fault) -> FileTree {
        let builder = TreeBuilder()
        var buffer = [UInt8](repeating: 0, count: stepBytesMax)
        var entries: UInt64 = 0
        var bytes: UInt64 = 0
        var reported: (entries: UInt64, bytes: UInt64) = (0, 0)
        func report() {
            guard
                entries - reported.entries >= reportEntries
                    || bytes - reported.bytes >= reportBytes
            else { return }
            reported = (entries, bytes)
            progress(entries, bytes)
        }
        while let header = try reader.next() {
            entries += 1
            let path = try EntryPath(header.path)
            switch header.kind {
            case .directory:
                try builder.addDirectory(path, permissions: header.permissions)
            case .link(let target):
                try builder.addLink(path, target: target)
            case .hardLink(let target):
                try builder.addHardLink(path, to: target)
            case .special:
                throw .invalid(.specialFile, subject: path.text)
            case .file:
                try builder.checkFile(path)
                let start = bytes
                try copy(reader, path, into: sink, through: &buffer) { count throws(Fault) in
                    bytes += UInt64(count)
                    guard bytes <= contentBytesMax else {
                        throw .tooLarge(
                            subject: path.text, limit: contentBytesMax, actual: bytes)
                    }
                    report()
                } finished: { digest throws(Fault) in
                    try builder.addFile(
                        path, permissions: header.permissions, digest: digest,
                        bytes: bytes - start)
                }
            }
            report()
        }
        guard !isCancelled() else { throw .cancelled }
        progress(entries, bytes)
        return builder.tree()
    }

    private static func copy(
        _ reader: TarReader, _ path: EntryPath, into sink: any ContentSink,
        through buffer: inout [UInt8], counted: (Int) throws(Fault) -> Void,
        finished: (ContentDigest) throws(Fault) -> Void
    ) throws(Fault) {
        try sink.begin()
        let digest: ContentDigest
        do throws(Fault) {
            while true {
                let count = try reader.read(into: &buffer, of: path.text)
                if count == 0 { break }
                try counted(count)
                // SAFETY: bytes of an array that is not touched until the call is over.
                try sink.append(unsafe buffer.span.extracting(0..<count).bytes)
            }
            digest = try sink.finish()
        } catch {
            sink.discard()
            throw error
        }
        try finished(digest)
    }
}
