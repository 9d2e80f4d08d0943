/// The tree of a service while its bytes are read: one directory after the other, each inside the
/// branch that has it.
struct CanonicalTreeBuilder {
    // LIMIT: bytes of a name: NAME_MAX of Linux.
    static let nameBytesMax: UInt64 = 255

    // LIMIT: bytes of a link's target and of its own text: PATH_MAX of Linux without its NUL.
    static let targetBytesMax = 4_095

    // LIMIT: bytes of a serialized Link: its target and its own path, which is at most as long as
    // `depthMax` names.
    static let linkBytesMax: UInt64 = 65_536

    // The four of `Attributes`.
    private static let numbersMax = 4

    // Tags and lengths of the two texts of a link.
    private static let linkHeadBytes = 16

    // LIMIT: bytes of one key and value of an entry.
    static let pairBytesMax = UInt64(ExtendedAttribute.bytesMax + 512)

    private struct Branch {
        var name: String?
        var item: TreeEntry.Content?
        var attributes = Attributes()
        var linkText: String?
        var extended: TextMap<[UInt8]> = [:]
        /// Bytes of their names and values.
        var extendedBytes = 0
        /// Pairs that are numbers of the attributes; of each there is one.
        var numbers = 0
        var share = ShareAttributes()
    }

    /// What is said of the four numbers; the rest is as usual.
    private struct Attributes {
        var mode: UInt32?
        var uid: UInt32 = 0
        var gid: UInt32 = 0
        var modifiedNanoseconds: UInt64 = 0

        /// Whether the key is one of them.
        mutating func take(_ key: String, _ value: ArraySlice<UInt8>) -> Bool? {
            func decimal<Number: FixedWidthInteger>(_: Number.Type) -> Number? {
                guard !value.isEmpty, value.allSatisfy({ (0x30...0x39).contains($0) }) else {
                    return nil
                }
                return Number(String(decoding: value, as: UTF8.self))
            }
            switch key {
            case "mode":
                guard let number = decimal(UInt32.self), number <= 0o177777 else { return nil }
                mode = number
            case "uid":
                guard let number = decimal(UInt32.self) else { return nil }
                uid = number
            case "gid":
                guard let number = decimal(UInt32.self) else { return nil }
                gid = number
            case "mtime_ns":
                guard let number = decimal(UInt64.self) else { return nil }
                modifiedNanoseconds = number
            default: return false
            }
            return true
        }

        /// nil where the mode is that of another kind of file.
        func attributes(_ type: UInt32, _ usual: UInt32) -> FileAttributes? {
            let mode = mode ?? (type | usual)
            guard mode & FileAttributes.typeMask == type || mode & FileAttributes.typeMask == 0
            else { return nil }
            return FileAttributes(
                mode: mode & ~FileAttributes.typeMask | type, uid: uid, gid: gid,
                modifiedNanoseconds: modifiedNanoseconds)
        }
    }

    /// The directories that are open, outermost first; the last but one is the one that holds the
    /// last, in its last branch.
    private var directories: [[TreeEntry]] = []
    private var branches: [Branch] = []
    private var rootEntries: [TreeEntry] = []
    private var root = Attributes()
    private var isReadOnly = false
    private var entries = 0
    private var textBytes = 0

    var isRoot: Bool { directories.count == 1 }

    /// Of what is being read, as far as it is known.
    var path: String {
        branches.map { $0.name ?? "?" }.joined(separator: "/")
    }

    private func error(
        _ offset: UInt64, _ condition: CanonicalError.Condition, limit: UInt64 = 0,
        actual: UInt64 = 0
    ) -> CanonicalError {
        CanonicalError(condition, path: path, offset: offset, limit: limit, actual: actual)
    }

    mutating func open() {
        directories.append([])
    }

    mutating func openBranch(at offset: UInt64) throws(CanonicalError) {
        guard directories.count <= FileTree.depthMax else {
            throw error(
                offset, .tooDeep, limit: UInt64(FileTree.depthMax),
                actual: UInt64(directories.count))
        }
        entries += 1
        guard entries <= FileTree.entriesMax else {
            throw error(
                offset, .tooManyEntries, limit: UInt64(FileTree.entriesMax), actual: UInt64(entries)
            )
        }
        branches.append(Branch())
    }

