/// Writes a tree as a metadata-only EROFS image (the kernel's Documentation/filesystems/erofs.rst):
/// regular files are holes of their size that overlayfs replaces by an object of the store.
///
/// Keeps true: the same tree gives the same bytes; the image is handed over from its start to its
/// end in pieces, and never held whole.
package struct ErofsImage {
    private let layout: ErofsLayout

    package init(_ tree: consuming ErofsTree) throws(ErofsTree.Failure) {
        layout = try ErofsLayout(tree)
    }

    /// Bytes of the image.
    package var byteCount: Int { layout.blocks * ErofsLayout.blockBytes }

    // LIMIT: bytes held before they are handed over.
    private static let pieceBytes = 65_536

    /// Hands the image over.
    package func write<E: Error>(_ sink: ([UInt8]) throws(E) -> Void) throws(E) {
        var out = Output()
        out.pad(to: ErofsLayout.superblockOffset)
        superblock(&out)
        out.append(ErofsLayout.sharedAttribute)
        out.pad(to: ErofsLayout.prefixOffset)
        out.append(ErofsLayout.prefix)
        for (position, node) in layout.order.enumerated() {
            out.pad(to: layout.places[Int(node)].offset)
            inode(node, number: UInt32(position) + 1, &out)
            if out.held >= Self.pieceBytes { try sink(out.take()) }
        }
        out.pad(to: layout.dataStartBlock * ErofsLayout.blockBytes)
        for node in layout.order where layout.places[Int(node)].blocks > 0 {
            let place = layout.places[Int(node)]
            let data = content(node)
            out.append(data[..<(data.count - place.tailBytes)])
            out.pad(to: (place.firstBlock + place.blocks) * ErofsLayout.blockBytes)
            if out.held >= Self.pieceBytes { try sink(out.take()) }
        }
        if out.held > 0 { try sink(out.take()) }
    }

    // MARK: Structures

    /// `erofs_super_block`, 128 bytes.
    private func superblock(_ out: inout Output) {
        out.put32(0xE0F5_E1E2)
        out.put32(0)  // checksum: its feature is not set
        out.put32(0)  // compatible features: none
        out.put8(12)  // a block is 2^12 bytes
        out.put8(0)
        out.put16(UInt16(layout.number(of: 0)))
        out.put64(UInt64(layout.order.count))
        // The time of compact inodes.
        out.put64(layout.tree.entries[0].modifiedSeconds)
        out.put32(layout.tree.entries[0].modifiedNanoseconds)
        out.put32(UInt32(layout.blocks))
        out.put32(0)  // inodes are numbered from block 0
        out.put32(0)  // and shared attributes
        out.zeros(16 + 16)  // UUID and volume name
        out.put32(0x44)  // incompatible features: chunked files, long prefixes of names
        out.zeros(91 - 84)
        out.put8(1)  // prefixes
        out.put32(UInt32(ErofsLayout.prefixOffset / 4))
        out.zeros(ErofsLayout.superblockBytes - 96)
    }

    private enum DataLayout: UInt16 {
        case plain = 0
        case inline = 2
        case chunks = 4
    }

    /// The inode; its attributes; the chunk index or the tail of its data.
    private func inode(_ node: Int32, number: UInt32, _ out: inout Output) {
        let entry = layout.tree.entries[Int(node)]
        let place = layout.places[Int(node)]
        let isCompact = layout.isCompact(node)
        let data: DataLayout =
            entry.hasContent ? .chunks : place.tailBytes > 0 ? .inline : .plain
        out.put16((isCompact ? 0 : 1) | data.rawValue << 1)
        // The header counts as one, each further word as one more.
        let attributes = layout.attributesBytes(of: node)
        let words =
            attributes == 0 ? 0 : (attributes - ErofsLayout.attributesHeaderBytes) / 4 + 1
        out.put16(UInt16(words))
        out.put16(entry.kind.mode | entry.permissions)
        let size = entry.kind == .regular ? entry.contentBytes : UInt64(place.dataBytes)
        // One chunk of 2^(12+31) bytes covers any file.
        let start = entry.hasContent ? 31 : UInt32(place.firstBlock)
        if isCompact {
            compact(entry, size: size, start: start, place, number: number, &out)
        } else {
            extended(entry, size: size, start: start, place, number: number, &out)
        }
        if attributes > 0 { self.attributes(entry, &out) }
        if entry.hasContent { out.put32(UInt32.max) }  // a hole
        if place.tailBytes > 0 { out.append(content(node).suffix(place.tailBytes)) }
    }

    /// The rest of `erofs_inode_compact`, 32 bytes.
    private func compact(
        _ entry: ErofsTree.Entry, size: UInt64, start: UInt32, _ place: ErofsLayout.Place,
        number: UInt32, _ out: inout Output
    ) {
        out.put16(UInt16(place.links))
        out.put32(UInt32(size))
        out.put32(0)
        out.put32(start)
        out.put32(number)
        out.put16(UInt16(entry.uid))
        out.put16(UInt16(entry.gid))
        out.put32(0)
    }

    /// The rest of `erofs_inode_extended`, 64 bytes.
    private func extended(
        _ entry: ErofsTree.Entry, size: UInt64, start: UInt32, _ place: ErofsLayout.Place,
        number: UInt32, _ out: inout Output
    ) {
        out.put16(0)
        out.put64(size)
        out.put32(start)
        out.put32(number)
        out.put32(entry.uid)
        out.put32(entry.gid)
        out.put64(entry.modifiedSeconds)
        out.put32(entry.modifiedNanoseconds)
        out.put32(UInt32(place.links))
        out.zeros(16)
    }

    /// `erofs_xattr_ibody_header`, the number of the shared attribute, the inode's own.
    private func attributes(_ entry: ErofsTree.Entry, _ out: inout Output) {
        out.put32(0)
        out.put8(entry.hasContent ? 1 : 0)
        out.zeros(7)
        if entry.hasContent { out.put32(UInt32(ErofsLayout.sharedAttributeOffset / 4)) }
        out.append(layout.tree.bytes(entry.attributes))
    }

    /// The bytes of a directory or a target.
    private func content(_ node: Int32) -> [UInt8] {
        let entry = layout.tree.entries[Int(node)]
        switch entry.kind {
        case .regular: return []
        case .symlink: return Array(layout.tree.bytes(entry.target))
        case .directory: return directory(node)
        }
    }

    /// Blocks of entries: first all heads (`erofs_dirent`, 12 bytes), then all names.
    private func directory(_ node: Int32) -> [UInt8] {
        var out = Output()
        var size = DirectorySize()
        var block: [(name: ArraySlice<UInt8>, node: Int32, kind: ErofsTree.Kind)] = []
        func close(isLast: Bool, _ out: inout Output) {
            var nameOffset = block.count * ErofsLayout.entryBytes
            let start = out.offset
            for one in block {
                out.put64(layout.number(of: one.node))
                out.put16(UInt16(nameOffset))
                out.put8(one.kind.rawValue)
                out.put8(0)
                nameOffset += one.name.count
            }
            for one in block { out.append(one.name) }
            if !isLast { out.pad(to: start + ErofsLayout.blockBytes) }
            block.removeAll(keepingCapacity: true)
        }
        layout.forEachEntry(of: node) { name, child, kind in
            if size.add(nameBytes: name.count) { close(isLast: false, &out) }
            block.append((name, child, kind))
        }
        close(isLast: true, &out)
        return out.take()
    }
}

extension ErofsTree.Kind {
    /// The type bits of `st_mode`.
    fileprivate var mode: UInt16 {
        switch self {
        case .regular: 0o100_000
        case .directory: 0o040_000
        case .symlink: 0o120_000
        }
    }
}

/// Bytes on their way out, and how many there were in all.
private struct Output {
    private var bytes: [UInt8] = []
    private var taken = 0

    var offset: Int { taken + bytes.count }
    var held: Int { bytes.count }

    mutating func take() -> [UInt8] {
        taken += bytes.count
        defer { bytes = [] }
        return bytes
    }

    mutating func put8(_ value: UInt8) { bytes.append(value) }
    mutating func put16(_ value: UInt16) { put(value) }
    mutating func put32(_ value: UInt32) { put(value) }
    mutating func put64(_ value: UInt64) { put(value) }

    private mutating func put(_ value: some FixedWidthInteger) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    mutating func append(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }
    mutating func zeros(_ count: Int) { bytes.append(contentsOf: repeatElement(0, count: count)) }
    mutating func pad(to offset: Int) { zeros(offset - self.offset) }
}
