import Interfaces
import ServiceModel
import SharedCrypto

/// Replaces the pointers of a service by the blocks they name, and every length around them, as the
/// rule of the id asks (celaut-wire-facts, "Hashes and ids").
///
/// A pointer stands where the content of a file, or a whole directory, would: a serialized block, with
/// the type of its digest or without; then it has the type of the pointer whose tree it is in. Two
/// passes over the same bytes: the first finds the lengths, the second gives the bytes on. A tree may
/// point at itself: depth and number of entries are bounded.
struct PointerExpansion {
    /// A block as it came.
    struct Block {
        /// Tells it apart from the others of the package.
        let number: Int
        let digest: ContentDigest
        let bytes: UInt64
        /// Its names, where the bytes that came have another digest: the expanded ones must have it.
        let unproven: [BlockName]
    }

    /// A block that a pointer names.
    private struct Pointed {
        let name: BlockName
        let block: Block
        /// What the pointer says of the bytes.
        let hashes: [Hash]
    }

    private enum Kind {
        case service, container, directory, branch

        /// What a field of it holds, where that can be or hold a pointer.
        func child(_ number: UInt64) -> Child? {
            switch (self, number) {
            case (.service, 2): .message(.container)
            case (.container, 2), (.branch, 4): .tree
            case (.directory, 1): .message(.branch)
            case (.branch, 2): .file
            default: nil
            }
        }
    }

    private enum Child {
        case message(Kind)
        case tree
        case file
    }

    /// A message that is being read. On a list and not on the stack: a tree can be deep.
    private struct Frame {
        let kind: Kind
        let file: PackageFile
        var at: UInt64
        let end: UInt64
        /// The type of a pointer in it that has none; nil where each must have its own.
        let inherited: Hash.Algorithm?
        /// What its bytes must have for digests, where that is not known.
        var unproven: [BlockName] = []
        /// The field of the message around it that it is, and where its length is kept.
        var field: PackageFile.Field?
        var place = 0
        var total: UInt64 = 0

        init(
            _ kind: Kind, _ file: PackageFile, _ range: Range<UInt64>,
            inherited: Hash.Algorithm?
        ) {
            self.kind = kind
            self.file = file
            at = range.lowerBound
            end = range.upperBound
            self.inherited = inherited
        }
    }

    // LIMIT: messages within messages: two for each directory, and those around the tree.
    private static let framesMax = 2 * FileTree.depthMax + 4

    // LIMIT: fields that hold something: three for each entry, and those around the tree.
    private static let lengthsMax = 3 * FileTree.entriesMax + 4

    // LIMIT: bytes of all fields that hold nothing: names, attributes, what nobody here knows. Twice what the
    // largest tree that is taken has; a block of them may stand in hundreds of thousands of directories,
    // and each would be read before the first is given on. Past it TOO_LARGE.
    private static let passedBytesMax: UInt64 = 128 << 20

    /// Takes a content whole, and gives its bytes to another, too.
    typealias Adopting = (
        _ content: ContentDigest, _ also: (ArraySlice<UInt8>) -> Void
    ) throws(Fault) -> Void

    private let isVouched: Bool
    private let block: (BlockName) throws(Fault) -> Block?
    private let open: (Block, String) throws(Fault) -> PackageFile
    private let give: (ArraySlice<UInt8>) throws(Fault) -> Void
    private let adopt: Adopting
    /// Of the fields that hold something, in the order in which they are met.
    private var lengths: [UInt64] = []
    private var met = 0
    /// The hashes of the trees that are being given and have to have their names.
    private var checked: [BlockDigests] = []

    /// - Parameters:
    ///   - isVouched: the digest of the expanded service is known, so that it tells whether a content that
    ///     is written as a pointer to nothing is one.
    ///   - block: the block with a name; nil where there is none.
    ///   - open: its bytes.
    ///   - give: takes expanded bytes.
    ///   - adopt: takes a content whole.
    init(
        isVouched: Bool, block: @escaping (BlockName) throws(Fault) -> Block?,
        open: @escaping (Block, String) throws(Fault) -> PackageFile,
        give: @escaping (ArraySlice<UInt8>) throws(Fault) -> Void,
        adopt: @escaping Adopting
    ) {
        self.isVouched = isVouched
        self.block = block
        self.open = open
        self.give = give
        self.adopt = adopt
    }

