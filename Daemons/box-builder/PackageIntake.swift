import Interfaces
import ServiceModel
import SharedCrypto
import Syscalls

/// Takes the bytes of a package (`.celaut.bee`): its records to a service's bytes, its blocks checked
/// against the digests they are named by, and those that were left out taken from the store.
///
/// The bytes of a service come in one of two ways, told apart at the first block. Expanded: each block
/// stands in its place between its markers, and nothing has to be put together. With pointers: a
/// pointer stands where the bytes would, the blocks come behind, and the service is expanded when all
/// is there. For the second the bytes before the first block are kept aside in a file.
struct PackageIntake {
    private let store: ObjectStore
    private let index: BoxIndex
    private let contents: ImportedContents
    private let isExpected: Bool
    private let makeIntake: () throws(Fault) -> ServiceIntake
    private var intake: ServiceIntake
    private var reader = BeeReader()
    private var open: [OpenBlock] = []
    private var aside: PackageAside?
    private var isPointed = false
    /// Why the bytes aside are no expanded service: what is wrong, unless they turn out to have
    /// pointers.
    private var refusal: Fault?
    /// Each by every name that is said of it.
    private var blocks: [BlockName: PointerExpansion.Block] = [:]
    private var blocksCount = 0
    private(set) var said = Said()

    /// What a package says beside its box.
    struct Said {
        /// What blocks that are contents are named by.
        var names: [ContentDigest: [UInt8]] = [:]
        /// Where opinions on the box stand.
        var proofs: [Contract] = []
        /// Digests of the service.
        var hashes: [Hash] = []
    }

    // LIMIT: names of the blocks of a package with pointers, which are held: as many as a tree has
    // entries. Past it LIMIT_REACHED.
    private static let namesMax = FileTree.entriesMax

    private struct OpenBlock {
        let names: [BlockName]
        /// The content that it would be.
        let length: UInt64?
        var digests: BlockDigests

        init(_ block: BeeRecord.Block, length: UInt64?) {
            names = block.names
            self.length = length
            digests = BlockDigests(block.hashes)
        }
    }

    /// - Parameters:
    ///   - isExpected: the id of the service is known, and will be compared.
    ///   - makeIntake: for the service from its first byte on.
    init(
        _ store: ObjectStore, _ index: BoxIndex, _ contents: ImportedContents, isExpected: Bool,
        _ makeIntake: @escaping () throws(Fault) -> ServiceIntake
    ) throws(Fault) {
        self.store = store
        self.index = index
        self.contents = contents
        self.isExpected = isExpected
        self.makeIntake = makeIntake
        intake = try makeIntake()
        aside = try PackageAside(store)
    }

    /// Bytes of the expanded service so far.
    var bytes: UInt64 { intake.bytes }

    mutating func feed(_ run: ArraySlice<UInt8>) throws(Fault) {
        var rest = run
        while let event = try next(&rest) {
            switch event {
            case .metadata(let bytes): try take(metadata: bytes)
            case .service, .serviceEnds: continue
            case .bytes(let bytes): try take(bytes)
            case .blockBegins(let block): try begin(block)
            case .blockEnds: try close()
            }
        }
    }

    /// There is no more.
    ///
    /// - Returns: what has the service.
    mutating func end() throws(Fault) -> ServiceIntake {
        do throws(PackageError) {
            try reader.end()
        } catch {
            throw error.fault
        }
        if isPointed {
            // They are read back.
            try contents.drain()
            try expand()
        }
        if let refusal { throw refusal }
        return intake
    }

    private mutating func next(
        _ rest: inout ArraySlice<UInt8>
    ) throws(Fault) -> BeeReader.Event? {
        do throws(PackageError) {
            return try reader.next(&rest)
        } catch {
            throw refusal ?? error.fault
        }
    }

    /// It comes before the service: what it says of the service can be computed on the way.
    private mutating func take(metadata bytes: [UInt8]) throws(Fault) {
        let metadata: Metadata
        do throws(ProtoError) {
            metadata = try Metadata(decoding: bytes)
        } catch {
            throw .invalid(.malformed, subject: "package: metadata", actual: reader.offset)
        }
        said.proofs = metadata.reputationProofs
        said.hashes = metadata.hashtag?.hashes ?? []
        intake.expect(said.hashes)
    }

    private mutating func take(_ bytes: ArraySlice<UInt8>) throws(Fault) {
        for position in open.indices { open[position].digests.take(bytes) }
        if isPointed, !open.isEmpty {
            // SAFETY: bytes have no padding.
            return try unsafe contents.append(bytes.span.bytes)
        }
        if aside != nil { try aside?.take(bytes) }
        guard !isPointed, refusal == nil else { return }
        do throws(Fault) {
            try intake.feed(bytes)
        } catch {
            guard aside != nil, error.code == .invalid else { throw error }
            refusal = error
        }
    }

