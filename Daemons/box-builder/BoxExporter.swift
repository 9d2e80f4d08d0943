package import Interfaces
package import ServiceModel
import SharedCrypto

/// Writes a box in a codec, on a worker thread, from its form and its contents.
///
/// Keeps true: what is written whole has the id of the box: it is computed again on the way, so that a
/// damaged store is noticed before the sum is sent. What is held does not grow with the box.
package struct BoxExporter: Sendable {
    let store: ObjectStore
    let index: BoxIndex

    package init(store: ObjectStore, index: BoxIndex) {
        self.store = store
        self.index = index
    }

    // LIMIT: files from this size on are blocks where the caller says nothing: one chunk.
    private static let blockBytesMinDefault: UInt64 = 1 << 20

    // LIMIT: a block smaller than its marker would save nothing, and there would be very many.
    private static let blockBytesMinLeast: UInt64 = 4_096

    /// - Parameters:
    ///   - known: contents that the receiver has; only a package can leave them out.
    ///   - put: writes.
    package func run(
        _ request: ExportBoxRequest, known: Set<ContentDigest>,
        to put: ([UInt8]) throws(Fault) -> Void, progress: (ExportProgress) -> Void
    ) throws(Fault) -> ExportSummary {
        let (record, _) = try index.find(request.box)
        guard let form = record.form else {
            // Kept since before forms were: packing or importing it again adds it.
            throw Fault(.unsupported, subject: record.id.description)
        }
        return try index.reading(record.id) { () throws(Fault) in
            try write(request, record, form, known, put, progress)
        }
    }

    private func write(
        _ request: ExportBoxRequest, _ record: BoxRecord, _ form: StoredForm,
        _ known: Set<ContentDigest>, _ put: ([UInt8]) throws(Fault) -> Void,
        _ progress: (ExportProgress) -> Void
    ) throws(Fault) -> ExportSummary {
        var summary = ExportSummary()
        summary.serviceIDBytes = record.id.bytes
        switch request.codec {
        case .unspecified, .proto3:
            try plain(record, form, &summary, put, progress)
        case .bee:
            let least =
                request.blockBytesMin == 0
                ? Self.blockBytesMinDefault : max(request.blockBytesMin, Self.blockBytesMinLeast)
            try package(record, form, least, known, &summary, put, progress)
        case .json:
            try json(record, form, &summary, put, progress)
        case .jsonZip:
            try zip(record, form, &summary, put, progress)
        case .UNRECOGNIZED:
            throw Fault(.unsupported, subject: "codec", lines: PackageImporter.codecs)
        }
        return summary
    }

    private func plain(
        _ record: BoxRecord, _ form: StoredForm, _ summary: inout ExportSummary,
        _ put: ([UInt8]) throws(Fault) -> Void, _ progress: (ExportProgress) -> Void
    ) throws(Fault) {
        var hash = SHA3_256()
        var step = ExportProgress()
        step.bytesTotal = record.canonicalBytes
        func write(_ run: ArraySlice<UInt8>) throws(Fault) {
            hash.take(run)
            try put(Array(run))
            step.bytes += UInt64(run.count)
            progress(step)
        }
        try form.forEachPiece(in: store) { piece throws(Fault) in
            switch piece {
            case .literal(let run): try write(run)
            case .content(let digest, _):
                try store.forEachRun(of: digest) { run throws(Fault) in try write(run) }
            }
        }
        guard Array(hash.finalize()) == record.id.bytes else {
            throw Fault(.corrupt, subject: record.id.description)
        }
        summary.bytes = step.bytes
    }

    private func package(
        _ record: BoxRecord, _ form: StoredForm, _ least: UInt64, _ known: Set<ContentDigest>,
        _ summary: inout ExportSummary,
        _ put: ([UInt8]) throws(Fault) -> Void, _ progress: (ExportProgress) -> Void
    ) throws(Fault) {
        var hash = SHA3_256()
        var writer = BeeWriter()
        var reader = CanonicalReader()
        var positions: [UInt64] = []
        var names: [ContentDigest: [UInt8]] = [:]
        var step = ExportProgress()
        step.bytesTotal = record.canonicalBytes
        var written: UInt64 = 0
        func flush(all: Bool = false) throws(Fault) {
            guard all || writer.readyBytes >= BeeRecord.chunkBytesMax else { return }
            let bytes = writer.take()
            written += UInt64(bytes.count)
            try put(bytes)
        }
        func add(_ run: ArraySlice<UInt8>) throws(Fault) {
            hash.take(run)
            writer.bytes(run)
            step.bytes += UInt64(run.count)
            progress(step)
            try flush()
        }
        // Where the receiver has contents, only the rest is read here: its id is all that is said.
        let hashes =
            known.isEmpty
            ? try digests(of: record, form) { () throws(Fault) in progress(step) }
            : [Hash(.sha3, value: record.id.bytes)]
        var metadata = Metadata(hashes: hashes, tags: record.tags)
        metadata.reputationProofs = try index.proofs(of: record.id).compactMap {
            try? Contract(decoding: $0)
        }
        writer.metadata(metadata.encoded())
        writer.service()
        try form.forEachPiece(in: store) { piece throws(Fault) in
            switch piece {
            case .literal(let run):
                positions = try reader.positions(after: run)
                try add(run)
            case .content(let digest, let bytes):
                let isBlock = bytes >= least
                let isSkipped = isBlock && known.contains(digest)
                if isBlock {
                    let name = try blockName(of: digest, &names)
                    var block = BeeRecord.Block(sha3: name, positions: positions)
                    if isSkipped { block.hashes.append(Hash(.sha2, value: digest.bytes)) }
                    writer.blockBegins(block)
                    summary.blocks += 1
                }
                if isSkipped {
                    summary.blocksSkipped += 1
                    summary.bytesSkipped += bytes
                    step.bytes += bytes
                    progress(step)
                } else {
                    try store.forEachRun(of: digest) { run throws(Fault) in try add(run) }
                }
                if isBlock { writer.blockEnds() }
                try reader.pass(digest)
                try flush()
            }
        }
        writer.end()
        // Who has the rest of it computes the id of the whole.
        guard summary.blocksSkipped > 0 || Array(hash.finalize()) == record.id.bytes else {
            throw Fault(.corrupt, subject: record.id.description)
        }
        try flush(all: true)
        summary.bytes = written
        // Only what saves work later.
        try? index.nameBlocks(names)
    }

    /// The SHA3-256 of a content: remembered, or computed now and remembered when all went well.
    private func blockName(
        of digest: ContentDigest, _ names: inout [ContentDigest: [UInt8]]
    ) throws(Fault) -> [UInt8] {
        if let name = names[digest] { return name }
        if let name = try index.blockName(of: digest) { return name }
        var hash = SHA3_256()
        try store.forEachRun(of: digest) { run in hash.take(run) }
        let name = Array(hash.finalize())
        names[digest] = name
        return name
    }

    /// What a box is known by, the id first. They stand before the box, which is so read twice: nothing
    /// of a damaged one is sent.
    ///
    /// - Parameter step: is called between runs of bytes.
    private func digests(
        of record: BoxRecord, _ form: StoredForm, step: () throws(Fault) -> Void
    ) throws(Fault) -> [Hash] {
        var digests = ServiceDigests()
        try form.forEachPiece(in: store) { piece throws(Fault) in
            switch piece {
            case .literal(let run):
                // SAFETY: bytes have no padding.
                unsafe digests.update(run.span.bytes)
            case .content(let digest, _):
                try store.forEachRun(of: digest) { run throws(Fault) in
                    // SAFETY: as above.
                    unsafe digests.update(run.span.bytes)
                    try step()
                }
            }
        }
        let hashes = digests.finalize()
        guard hashes.first?.value == record.id.bytes else {
            throw Fault(.corrupt, subject: record.id.description)
        }
        // Only what saves work later.
        try? index.addDigests(hashes, of: record.id)
        return hashes
    }

    /// What a box is known by, all of it: computed where it is not remembered.
    package func digests(
        of record: BoxRecord, isCancelled: () -> Bool
    ) throws(Fault) -> [Hash] {
        let known = try index.digests(of: record.id)
        if known.count == Hash.Algorithm.allCases.count { return known }
        guard let form = record.form else {
            throw Fault(.unsupported, subject: record.id.description)
        }
        return try index.reading(record.id) { () throws(Fault) in
            try digests(of: record, form) { () throws(Fault) in
                guard !isCancelled() else { throw .cancelled }
            }
        }
    }
}

extension CanonicalReader {
    /// Where the lengths around the content are that follows a run; those before, where none does.
    mutating func positions(after run: ArraySlice<UInt8>) throws(Fault) -> [UInt64] {
        var rest = run
        var positions: [UInt64] = []
        do throws(CanonicalError) {
            while let event = try next(&rest) {
                switch event {
                case .contentBegins(_, let found): positions = found
                case .literal, .content, .contentEnds: continue
                }
            }
        } catch {
            throw StoreFault.canonical(error)
        }
        return positions
    }

    /// Passes over the content that is next.
    mutating func pass(_ digest: ContentDigest) throws(Fault) {
        do throws(CanonicalError) {
            try skipContent(digest)
        } catch {
            throw StoreFault.canonical(error)
        }
    }
}

extension SHA3_256 {
    mutating func take(_ run: ArraySlice<UInt8>) {
        // SAFETY: the run is only read, during the call.
        unsafe run.withUnsafeBytes { unsafe update(bufferPointer: $0) }
    }
}
