import Interfaces
import ServiceModel
import SharedCrypto

/// Takes the bytes of a package (`.celaut.bee`): its records to a service's bytes, its blocks checked
/// against the digests they are named by, and those that were left out taken from the store.
struct PackageIntake {
    private let store: ObjectStore
    private let index: BoxIndex
    private let intake: ServiceIntake
    private var reader = BeeReader()
    private var open: [OpenBlock] = []
    /// What blocks that are contents are named by.
    private(set) var names: [ContentDigest: [UInt8]] = [:]

    private struct OpenBlock {
        let block: BeeRecord.Block
        let name: [UInt8]
        /// The content that it would be.
        let length: UInt64?
        var hash = SHA3_256()
        var bytes: UInt64 = 0
    }

    init(_ store: ObjectStore, _ index: BoxIndex, _ intake: ServiceIntake) {
        self.store = store
        self.index = index
        self.intake = intake
    }

    mutating func feed(_ run: ArraySlice<UInt8>) throws(Fault) {
        var rest = run
        while let event = try next(&rest) {
            switch event {
            case .metadata, .service, .serviceEnds: continue
            case .bytes(let bytes):
                hash(bytes)
                try intake.feed(bytes)
            case .blockBegins(let block):
                guard let name = block.sha3 else { continue }
                open.append(OpenBlock(block: block, name: name, length: intake.contentNext))
            case .blockEnds:
                try close()
            }
        }
    }

    func end() throws(Fault) {
        do throws(PackageError) {
            try reader.end()
        } catch {
            throw error.fault
        }
    }

    private mutating func next(
        _ rest: inout ArraySlice<UInt8>
    ) throws(Fault) -> BeeReader.Event? {
        do throws(PackageError) {
            return try reader.next(&rest)
        } catch {
            throw error.fault
        }
    }

    private mutating func hash(_ run: ArraySlice<UInt8>) {
        for position in open.indices {
            // SAFETY: the run is only read, during the call.
            unsafe run.withUnsafeBytes { unsafe open[position].hash.update(bufferPointer: $0) }
            open[position].bytes += UInt64(run.count)
        }
    }

    private mutating func close() throws(Fault) {
        guard let last = open.last else { return }
        if last.bytes == 0 { try recall(last) }
        let closed = open.removeLast()
        let computed = Array(closed.hash.finalize())
        guard computed == closed.name else {
            throw Fault(
                .corrupt, subject: Hexadecimal.text(closed.name),
                lines: [Hexadecimal.text(computed)])
        }
        // The whole of a content, and nothing else.
        if let length = closed.length, length == closed.bytes, let digest = intake.ended {
            names[digest] = closed.name
        }
    }

    /// A block that came without its bytes: the sender was told that it is here.
    private mutating func recall(_ block: OpenBlock) throws(Fault) {
        if block.name == Hash.Algorithm.sha3.type { return }
        guard let digest = try known(block.block, block.name) else {
            throw Fault(.notFound, subject: "block \(Hexadecimal.text(block.name))")
        }
        let intake = intake
        try intake.adopt(digest) { run in hash(run) }
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
}
