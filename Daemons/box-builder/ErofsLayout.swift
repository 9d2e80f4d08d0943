/// Where everything stands in a metadata image: inodes one after the other from the superblock on,
/// then the blocks of directories and symlinks that do not fit beside their inode.
///
/// Keeps true: what stands beside an inode does not cross a block (the kernel refuses that); the
/// entries of a directory are sorted by their bytes, "." and ".." among them. The same tree gives
/// the same layout, in whatever order its nodes were added.
struct ErofsLayout {
    static let blockBytes = 4_096
    static let superblockOffset = 1_024
    static let superblockBytes = 128
    /// Inodes are numbered by their place, in units of this.
    static let slotBytes = 32
    static let entryBytes = 12
    static let attributesHeaderBytes = 12

    /// Behind the superblock: the mark of a file whose content is an object, which all of them share,
    /// as an `erofs_xattr_entry`.
    static let sharedAttribute: [UInt8] =
        [UInt8(metacopy.utf8.count), 4, 0, 0] + Array(metacopy.utf8)
    private static let metacopy = "overlay.metacopy"
    static let sharedAttributeOffset = superblockOffset + superblockBytes
    /// Then the long prefixes of names, each with its length before it: number 4 ("trusted.") and the
    /// rest of the name of `ErofsTree.redirect`.
    static let prefix: [UInt8] =
        [UInt8(1 + redirect.utf8.count), 0, 4] + Array(redirect.utf8)
    private static let redirect = "overlay.redirect"
    static let prefixOffset = up(sharedAttributeOffset + sharedAttribute.count, 4)
    static let firstInodeOffset = up(prefixOffset + prefix.count, slotBytes)

    struct Place {
        /// Of the inode, from the start of the image.
        var offset: Int = 0
        /// Bytes of the directory or the target.
        var dataBytes: Int = 0
        /// Those of them that stand beside the inode.
        var tailBytes: Int = 0
        /// Where the rest is.
        var firstBlock: Int = 0
        var blocks: Int = 0
        var links: Int = 1
        /// Of a directory: where its children are in `children`.
        var childrenStart: Int32 = 0
        var childrenCount: Int32 = 0
    }

    let tree: ErofsTree
    /// By node.
    private(set) var places: [Place]
    /// The order in which inodes stand: the root first, then by directory.
    private(set) var order: [Int32] = []
    /// The children of all directories, each directory's sorted by name.
    private(set) var children: [Int32] = []
    private(set) var dataStartBlock = 0
    private(set) var blocks = 0

    init(_ tree: ErofsTree) throws(ErofsTree.Failure) {
        self.tree = tree
        places = Array(repeating: Place(), count: tree.entries.count)
        try findChildren()
        measure()
        place()
    }

    func number(of node: Int32) -> UInt64 {
        UInt64(places[Int(node)].offset / Self.slotBytes)
    }

    func children(of node: Int32) -> ArraySlice<Int32> {
        let place = places[Int(node)]
        return children[Int(place.childrenStart)..<Int(place.childrenStart + place.childrenCount)]
    }

    // MARK: Inside

    private mutating func findChildren() throws(ErofsTree.Failure) {
        let (entries, text) = (tree.entries, tree.text)
        func name(_ node: Int32) -> ArraySlice<UInt8> {
            let piece = entries[Int(node)].name
            return text[Int(piece.start)..<Int(piece.start + piece.count)]
        }
        children = (1..<Int32(entries.count)).sorted { left, right in
            let (first, second) = (entries[Int(left)].parent, entries[Int(right)].parent)
            return first == second
                ? name(left).lexicographicallyPrecedes(name(right)) : first < second
        }
        for (position, node) in children.enumerated() {
            let parent = Int(entries[Int(node)].parent)
            if places[parent].childrenCount == 0 {
                places[parent].childrenStart = Int32(position)
            } else if name(children[position - 1]).elementsEqual(name(node)) {
                throw .duplicateName(Array(name(node)))
            }
            places[parent].childrenCount += 1
        }
        // Breadth first, so that what a directory lists stands together.
        order = [0]
        order.reserveCapacity(entries.count)
        var next = 0
        while next < order.count {
            let place = places[Int(order[next])]
            let start = Int(place.childrenStart)
            order += children[start..<(start + Int(place.childrenCount))]
            next += 1
        }
    }

