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
    private var blocks: [String: PointerExpansion.Block] = [:]
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

    // LIMIT: blocks of a package with pointers, whose names are held: as many as a tree has entries.
    private static let blocksMax = FileTree.entriesMax

    private struct OpenBlock {
        let block: BeeRecord.Block
        let name: [UInt8]
        /// The content that it would be.
        let length: UInt64?
        var hash = SHA3_256()
        var claims: ClaimedDigests
        var bytes: UInt64 = 0

        init(_ block: BeeRecord.Block, _ name: [UInt8], length: UInt64?) {
            self.block = block
            self.name = name
            self.length = length
            claims = ClaimedDigests(block.hashes)
        }

        mutating func take(_ run: ArraySlice<UInt8>) {
            hash.take(run)
            claims.take(run)
            bytes += UInt64(run.count)
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
        for position in open.indices { open[position].take(bytes) }
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
        guard let name = block.sha3 else { return }
        if aside != nil, !isPointed {
            if try standsApart(from: name) {
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
        open.append(OpenBlock(block, name, length: isPointed ? nil : intake.contentNext))
    }

    /// Whether the bytes before the first block have pointers in them, and the blocks come behind. Then
    /// nothing is open in what came, or it is no expanded service: a content that has the name of a
    /// block in it by chance, another package say, is no pointer where the block is in its place.
    private func standsApart(from name: [UInt8]) throws(Fault) -> Bool {
        guard let aside, refusal != nil || intake.isWhole else { return false }
        if try aside.holdsPointer(to: name) { return true }
        // It may be a block of a block. The topmost pointers, which are there, have their type.
        return try aside.holds([0x0A, 0x20] + Hash.Algorithm.sha3.type)
    }

    private mutating func close() throws(Fault) {
        guard let last = open.last else { return }
        if isPointed { return try closePointed(last) }
        if last.bytes == 0 { try recall(last) }
        let closed = open.removeLast()
        let computed = Array(closed.hash.finalize())
        guard computed == closed.name else { throw Self.corrupt(closed.name, computed) }
        try closed.claims.check(sha3: computed)
        // The whole of a content, and nothing else.
        if let length = closed.length, length == closed.bytes, let digest = intake.ended {
            said.names[digest] = closed.name
        }
    }

    private mutating func closePointed(_ block: OpenBlock) throws(Fault) {
        open.removeLast()
        guard blocks.count < Self.blocksMax else {
            throw .limitReached(subject: "blocks", limit: UInt64(Self.blocksMax))
        }
        let text = Hexadecimal.text(block.name)
        let digest: ContentDigest
        var bytes = block.bytes
        if bytes > 0 || block.name == Hash.Algorithm.sha3.type {
            digest = try contents.finish()
        } else {
            contents.discard()
            guard let known = try known(block.block, block.name), try contents.rely(on: known)
            else { throw Fault(.notFound, subject: "block \(text)") }
            digest = known
            try store.forEachRun(of: known) { run in bytes += UInt64(run.count) }
        }
        let isExact = block.bytes == 0 || Array(block.hash.finalize()) == block.name
        // One that is named by its expanded bytes claims nothing of those that came.
        if isExact, block.bytes > 0 { try block.claims.check(sha3: block.name) }
        blocks[text] = PointerExpansion.Block(digest: digest, bytes: bytes, isExact: isExact)
        if isExact { said.names[digest] = block.name }
    }

    private mutating func expand() throws(Fault) {
        guard let file = try aside?.finish() else { return }
        let (store, blocks) = (store, blocks)
        let intake = try makeIntake()
        intake.expect(said.hashes)
        self.intake = intake
        var unnamed = Set(blocks.keys)
        var expansion = PointerExpansion(
            isVouched: isExpected || ClaimedDigests.areKnown(said.hashes),
            block: { name in
                let text = Hexadecimal.text(name)
                unnamed.remove(text)
                return blocks[text]
            },
            open: { block, subject throws(Fault) in
                try PackageFile(store, block.digest, bytes: block.bytes, subject: subject)
            },
            give: { run throws(Fault) in try intake.feed(run) },
            adopt: { digest throws(Fault) in try intake.adopt(digest) { _ in } })
        try expansion.run(file)
        // Its bytes would be dropped: what stands for them was not understood as a pointer.
        if let text = unnamed.min() {
            throw Fault(
                .invalid, reason: .malformed, subject: "package: block",
                lines: ["no pointer to \(text)"])
        }
    }

    /// A block that came without its bytes: the sender was told that it is here.
    private mutating func recall(_ block: OpenBlock) throws(Fault) {
        if block.name == Hash.Algorithm.sha3.type { return }
        guard let digest = try known(block.block, block.name) else {
            throw Fault(.notFound, subject: "block \(Hexadecimal.text(block.name))")
        }
        var open = open
        try intake.adopt(digest) { run in
            for position in open.indices { open[position].take(run) }
        }
        self.open = open
    }

    private func known(
        _ block: BeeRecord.Block, _ name: [UInt8]
    ) throws(Fault) -> ContentDigest? {
        let type = Hash.Algorithm.sha2.type
        if let value = block.hashes.first(where: { $0.type == type })?.value,
            let digest = ContentDigest(value), try index.needed(among: [digest]).contains(digest)
        {
            return digest
        }
        return try index.content(ofBlock: name)
    }

    private static func corrupt(_ name: [UInt8], _ computed: [UInt8]) -> Fault {
        Fault(
            .corrupt, subject: Hexadecimal.text(name), lines: [Hexadecimal.text(computed)])
    }
}
