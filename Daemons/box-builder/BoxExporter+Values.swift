import Interfaces
import ServiceModel
import SharedCrypto

/// The codecs that have values and not bytes.
extension BoxExporter {
    /// Writes the `json` codec.
    ///
    /// - Throws: UNSUPPORTED for a box whose values would have another id: who made it wrote them in
    ///   another way, or said more than is known here.
    func json(
        _ record: BoxRecord, _ form: StoredForm, _ summary: inout ExportSummary,
        _ put: ([UInt8]) throws(Fault) -> Void, _ progress: (ExportProgress) -> Void
    ) throws(Fault) {
        let (service, tree) = try values(record, form, "json")
        let frame: ServiceJSON.Frame
        do throws(ServiceJSON.NotExpressible) {
            frame = try ServiceJSON.frame(service)
        } catch {
            throw Self.inexpressible(record, "json")
        }
        var writer = ServiceJSONWriter(frame)
        var step = ExportProgress()
        step.bytesTotal = record.canonicalBytes
        var written: UInt64 = 0
        func flush() throws(Fault) {
            let bytes = writer.take()
            written += UInt64(bytes.count)
            try put(bytes)
        }
        func add(_ run: RawSpan) throws(Fault) {
            writer.filesystem(run)
            step.bytes += UInt64(run.byteCount)
            progress(step)
            if writer.readyBytes >= StoredForm.stepBytes { try flush() }
        }
        try CanonicalForm.emitFilesystem(
            tree, literal: { run throws(Fault) in try add(run) },
            content: { digest, _ throws(Fault) in
                try store.forEachRun(of: digest) { run throws(Fault) in
                    // SAFETY: bytes have no padding.
                    try unsafe add(run.span.bytes)
                }
            })
        writer.finish()
        try flush()
        summary.bytes = written
    }

    /// The service and the tree of a box, where they say all of it.
    func values(
        _ record: BoxRecord, _ form: StoredForm, _ codec: String
    ) throws(Fault) -> (Service, FileTree) {
        let (service, tree) = try form.values(in: store)
        var hash = SHA256()
        var writer = BoxFormWriter()
        func flush() {
            // SAFETY: the bytes are only read, during the call.
            unsafe writer.take().withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
        }
        try CanonicalForm.emit(
            service, tree,
            literal: { run throws(Fault) in
                // SAFETY: as above.
                unsafe run.withUnsafeBytes { unsafe writer.literal($0) }
            },
            content: { digest, bytes throws(Fault) in
                writer.content(digest, bytes: bytes)
                flush()
            })
        writer.finish()
        flush()
        guard ContentDigest(Array(hash.finalize())) == form.digest else {
            throw Self.inexpressible(record, codec)
        }
        return (service, tree)
    }

    static func inexpressible(_ record: BoxRecord, _ codec: String) -> Fault {
        Fault(
            .unsupported, subject: "\(codec) \(record.id)", lines: ["proto3", "bee"])
    }
}