    mutating func run(_ file: PackageFile) throws(Fault) {
        try measure(file)
        try write(file)
    }

    // MARK: Pointers

    // LIMIT: bytes of a pointer as it is written, without and with its type (celaut-wire-facts, "Packages").
    private static let pointerBytes: Set<UInt64> = [36, 70]

    /// The pointer in a payload.
    ///
    /// - Parameter isTree: its bytes can be no directory: what it would name is no text.
    /// - Returns: nil for anything that names no block: a content like others.
    /// - Throws: NOT_FOUND for what is written as a pointer, where nothing says that it is none.
    private func pointer(
        _ file: PackageFile, _ payload: Range<UInt64>, inherited: Hash.Algorithm?,
        isTree: Bool = false
    ) throws(Fault) -> Pointed? {
        // 36 bytes without a type, 70 with one; with the types of several algorithms, more.
        guard (36...256).contains(payload.upperBound - payload.lowerBound) else { return nil }
        let bytes = Array(try file.read(payload))
        guard let pointer = try? BeeRecord.Block(decoding: bytes) else { return nil }
        var names = pointer.names
        if names.isEmpty, let inherited, pointer.hashes.count == 1, pointer.hashes[0].type.isEmpty,
            pointer.hashes[0].value.count == 32
        {
            names = [BlockName(inherited, pointer.hashes[0].value)]
        }
        for name in names {
            guard let block = try block(name) else { continue }
            return Pointed(name: name, block: block, hashes: pointer.hashes)
        }
        let isWritten = Self.pointerBytes.contains(payload.upperBound - payload.lowerBound)
        guard let name = names.first, isWritten, isTree || !isVouched else { return nil }
        throw Fault(.notFound, subject: "block \(name.text)")
    }

    /// What a field holds, as a message to be read; nil for the content of a file.
    private func frame(
        _ child: Child, _ around: Frame, _ payload: Range<UInt64>
    ) throws(Fault) -> Frame? {
        switch child {
        case .file:
            return nil
        case .message(let kind):
            return Frame(kind, around.file, payload, inherited: around.inherited)
        case .tree:
            guard
                let pointed = try pointer(
                    around.file, payload, inherited: around.inherited, isTree: true)
            else { return Frame(.directory, around.file, payload, inherited: around.inherited) }
            let file = try open(pointed.block, "block \(pointed.name.text)")
            var frame = Frame(
                .directory, file, 0..<file.bytes, inherited: pointed.name.algorithm)
            frame.unproven = pointed.block.unproven
            return frame
        }
    }

    // MARK: Lengths

    /// Finds the expanded length of every field that holds something.
    private mutating func measure(_ file: PackageFile) throws(Fault) {
        var frames = [Frame(.service, file, 0..<file.bytes, inherited: nil)]
        var passed: UInt64 = 0
        while var frame = frames.popLast() {
            guard frame.at < frame.end else {
                guard let field = frame.field, var around = frames.popLast() else { continue }
                lengths[frame.place] = frame.total
                try Self.add(field, frame.total, to: &around)
                frames.append(around)
                continue
            }
            let field = try frame.file.field(at: frame.at, before: frame.end)
            frame.at = field.whole.upperBound
            guard let payload = field.payload, let child = frame.kind.child(field.number) else {
                let bytes = field.whole.upperBound - field.whole.lowerBound
                frame.total += bytes
                passed += bytes
                guard passed <= Self.passedBytesMax else {
                    throw .tooLarge(
                        subject: "service", limit: Self.passedBytesMax, actual: passed)
                }
                frames.append(frame)
                continue
            }
            guard lengths.count < Self.lengthsMax else {
                throw .invalid(
                    .tooManyEntries, subject: "service", limit: UInt64(FileTree.entriesMax))
            }
            lengths.append(0)
            if var inner = try self.frame(child, frame, payload) {
                guard frames.count + 2 <= Self.framesMax else {
                    throw .invalid(
                        .tooDeep, subject: "service", limit: UInt64(FileTree.depthMax))
                }
                inner.field = field
                inner.place = lengths.count - 1
                frames.append(frame)
                frames.append(inner)
            } else {
                let length =
                    try pointer(frame.file, payload, inherited: frame.inherited)?.block.bytes
                    ?? payload.upperBound - payload.lowerBound
                lengths[lengths.count - 1] = length
                try Self.add(field, length, to: &frame)
                frames.append(frame)
            }
        }
    }