    private mutating func charge(
        _ bytes: Int, at offset: UInt64
    ) throws(CanonicalError) {
        textBytes += bytes
        guard textBytes <= FileTree.textBytesMax else {
            throw error(
                offset, .tooLarge, limit: UInt64(FileTree.textBytesMax), actual: UInt64(textBytes))
        }
    }

    // MARK: Fields of a branch

    mutating func takeName(
        _ bytes: [UInt8], at offset: UInt64
    ) throws(CanonicalError) {
        let last = branches.count - 1
        guard branches[last].name == nil else { throw error(offset, .duplicate) }
        guard let name = String(validating: bytes, as: UTF8.self), TreeEntry.isName(name) else {
            throw error(offset, .badName)
        }
        try charge(bytes.count, at: offset)
        branches[last].name = name
    }

    /// A branch has one item.
    func checkItem(at offset: UInt64) throws(CanonicalError) {
        guard branches[branches.count - 1].item == nil else { throw error(offset, .duplicate) }
    }

    mutating func setFile(_ digest: ContentDigest, bytes: UInt64) {
        branches[branches.count - 1].item = .file(digest, bytes: bytes)
    }

    mutating func takeLink(
        _ bytes: [UInt8], at offset: UInt64
    ) throws(CanonicalError) {
        try checkItem(at: offset)
        var target = ""
        var rest = bytes[...]
        do throws(ProtoError) {
            while !rest.isEmpty {
                let field = try ProtoField(taking: &rest, of: "Link")
                if field.number == 1 { target = try field.text() }
            }
        } catch {
            throw self.error(offset, .malformed)
        }
        try check(target: target, at: offset)
        guard target.utf8.first == UInt8(ascii: "/") else { throw error(offset, .badLink) }
        // All of it but its own path, which its names were charged for.
        let own = branches.reduce(0) { $0 + 1 + ($1.name?.utf8.count ?? 0) }
        try charge(max(target.utf8.count, bytes.count - own - Self.linkHeadBytes), at: offset)
        branches[branches.count - 1].item = .link(target: target)
    }

    /// What a link may say, wherever it leads.
    private func check(target: String, at offset: UInt64) throws(CanonicalError) {
        guard !target.isEmpty, !target.utf8.contains(0) else { throw error(offset, .badName) }
        let bytes = target.utf8.count
        guard bytes <= Self.targetBytesMax else {
            throw error(
                offset, .tooLarge, limit: UInt64(Self.targetBytesMax), actual: UInt64(bytes))
        }
    }

    mutating func takePair(
        _ bytes: [UInt8], at offset: UInt64
    ) throws(CanonicalError) {
        let (key, value) = try pair(bytes, at: offset)
        let last = branches.count - 1
        guard let isNumber = branches[last].attributes.take(key, value) else {
            throw error(offset, .badAttribute)
        }
        if isNumber {
            branches[last].numbers += 1
            if branches[last].numbers > Self.numbersMax { try charge(bytes.count, at: offset) }
            return
        }
        if key == CanonicalForm.linkTextKey {
            guard let text = String(validating: value, as: UTF8.self) else {
                throw error(offset, .badName)
            }
            try check(target: text, at: offset)
            let isFirst = branches[last].linkText == nil
            try charge(isFirst ? text.utf8.count : bytes.count, at: offset)
            branches[last].linkText = text
        } else if branches[last].share.take(key, value) {
            try charge(bytes.count, at: offset)
        } else if key.utf8.starts(with: "device.".utf8) {
            throw error(offset, .unsupported)
        } else if key.utf8.starts(with: CanonicalForm.extendedPrefix.utf8) {
            let name = String(
                Substring(key.utf8.dropFirst(CanonicalForm.extendedPrefix.utf8.count)))
            guard ExtendedAttribute.isKept(name) else { throw error(offset, .badAttribute) }
            // The last of a name wins, as in every map.
            let own = name.utf8.count + value.count
            let before = branches[last].extended[name].map { name.utf8.count + $0.count }
            try charge(before == nil ? own : bytes.count, at: offset)
            branches[last].extended[name] = Array(value)
            branches[last].extendedBytes += own - (before ?? 0)
            let sum = branches[last].extendedBytes
            guard sum <= ExtendedAttribute.bytesMax else {
                throw error(
                    offset, .tooLarge, limit: UInt64(ExtendedAttribute.bytesMax),
                    actual: UInt64(sum))
            }
        } else {
            // Somebody's: not looked at, and kept with the bytes of the box.
            try charge(bytes.count, at: offset)
        }
    }