    private mutating func measure() {
        for node in places.indices {
            let entry = tree.entries[node]
            switch entry.kind {
            case .regular: continue
            case .symlink: places[node].dataBytes = Int(entry.target.count)
            case .directory:
                var size = DirectorySize()
                var subdirectories = 0
                forEachEntry(of: Int32(node)) { name, _, kind in
                    size.add(nameBytes: name.count)
                    if kind == .directory { subdirectories += 1 }
                }
                places[node].dataBytes = size.bytes
                // "." and ".." were counted with the others, and are the two a directory has.
                places[node].links = subdirectories
            }
        }
    }

    /// The entries of a directory in their order: name, node, kind.
    func forEachEntry(
        of directory: Int32, _ body: (ArraySlice<UInt8>, Int32, ErofsTree.Kind) -> Void
    ) {
        let dots: [(name: ArraySlice<UInt8>, node: Int32)] = [
            ([0x2E], directory), ([0x2E, 0x2E], tree.entries[Int(directory)].parent),
        ]
        var pending = dots[...]
        for child in children(of: directory) {
            let entry = tree.entries[Int(child)]
            let name = tree.bytes(entry.name)
            while let dot = pending.first, dot.name.lexicographicallyPrecedes(name) {
                body(dot.name, dot.node, .directory)
                pending.removeFirst()
            }
            body(name, child, entry.kind)
        }
        for dot in pending { body(dot.name, dot.node, .directory) }
    }

    /// Whether an inode is one of 32 bytes, which has no time of its own and small numbers.
    func isCompact(_ node: Int32) -> Bool {
        let (entry, root) = (tree.entries[Int(node)], tree.entries[0])
        return entry.uid <= UInt16.max && entry.gid <= UInt16.max
            && entry.modifiedSeconds == root.modifiedSeconds
            && entry.modifiedNanoseconds == root.modifiedNanoseconds
            && entry.contentBytes <= UInt32.max && places[Int(node)].links <= UInt16.max
            && places[Int(node)].dataBytes <= UInt32.max
    }

    /// Bytes of the attributes of an inode, header included; 0 for none.
    func attributesBytes(of node: Int32) -> Int {
        let entry = tree.entries[Int(node)]
        // A file with content has the shared one.
        if entry.hasContent { return Self.attributesHeaderBytes + 4 + Int(entry.attributes.count) }
        if entry.attributes.count == 0 { return 0 }
        return Self.attributesHeaderBytes + Int(entry.attributes.count)
    }

    /// Bytes of the inode and what always stands behind it.
    func headBytes(of node: Int32) -> Int {
        // The one chunk index of a file whose content is elsewhere.
        (isCompact(node) ? 32 : 64) + attributesBytes(of: node)
            + (tree.entries[Int(node)].hasContent ? 4 : 0)
    }

    /// Bytes at the end of a block that a tail leaves to the alignment of its inode.
    private static let tailGapBytes = 64

    private mutating func place() {
        var offset = Self.firstInodeOffset
        for node in order {
            let head = headBytes(of: node)
            let data = places[Int(node)].dataBytes
            offset = Self.up(offset, Self.slotBytes)
            // A tail that nearly fills a block gets one of its own: aligning the inode for it could
            // push it over the block's end.
            let rest = data % Self.blockBytes
            let tail = rest <= Self.blockBytes - Self.tailGapBytes ? rest : 0
            if tail > 0 {
                let start = (offset + head) % Self.blockBytes
                if start + tail > Self.blockBytes {
                    offset = Self.up(
                        Self.up(offset + head, Self.blockBytes) - head, Self.slotBytes)
                }
            }
            places[Int(node)].offset = offset
            places[Int(node)].tailBytes = tail
            places[Int(node)].blocks = Self.up(data - tail, Self.blockBytes) / Self.blockBytes
            offset += head + tail
        }
        blocks = Self.up(offset, Self.blockBytes) / Self.blockBytes
        dataStartBlock = blocks
        for node in order where places[Int(node)].blocks > 0 {
            places[Int(node)].firstBlock = blocks
            blocks += places[Int(node)].blocks
        }
    }

    static func up(_ value: Int, _ unit: Int) -> Int { (value + unit - 1) / unit * unit }
}

/// How long a directory is: entries are packed into blocks, each whole in one.
struct DirectorySize {
    private var whole = 0
    private var used = 0

    var bytes: Int { whole + used }

    /// Whether the entry began another block.
    @discardableResult
    mutating func add(nameBytes: Int) -> Bool {
        let bytes = ErofsLayout.entryBytes + nameBytes
        let isNew = used + bytes > ErofsLayout.blockBytes
        if isNew {
            whole += ErofsLayout.blockBytes
            used = 0
        }
        used += bytes
        return isNew
    }
}
