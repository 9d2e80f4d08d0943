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
    static let inodeBytes = 64
    /// Inodes are numbered by their place, in units of this.
    static let slotBytes = 32
    static let entryBytes = 12

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

    /// Bytes of the inode and what always stands behind it.
    func headBytes(of node: Int32) -> Int {
        let entry = tree.entries[Int(node)]
        // The one chunk index of a file whose content is elsewhere.
        return Self.inodeBytes + Int(entry.attributes.count) + (entry.hasContent ? 4 : 0)
    }

    private mutating func place() {
        var offset = Self.superblockOffset + Self.superblockBytes
        for node in order {
            let head = headBytes(of: node)
            let data = places[Int(node)].dataBytes
            offset = Self.up(offset, Self.slotBytes)
            // A tail that nearly fills a block gets one of its own: aligning the inode for it could
            // push it over the block's end.
            let rest = data % Self.blockBytes
            let tail = rest <= Self.blockBytes - Self.slotBytes * 2 ? rest : 0
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