    private mutating func begin(_ block: BeeRecord.Block) throws(Fault) {
        if aside != nil, !isPointed {
            if try standsApart(from: block.names) {
                isPointed = true
                refusal = nil
            } else {
                // The block is in its place: what came before it is needed no more.
                aside = nil
            }
        }
        if let refusal { throw refusal }
        if isPointed {
            guard open.isEmpty else {
                throw .invalid(.malformed, subject: "package: block", actual: reader.offset)
            }
            try contents.begin()
        }
        open.append(OpenBlock(block, length: isPointed ? nil : intake.contentNext))
    }

    /// Whether the bytes before the first block have pointers in them, and the blocks come behind. Then
    /// nothing is open in what came, or it is no expanded service: a content that has the name of a
    /// block in it by chance, another package say, is no pointer where the block is in its place.
    private func standsApart(from names: [BlockName]) throws(Fault) -> Bool {
        guard let aside, refusal != nil || intake.isWhole else { return false }
        return try aside.holdsPointer(to: names)
    }

    private mutating func close() throws(Fault) {
        guard let last = open.last else { return }
        if isPointed { return try closePointed() }
        if last.digests.bytes == 0 { try recall(last) }
        let digests = open.removeLast().digests
        try digests.check()
        // The whole of a content, and nothing else.
        if let length = last.length, length == digests.bytes, let content = intake.ended {
            said.names[content] = digests.sha3
        }
    }

    private mutating func closePointed() throws(Fault) {
        var block = open.removeLast()
        guard let name = block.names.first else { return }
        guard blocks.count + block.names.count <= Self.namesMax else {
            throw .limitReached(subject: "blocks", limit: UInt64(Self.namesMax))
        }
        let content: ContentDigest
        let isLeftOut = block.digests.bytes == 0 && !name.isOfNothing
        if isLeftOut {
            contents.discard()
            guard let known = try known(block.names), try contents.rely(on: known) else {
                throw Fault(.notFound, subject: "block \(name.text)")
            }
            content = known
            try store.forEachRun(of: known) { run in block.digests.take(run) }
        } else {
            content = try contents.finish()
        }
        let isExact = isLeftOut || block.digests.have(name)
        // One that is named by its expanded bytes claims nothing of those that came.
        if isExact {
            try block.digests.check()
            said.names[content] = block.digests.sha3
        }
        let kept = PointerExpansion.Block(
            number: blocksCount, digest: content, bytes: block.digests.bytes,
            unproven: isExact ? [] : block.names)
        blocksCount += 1
        for name in block.names { blocks[name] = kept }
    }

    private mutating func expand() throws(Fault) {
        guard let file = try aside?.finish() else { return }
        let (store, blocks) = (store, blocks)
        let intake = try makeIntake()
        intake.expect(said.hashes)
        self.intake = intake
        var named: Set<Int> = []
        var expansion = PointerExpansion(
            isVouched: isExpected || ClaimedDigests.areKnown(said.hashes),
            block: { name in
                guard let block = blocks[name] else { return nil }
                named.insert(block.number)
                return block
            },
            open: { block, subject throws(Fault) in
                try PackageFile(store, block.digest, bytes: block.bytes, subject: subject)
            },
            give: { run throws(Fault) in try intake.feed(run) },
            adopt: { digest, also throws(Fault) in try intake.adopt(digest, also) })
        try expansion.run(file)
        // Its bytes would be dropped: what stands for them was not understood as a pointer.
        let unnamed = blocks.filter { !named.contains($0.value.number) }
        if let text = unnamed.keys.map(\.text).min() {
            throw Fault(
                .invalid, reason: .malformed, subject: "package: block",
                lines: ["no pointer to \(text)"])
        }
    }

    /// A block that came without its bytes: the sender was told that it is here.
    private mutating func recall(_ block: OpenBlock) throws(Fault) {
        guard let name = block.names.first, !name.isOfNothing else { return }
        guard let content = try known(block.names) else {
            throw Fault(.notFound, subject: "block \(name.text)")
        }
        var open = open
        try intake.adopt(content) { run in
            for position in open.indices { open[position].digests.take(run) }
        }
        self.open = open
    }

    /// The content of a name; by BLAKE2b-256 none is known here.
    private func known(_ names: [BlockName]) throws(Fault) -> ContentDigest? {
        for name in names where name.algorithm == .sha2 {
            if let content = ContentDigest(name.value),
                try index.needed(among: [content]).contains(content)
            {
                return content
            }
        }
        for name in names where name.algorithm == .sha3 {
            if let content = try index.content(ofBlock: name.value) { return content }
        }
        return nil
    }
}
