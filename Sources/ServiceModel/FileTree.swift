/// The tree of a box: names, kinds, attributes and the digests of contents, never the contents.
///
/// Keeps true, once made by `sorted`: the entries of every directory are sorted by the bytes of
/// their names and no name is there twice, so that equal trees are equal values.
package struct FileTree: Equatable, Sendable {
    /// Of the root directory itself. Part of the id where they are not those of a directory that
    /// no archive named.
    package var attributes: FileAttributes
    /// The service asks that nothing in it can be written: `read_mode` "ro" of the root.
    package var isReadOnly = false
    static let readModeKey = "read_mode"
    static let readOnlyMode = "ro"
    package var entries: [TreeEntry]

    package init(attributes: FileAttributes = .directory, entries: [TreeEntry] = []) {
        self.attributes = attributes
        self.entries = entries
    }

    // LIMIT: names on the way to an entry, the entry's own counted, whatever a tree comes from: an
    // archive, an image's layer, a package or a value. The tree is walked by recursion, a few
    // hundred bytes of stack a level; real trees are less than 40 deep. Past it TOO_DEEP.
    package static let depthMax = 64

    // LIMIT: entries of a tree. Ten times a large distribution's root; 150 bytes each stay within
    // the 64 MiB an import may use.
    package static let entriesMax = 400_000

    // LIMIT: bytes of all names, link targets and extended attributes, which 400,000 names of 255
    // bytes would take past those 64 MiB.
    package static let textBytesMax = 24 << 20

    /// Entries, the root not counted.
    package var count: Int { Self.count(entries) }

    /// Bytes of file contents, each file counted where it stands.
    package var contentBytes: UInt64 { Self.contentBytes(entries) }

    /// The entry at a path of names from the root; links are not followed.
    package func entry(at path: some Sequence<String>) -> TreeEntry? {
        var level = entries
        var found: TreeEntry?
        for name in path {
            guard let entry = Self.find(name, in: level) else { return nil }
            found = entry
            if case .directory(let below) = entry.content { level = below } else { level = [] }
        }
        return found
    }

    /// Calls `body` for every file's content, in the order of the tree.
    package func forEachFile<E: Error>(
        _ body: (ContentDigest, UInt64) throws(E) -> Void
    ) throws(E) {
        try Self.forEachFile(entries, body)
    }

    private static func forEachFile<E: Error>(
        _ entries: [TreeEntry], _ body: (ContentDigest, UInt64) throws(E) -> Void
    ) throws(E) {
        for entry in entries {
            switch entry.content {
            case .file(let digest, let bytes): try body(digest, bytes)
            case .link: continue
            case .directory(let below): try forEachFile(below, body)
            }
        }
    }

    /// Where a link in a directory leads, by its text alone: ".." at the root stays there.
    package static func resolve(_ text: String, in directory: some Collection<String>) -> String {
        var names = text.utf8.first == UInt8(ascii: "/") ? [] : Array(directory)
        // By bytes: "/" and a combining mark behind it are one Character.
        for part in text.utf8.split(separator: UInt8(ascii: "/")) where !part.elementsEqual([46]) {
            if part.elementsEqual([46, 46]) {
                _ = names.popLast()
            } else {
                names.append(String(Substring(part)))
            }
        }
        return "/" + names.joined(separator: "/")
    }

    /// The path of a link whose own text leads elsewhere than its target.
    func firstBadLink() -> String? {
        var names: [String] = []
        return Self.firstBadLink(entries, in: &names)
    }

    private static func firstBadLink(
        _ entries: [TreeEntry], in names: inout [String]
    ) -> String? {
        for entry in entries {
            switch entry.content {
            case .link(let target):
                guard let text = entry.linkText else { continue }
                if !resolve(text, in: names).utf8.elementsEqual(target.utf8) {
                    return (names + [entry.name]).joined(separator: "/")
                }
            case .directory(let below):
                names.append(entry.name)
                defer { names.removeLast() }
                if let path = firstBadLink(below, in: &names) { return path }
            case .file: continue
            }
        }
        return nil
    }

    private static func find(_ name: String, in entries: [TreeEntry]) -> TreeEntry? {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            let found = entries[middle].name.utf8
            // Not `==` of texts: that finds two spellings of one letter equal; a kernel does not.
            if found.elementsEqual(name.utf8) { return entries[middle] }
            if found.lexicographicallyPrecedes(name.utf8) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return nil
    }

    private static func count(_ entries: [TreeEntry]) -> Int {
        entries.reduce(entries.count) { sum, entry in
            guard case .directory(let below) = entry.content else { return sum }
            return sum + count(below)
        }
    }

    private static func contentBytes(_ entries: [TreeEntry]) -> UInt64 {
        entries.reduce(0) { sum, entry in
            switch entry.content {
            case .file(_, let bytes): sum + bytes
            case .link: sum
            case .directory(let below): sum + contentBytes(below)
            }
        }
    }
}

/// The SHA-256 of a file's content: its name in the object store.
package struct ContentDigest: Hashable, Sendable, Comparable {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// - Parameter bytes: 32 bytes; nil for any other number.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == 32 else { return nil }
        self.init(Array(bytes))
    }

    /// - Parameter bytes: as above.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        func word(_ start: Int) -> UInt64 {
            var word: UInt64 = 0
            for index in start..<(start + 8) { word = word << 8 | UInt64(bytes[index]) }
            return word
        }
        words = (word(0), word(8), word(16), word(24))
    }

    /// Of an empty content.
    package static let ofNothing = ContentDigest(
        (0xE3B0_C442_98FC_1C14, 0x9AFB_F4C8_996F_B924, 0x27AE_41E4_649B_934C, 0xA495_991B_7852_B855)
    )

    private init(_ words: (UInt64, UInt64, UInt64, UInt64)) {
        self.words = words
    }

    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(32)
        for index in 0..<32 { bytes.append(byte(index)) }
        return bytes
    }

    /// Lower-case hexadecimal.
    package var hex: String { text(slashAfter: nil) }

    /// Its place in the object store, relative: "ab/cdef…".
    package var objectPath: String { text(slashAfter: 0) }

    // Asked for several times for each file of a box.
    private func text(slashAfter place: Int?) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(65)
        for index in 0..<32 {
            let byte = byte(index)
            text.append(Self.digit(byte >> 4))
            text.append(Self.digit(byte & 15))
            if index == place { text.append(UInt8(ascii: "/")) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    private func byte(_ index: Int) -> UInt8 {
        let word = index < 16 ? (index < 8 ? words.0 : words.1) : (index < 24 ? words.2 : words.3)
        return UInt8(truncatingIfNeeded: word >> UInt64(56 - index % 8 * 8))
    }

    /// In the order of their bytes.
    package static func < (left: Self, right: Self) -> Bool { left.words < right.words }

    package static func == (left: ContentDigest, right: ContentDigest) -> Bool {
        left.words == right.words
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}