    /// One of the root directory itself.
    mutating func takeRootPair(
        _ bytes: [UInt8], at offset: UInt64
    ) throws(CanonicalError) {
        try charge(bytes.count, at: offset)
        let (key, value) = try pair(bytes, at: offset)
        guard let isNumber = root.take(key, value) else { throw error(offset, .badAttribute) }
        if !isNumber, key == FileTree.readModeKey {
            isReadOnly = value.elementsEqual(FileTree.readOnlyMode.utf8)
        }
    }

    private func pair(
        _ bytes: [UInt8], at offset: UInt64
    ) throws(CanonicalError) -> (String, ArraySlice<UInt8>) {
        var key = ""
        var value: ArraySlice<UInt8> = []
        var rest = bytes[...]
        do throws(ProtoError) {
            while !rest.isEmpty {
                let field = try ProtoField(taking: &rest, of: "xattrs")
                if field.number == 1 { key = try field.text() }
                if field.number == 2 { value = try field.slice() }
            }
        } catch {
            throw self.error(offset, .malformed)
        }
        return (key, value)
    }

    // MARK: Ends

    mutating func closeBranch(at offset: UInt64) throws(CanonicalError) {
        guard let branch = branches.last, let name = branch.name, let item = branch.item else {
            throw error(offset, .incomplete)
        }
        let attributes =
            switch item {
            case .file: branch.attributes.attributes(FileAttributes.typeRegular, 0o644)
            case .link: branch.attributes.attributes(FileAttributes.typeLink, 0o777)
            case .directory: branch.attributes.attributes(FileAttributes.typeDirectory, 0o755)
            }
        guard let attributes else { throw error(offset, .badAttribute) }
        if branch.linkText != nil {
            guard case .link = item else { throw error(offset, .badLink) }
        }
        var entry = TreeEntry(
            name: name, attributes: attributes, content: item, linkText: branch.linkText,
            extended: branch.extended.map { ExtendedAttribute(name: $0.key, value: $0.value) })
        if let share = try share(branch, at: offset) { entry.share = share }
        branches.removeLast()
        directories[directories.count - 1].append(entry)
    }

    /// Only directories are shared.
    private func share(
        _ branch: Branch, at offset: UInt64
    ) throws(CanonicalError) -> DirectoryShare? {
        let share: DirectoryShare?
        do throws(ShareAttributes.Contradiction) {
            share = try branch.share.share()
        } catch {
            throw self.error(offset, .badAttribute)
        }
        guard share != nil else { return nil }
        guard case .directory = branch.item else { throw error(offset, .badAttribute) }
        return share
    }

    mutating func close(at offset: UInt64) throws(CanonicalError) {
        guard var entries = directories.popLast() else { return }
        func isBefore(_ one: TreeEntry, _ other: TreeEntry) -> Bool {
            one.name.utf8.lexicographicallyPrecedes(other.name.utf8)
        }
        // What comes from a canonical writer is sorted, and then no name is there twice.
        if zip(entries, entries.dropFirst()).contains(where: { !isBefore($0, $1) }) {
            entries.sort(by: isBefore)
            if let twice = zip(entries, entries.dropFirst()).first(where: { !isBefore($0, $1) }) {
                var refusal = error(offset, .duplicate)
                refusal.path += (refusal.path.isEmpty ? "" : "/") + twice.0.name
                throw refusal
            }
        }
        if directories.isEmpty {
            rootEntries = entries
        } else {
            branches[branches.count - 1].item = .directory(entries)
        }
    }

    func finished() throws(CanonicalError) -> FileTree {
        guard let attributes = root.attributes(FileAttributes.typeDirectory, 0o755) else {
            throw CanonicalError(.badAttribute)
        }
        var tree = FileTree(attributes: attributes, entries: rootEntries)
        tree.isReadOnly = isReadOnly
        if let path = tree.firstBadLink() { throw CanonicalError(.badLink, path: path) }
        try tree.checkShares()
        return tree
    }
}
