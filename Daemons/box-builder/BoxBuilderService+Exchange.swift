import Channel
package import Interfaces
import Logging
import ServiceModel
package import Syscalls

/// Boxes from and to other nodes.
extension BoxBuilderService {
    // LIMIT: exports at once: each reads the disk and hashes with a core, and may wait for a slow
    // reader with a thread. Past it LIMIT_REACHED.
    private static let exportsMax = 4

    package func importPackage(
        _ request: ImportPackageRequest, descriptors: Parcel, context: CallContext,
        items: ItemSink<ImportBoxItem>
    ) async throws(Fault) {
        try Self.check(tag: request.tag)
        let ticket = try await takeTurn()
        let importer = PackageImporter(store: store, index: index)
        let now = now()
        let box: BoxSummary
        do throws(Fault) {
            box = try await working { progress throws(Fault) in
                var item = ImportBoxItem()
                item.progress = progress
                try await items.send(item)
            } work: { progress, isCancelled throws(Fault) in
                guard let source = descriptors.take(0) else {
                    throw .invalid(.badDescriptor, subject: "package")
                }
                return try importer.run(
                    source, request, now: now, progress: progress, isCancelled: isCancelled)
            }
        } catch {
            endTurn(ticket)
            if error.code == .internal { logger.error("import for \(context.program): \(error)") }
            throw error
        }
        endTurn(ticket)
        var item = ImportBoxItem()
        item.box = box
        try await items.send(item)
    }

    package func exportBox(
        _ request: ExportBoxRequest, descriptors: Parcel, context: CallContext,
        items: ItemSink<ExportBoxItem>
    ) async throws(Fault) {
        try beginExport()
        defer { exports -= 1 }
        let exporter = BoxExporter(store: store, index: index)
        let summary = try await working { progress throws(Fault) in
            var item = ExportBoxItem()
            item.progress.bytes = progress.bytes
            item.progress.bytesTotal = progress.bytesTotal
            try await items.send(item)
        } work: { progress, isCancelled throws(Fault) -> ExportSummary in
            guard let target = descriptors.take(0), let list = descriptors.take(1) else {
                throw .invalid(.badDescriptor, subject: "target")
            }
            let known = Set(try DigestList.read(list).compactMap { ContentDigest($0) })
            let output = ExchangeOutput(target)
            return try exporter.run(
                request, known: known,
                to: { bytes throws(Fault) in try output.write(bytes, isCancelled) },
                progress: { step in
                    var progressed = ImportProgress()
                    progressed.phase = .reading
                    progressed.bytes = step.bytes
                    progressed.bytesTotal = step.bytesTotal
                    progress(progressed)
                })
        }
        var item = ExportBoxItem()
        item.summary = summary
        try await items.send(item)
    }

    private func beginExport() throws(Fault) {
        guard exports < Self.exportsMax else {
            throw .limitReached(
                subject: "exports", limit: UInt64(Self.exportsMax), actual: UInt64(exports) + 1)
        }
        exports += 1
    }

    /// What a box is known by; computing it is work as an export is.
    func digests(of record: BoxRecord) async throws(Fault) -> [Hash] {
        try beginExport()
        defer { exports -= 1 }
        let exporter = BoxExporter(store: store, index: index)
        return try await working { _ throws(Fault) in
        } work: { _, isCancelled throws(Fault) in
            try exporter.digests(of: record, isCancelled: isCancelled)
        }
    }

    package func missingContents(
        _ request: MissingContentsRequest, descriptors: Parcel, context: CallContext
    ) async throws(Fault) -> (MissingContentsReply, Parcel) {
        let index = index
        let kind = request.kind
        let (asked, missing) = try await loop.runBlocking {
            () throws(Fault) -> (Int, [[UInt8]]) in
            guard let list = descriptors.take(0) else {
                throw .invalid(.badDescriptor, subject: "digests")
            }
            let digests = try DigestList.read(list)
            return (digests.count, try index.missing(among: digests, kind))
        }
        var reply = MissingContentsReply()
        reply.asked = UInt64(asked)
        reply.missing = UInt64(missing.count)
        return (reply, try DigestList.parcel(missing))
    }

    package func listContents(
        _ request: ListContentsRequest, context: CallContext
    ) async throws(Fault) -> (ListContentsReply, Parcel) {
        let index = index
        let (id, contents) = try await loop.runBlocking { () throws(Fault) in
            try index.contents(of: request.box, bytesMin: request.bytesMin)
        }
        var reply = ListContentsReply()
        reply.serviceIDBytes = id.bytes
        reply.contents = UInt64(contents.count)
        reply.bytes = contents.reduce(0) { $0 + $1.bytes }
        return (reply, try DigestList.parcel(contents.map(\.digest.bytes)))
    }

    package func compareBoxes(
        _ request: CompareBoxesRequest, context: CallContext, items: ItemSink<BoxDifference>
    ) async throws(Fault) {
        let (index, store) = (index, store)
        let differences = try await loop.runBlocking { () throws(Fault) -> [BoxDifference] in
            let left = try index.find(request.left).0
            let right = try index.find(request.right).0
            if left.id == right.id { return [] }
            return try index.reading(left.id, right.id) { () throws(Fault) in
                try BoxComparison(left, right, in: store).differences()
            }
        }
        let limit = BoxComparison.differencesMax
        for difference in differences.prefix(limit) { try await items.send(difference) }
        guard differences.count <= limit else {
            throw .limitReached(
                subject: "differences", limit: UInt64(limit), actual: UInt64(differences.count))
        }
    }

    /// Does long work on a worker, and tells how far it is.
    private func working<Value: Sendable>(
        _ tell: @Sendable (ImportProgress) async throws(Fault) -> Void,
        work:
            @escaping @Sendable (
                _ progress: (ImportProgress) -> Void, _ isCancelled: () -> Bool
            ) throws(Fault) -> Value
    ) async throws(Fault) -> Value {
        guard !isStopping else { throw StoreFault.stopping() }
        let flag = CancelFlag()
        works[ObjectIdentifier(flag)] = flag
        defer { works[ObjectIdentifier(flag)] = nil }
        let mailbox = ProgressMailbox()
        let loop = loop
        async let outcome = loop.runBlocking { () -> Result<Value, Fault> in
            defer { mailbox.finish() }
            do throws(Fault) {
                return .success(
                    try work(
                        { mailbox.put($0, now: Clock.monotonicNanoseconds()) }, { flag.isSet }))
            } catch {
                return .failure(error)
            }
        }
        let refusal = await withTaskCancellationHandler { () -> Fault? in
            while let progress = await mailbox.next() {
                do throws(Fault) {
                    try await tell(progress)
                } catch {
                    return error
                }
            }
            return nil
        } onCancel: {
            flag.set()
        }
        if refusal != nil { flag.set() }
        let result = await outcome
        if let refusal { throw refusal }
        do throws(Fault) {
            return try result.get()
        } catch {
            throw error.code == .cancelled && isStopping ? StoreFault.stopping() : error
        }
    }
}
