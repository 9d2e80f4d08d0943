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

    // LIMIT: the largest owner that is kept: an instance has 65,536 users.
    private static let ownerMax: Int64 = 65_535

    // LIMIT: bytes read from libarchive in one step; what a progress report may lag behind.
    private static let stepBytesMax = 131_072

    // LIMIT: entries between two progress reports, so that a million small files do not become a
    // million messages.
    private static let reportEntries: UInt64 = 512
    private static let reportBytes: UInt64 = 8 << 20

    private let builder: TreeBuilder
    private let sink: any ContentSink
    private let keepsOwners: Bool
    private let log: NormalisationLog?
    private let progress: (_ entries: UInt64, _ bytes: UInt64) -> Void
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
    ///   - isCancelled: asked between steps, and at least ten times a second while the archive's
    ///     sender is silent.
    init(
        into sink: any ContentSink, keepsOwners: Bool, log: NormalisationLog?,
        progress: @escaping (_ entries: UInt64, _ bytes: UInt64) -> Void,
        isCancelled: @escaping () -> Bool
    ) {
        builder = TreeBuilder(log: log)
        self.sink = sink
        self.keepsOwners = keepsOwners
        self.log = log
        self.progress = progress
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
    /// - Throws: the fault that names the entry; `CANCELLED` when `isCancelled` said so.
    func add(_ archive: SharedDescriptor) throws(Fault) {
        try TextEncoding.withASCII { () throws(Fault) in
            let reader = try TarReader(source: TarSource(archive, isCancelled))
            let before = sourceBytes
            try readEntries(of: reader) { sourceBytes = before + reader.sourceBytes }
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
            let source = TarSource(archive, isCancelled)
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
            let attributes = try attributes(of: header, path)
            let extended = extended(of: header)
            switch header.kind {
            case .directory:
                try builder.addDirectory(path, attributes, extended: extended)
            case .link(let target):
                try builder.addLink(path, target: target, attributes)
            case .hardLink(let target):
                try builder.addHardLink(path, to: target)
                log?.record(.hardLink, path, had: EntryPath.shown(target))
            case .special:
                throw .invalid(.specialFile, subject: path.text)
            case .file:
                try builder.checkFile(path)
                let start = bytes
                let digest = try copy(reader, path, measure)
                try builder.addFile(
                    path, attributes, extended: extended, digest: digest, bytes: bytes - start)
            }
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

    /// What is kept of an entry's attributes; the rest is told.
    private func attributes(
        of header: TarHeader, _ path: EntryPath
    ) throws(Fault) -> FileAttributes {
        let type: UInt32
        var permissions = header.permissions & 0o1777
        switch header.kind {
        case .directory: type = FileAttributes.typeDirectory
        case .link:
            type = FileAttributes.typeLink
            permissions = 0o777
        case .file, .hardLink, .special: type = FileAttributes.typeRegular
        }
        var attributes = FileAttributes(mode: type | permissions)
        if keepsOwners {
            for owner in [header.uid, header.gid] where !(0...Self.ownerMax).contains(owner) {
                throw .invalid(
                    .outOfRange, subject: path.text, limit: UInt64(Self.ownerMax),
                    actual: UInt64(clamping: owner))
            }
            attributes.uid = UInt32(header.uid)
            attributes.gid = UInt32(header.gid)
        }
        tell(header, path)
        return attributes
    }

    /// The attributes that are kept: those of `user.`, where the kernel has them.
    private func extended(of header: TarHeader) -> [ExtendedAttribute] {
        guard header.hasUserAttributes else { return [] }
        return header.userAttributes.compactMap { name, value in
            guard let name = String(validating: name, as: UTF8.self),
                ExtendedAttribute.isKept(name)
            else { return nil }
            return ExtendedAttribute(name: name, value: value)
        }
    }

    private func tell(_ header: TarHeader, _ path: EntryPath) {
        // A hard link has the attributes of what it names, which were told there.
        guard let log, !header.isHardLink else { return }
        if !keepsOwners, header.uid != 0 || header.gid != 0 {
            log.record(.owner, path, had: "\(header.uid):\(header.gid)")
        }
        if header.hasTime { log.record(.time, path, had: "") }
        if header.permissions & 0o6000 != 0 {
            log.record(.setID, path, had: String(header.permissions, radix: 8))
        }
        for name in header.otherAttributes { log.record(.attribute, path, had: name) }
        let kept = extended(of: header)
        for (name, _) in header.userAttributes
        where !kept.contains(where: { $0.name.utf8.elementsEqual(name) }) {
            log.record(.attribute, path, had: EntryPath.shown(name))
        }
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
