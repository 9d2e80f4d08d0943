package import Interfaces
import ServiceModel
package import Syscalls

/// Makes a box of what another node exported, on a worker thread, from the first byte to the index.
///
/// Keeps true: the id is computed over the bytes that came, and compared before the box is in the
/// index; an import that fails or is cancelled leaves nothing. Names that come with a package are
/// not taken. A box for another machine is kept like any other; who starts it refuses it.
package struct PackageImporter: Sendable {
    let store: ObjectStore
    let index: BoxIndex

    private let wait: PeerWait

    package init(store: ObjectStore, index: BoxIndex, wait: PeerWait = PeerWait()) {
        self.store = store
        self.index = index
        self.wait = wait
    }

    /// - Parameter now: seconds since 1970.
    package func run(
        _ source: borrowing Descriptor, _ request: ImportPackageRequest, now: UInt64,
        progress: (ImportProgress) -> Void, isCancelled: () -> Bool
    ) throws(Fault) -> BoxSummary {
        let expected = try Self.expected(request)
        let contents = ImportedContents(store, isQueued: true)
        let forms = ImportedContents(store, slabsMax: ImportedContents.formSlabsMax)
        let importer = Importer(store: store, index: index)
        var summary: BoxSummary?
        var failure: Fault?
        var kept: Set<ContentDigest> = []
        do throws(Fault) {
            var said = PackageIntake.Said()
            let result = try read(
                source, request, contents, forms, &said, progress, isCancelled)
            try contents.drain()
            guard expected == nil || expected == result.id else {
                throw Fault(
                    .corrupt, subject: expected?.description ?? "",
                    lines: [result.id.description])
            }
            result.tree.forEachFile { digest, _ in kept.insert(digest) }
            kept.insert(result.form.digest)
            var step = ImportProgress()
            step.phase = .writing
            step.entries = UInt64(result.tree.count)
            progress(step)
            var record = BoxRecord(
                id: result.id, tags: request.tag.isEmpty ? [] : [request.tag],
                service: result.service, tree: result.tree, canonicalBytes: result.bytes,
                importedAt: now)
            record.form = result.form
            try Self.check(record)
            // Before the box has its tag: what is refused changes nothing.
            try index.check(said.proofs, addedTo: result.id)
            summary = try importer.keep(
                record, result.tree, contents,
                isStored: contents.made.isEmpty && forms.made.isEmpty,
                isCancelled)
            // Only what saves work later: the box is in.
            try? index.nameBlocks(said.names)
            // They were compared.
            try? index.addDigests(said.hashes, of: result.id)
            try index.addProofs(said.proofs, to: result.id)
        } catch {
            failure = error
        }
        importer.release(contents, keeping: failure == nil ? kept : [])
        importer.release(forms, keeping: failure == nil ? kept : [])
        if let failure { throw failure }
        guard let summary else { throw Fault(.internal, subject: "import") }
        return summary
    }

    /// What is told of a box is told whole: text of it ends at a NUL in the index, and in the kernel.
    private static func check(_ record: BoxRecord) throws(Fault) {
        for (subject, text) in [
            ("container.architecture", record.architecture),
            ("container.init.entry_path", record.entrypoint),
        ] where text.utf8.contains(0) {
            throw Fault(.invalid, reason: .badName, subject: subject)
        }
    }

    private static func expected(_ request: ImportPackageRequest) throws(Fault) -> ServiceID? {
        guard !request.expectedID.isEmpty else { return nil }
        guard let id = ServiceID(request.expectedID) else {
            throw .invalid(
                .malformed, subject: "expected_id", limit: 32,
                actual: UInt64(request.expectedID.count))
        }
        return id
    }

    private func read(
        _ source: borrowing Descriptor, _ request: ImportPackageRequest,
        _ contents: ImportedContents, _ forms: ImportedContents, _ said: inout PackageIntake.Said,
        _ progress: (ImportProgress) -> Void, _ isCancelled: () -> Bool
    ) throws(Fault) -> ServiceIntake.Result {
        var buffer = [UInt8](repeating: 0, count: StoredForm.stepBytes)
        var run = try next(source, &buffer, isCancelled)
        guard !run.isEmpty else { throw .invalid(.truncated, subject: "package") }
        guard let codec = request.codec == .unspecified ? Self.codec(of: run) : request.codec else {
            throw Fault(.unsupported, subject: "codec", lines: Self.codecs)
        }
        var step = ImportProgress()
        step.phase = .reading
        func all(_ feed: (ArraySlice<UInt8>) throws(Fault) -> Void) throws(Fault) {
            while !run.isEmpty {
                try feed(run)
                step.bytes += UInt64(run.count)
                progress(step)
                run = try next(source, &buffer, isCancelled)
                let bytes = step.bytes + UInt64(run.count)
                guard request.bytesMax == 0 || bytes <= request.bytesMax else {
                    throw .tooLarge(subject: "package", limit: request.bytesMax, actual: bytes)
                }
            }
        }
        switch codec {
        case .proto3:
            let intake = try ServiceIntake(store, contents: contents, forms: forms)
            try all { run throws(Fault) in try intake.feed(run) }
            return try intake.finish()
        case .bee:
            var package = try PackageIntake(
                store, index, contents, isExpected: !request.expectedID.isEmpty
            ) { () throws(Fault) in
                try ServiceIntake(store, contents: contents, forms: forms)
            }
            try all { run throws(Fault) in try package.feed(run) }
            let intake = try package.end()
            said = package.said
            try BoxIndex.check(said.proofs)
            return try intake.finish()
        case .json:
            var intake = ValueIntake(store, contents, ServiceJSONReader())
            try all { run throws(Fault) in try intake.feed(run) }
            try contents.drain()
            step.phase = .hashing
            progress(step)
            return try intake.finish(forms, isCancelled)
        case .jsonZip:
            let intake = try ZipIntake(store, contents)
            try all { run throws(Fault) in try intake.feed(run) }
            step.phase = .hashing
            progress(step)
            return try intake.finish(forms, isCancelled)
        case .unspecified, .UNRECOGNIZED:
            throw Fault(.unsupported, subject: "codec", lines: Self.codecs)
        }
    }

    static let codecs = ["proto3", "json", "json+zip", "bee"]

    /// The next run of bytes; empty at the end.
    private func next(
        _ source: borrowing Descriptor, _ buffer: inout [UInt8], _ isCancelled: () -> Bool
    ) throws(Fault) -> ArraySlice<UInt8> {
        try wait.reading(source, "package", isCancelled)
        do throws(Errno) {
            let count = try File.read(source, into: &buffer)
            wait.moved(count)
            return buffer[..<count]
        } catch {
            throw .invalid(.badDescriptor, subject: "package: \(error.name)")
        }
    }

    /// What the first bytes look like. No two of the codecs begin alike: a package with the high
    /// byte of a length below 16 MiB, a service with the tag of one of its fields.
    static func codec(of run: ArraySlice<UInt8>) -> Interfaces.Codec? {
        let start = Array(run.prefix(4))
        switch start.first {
        case 0x00: return .bee
        case 0x0A, 0x12, 0x1A, 0x22, 0x2A: return .proto3
        case UInt8(ascii: "{"): return .json
        case UInt8(ascii: "P") where start == Array("PK\u{03}\u{04}".utf8): return .jsonZip
        default: return nil
        }
    }
}