    private static func add(
        _ field: PackageFile.Field, _ length: UInt64, to frame: inout Frame
    ) throws(Fault) {
        let head = field.tag.upperBound - field.tag.lowerBound + lengthBytes(field, length)
        frame.total += head + length
        // Two of them can be added without passing the end of the numbers.
        guard frame.total < 1 << 62 else {
            throw .tooLarge(subject: "service", limit: 1 << 62, actual: frame.total)
        }
    }

    /// A length that stays keeps its bytes, however many they are.
    private static func lengthBytes(_ field: PackageFile.Field, _ length: UInt64) -> UInt64 {
        guard let payload = field.payload, payload.upperBound - payload.lowerBound != length else {
            return field.lengthBytes
        }
        return ProtoWriter.varintLength(length)
    }

    // MARK: Bytes

    private mutating func write(_ file: PackageFile) throws(Fault) {
        var frames = [Frame(.service, file, 0..<file.bytes, inherited: nil)]
        while var frame = frames.popLast() {
            guard frame.at < frame.end else {
                if !frame.unproven.isEmpty { try checked.popLast()?.check() }
                continue
            }
            let field = try frame.file.field(at: frame.at, before: frame.end)
            frame.at = field.whole.upperBound
            guard let payload = field.payload, let child = frame.kind.child(field.number) else {
                try copy(frame.file, field.whole)
                frames.append(frame)
                continue
            }
            try head(frame.file, field, payload)
            if let inner = try self.frame(child, frame, payload) {
                if !inner.unproven.isEmpty {
                    checked.append(BlockDigests(inner.unproven.map(\.hash)))
                }
                frames.append(frame)
                frames.append(inner)
            } else {
                try content(frame, payload)
                frames.append(frame)
            }
        }
    }

    private mutating func head(
        _ file: PackageFile, _ field: PackageFile.Field, _ payload: Range<UInt64>
    ) throws(Fault) {
        let length = lengths[met]
        met += 1
        guard payload.upperBound - payload.lowerBound != length else {
            return try copy(file, field.whole.lowerBound..<payload.lowerBound)
        }
        try copy(file, field.tag)
        var head = ProtoWriter()
        head.varint(length)
        for place in checked.indices { checked[place].take(head.bytes[...]) }
        try give(head.bytes[...])
    }

    private mutating func content(_ frame: Frame, _ payload: Range<UInt64>) throws(Fault) {
        guard
            let pointed = try pointer(frame.file, payload, inherited: frame.inherited)
        else { return try copy(frame.file, payload) }
        let block = pointed.block
        guard block.unproven.isEmpty else {
            throw Fault(.corrupt, subject: pointed.name.text)
        }
        guard checked.isEmpty else {
            let content = try open(block, "block \(pointed.name.text)")
            return try copy(content, 0..<content.bytes)
        }
        // What it was found by was compared when the block came.
        guard pointed.hashes.count > 1 else { return try adopt(block.digest) { _ in } }
        var digests = BlockDigests(pointed.hashes)
        try adopt(block.digest) { run in digests.take(run) }
        try digests.check()
    }

    private mutating func copy(_ file: PackageFile, _ range: Range<UInt64>) throws(Fault) {
        var hashes = checked
        try file.forEachRun(range) { run throws(Fault) in
            for place in hashes.indices { hashes[place].take(run) }
            try give(run)
        }
        checked = hashes
    }
}
