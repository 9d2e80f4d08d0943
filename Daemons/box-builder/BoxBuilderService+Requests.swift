import Channel
import FoundationEssentials
package import Interfaces
import Logging
import ServiceModel
package import Syscalls

/// The operations.
extension BoxBuilderService: BoxBuilderHandler {
    // LIMIT: rows read at once for a list: a listing holds no more, whatever is stored.
    private static let pageRows = 128

    package func importBox(
        _ request: ImportBoxRequest, descriptors: Parcel, context: CallContext,
        items: ItemSink<ImportBoxItem>
    ) async throws(Fault) {
        try Self.check(tag: request.tag)
        let ticket = try await takeTurn()
        let outcome: (box: BoxSummary, normalised: [Normalised])
        do throws(Fault) {
            outcome = try await importBox(descriptors, request, items: items, ticket)
        } catch {
            endTurn(ticket)
            if error.code == .internal || error.code == .corrupt {
                logger.error("import for \(context.program): \(error)")
            }
            throw error
        }
        endTurn(ticket)
        var item = ImportBoxItem()
        for normalised in outcome.normalised {
            item.normalised = normalised
            try await items.send(item)
        }
        item.box = outcome.box
        try await items.send(item)
    }

    package func importTree(
        _ request: ImportBoxRequest, descriptors: Parcel, context: CallContext,
        items: ItemSink<ImportBoxItem>
    ) async throws(Fault) {
        // What is told is the third descriptor.
        try await importBox(request, descriptors: descriptors, context: context, items: items)
    }

    /// A tag that a caller gives, or none.
    static func check(tag: String) throws(Fault) {
        guard !tag.isEmpty else { return }
        if let refusal = ServiceDescription.refusal(ofTag: tag, at: "tag") {
            throw StoreFault.description(refusal)
        }
    }

    package func listBoxes(
        _ request: ListBoxesRequest, context: CallContext, items: ItemSink<BoxSummary>
    ) async throws(Fault) {
        var last: ServiceID?
        while true {
            let (index, after) = (index, last)
            let page = try await loop.runBlocking { () throws(Fault) in
                try index.boxes(after: after, max: Self.pageRows)
            }
            for record in page { try await items.send(record.summary) }
            guard page.count == Self.pageRows else { return }
            last = page.last?.id
        }
    }

    package func inspectBox(
        _ request: InspectBoxRequest, context: CallContext
    ) async throws(Fault) -> (InspectBoxReply, Parcel) {
        let index = index
        let (record, holders, proofs, known) = try await loop.runBlocking { () throws(Fault) in
            let (record, holders) = try index.find(request.box)
            return (
                record, holders, try index.proofs(of: record.id), try index.digests(of: record.id)
            )
        }
        let hashes = request.digests ? try await digests(of: record) : known
        var reply = InspectBoxReply()
        reply.hashes = hashes.map { Data($0.encoded()) }
        reply.reputationProofs = proofs.map { Data($0) }
        reply.summary = record.summary
        reply.holders = holders
        let parcel = Parcel()
        do throws(Errno) {
            parcel.append(try Memfd.sealed(record.service, name: "service"))
        } catch {
            throw StoreFault.storing(error, "service")
        }
        return (reply, parcel)
    }

    package func removeBox(
        _ request: RemoveBoxRequest, context: CallContext
    ) async throws(Fault) -> RemoveBoxReply {
        let (index, store) = (index, store)
        let (id, freed) = try await loop.runBlocking { () throws(Fault) in
            let (id, objects) = try index.remove(request.box)
            let freed = store.abandon(
                id, objects, neededImage: index.has, needed: index.needed(among:))
            index.keepReserve()
            return (id, freed)
        }
        var reply = RemoveBoxReply()
        reply.serviceIDBytes = id.bytes
        reply.freedBytes = freed
        return reply
    }

    package func openBox(
        _ request: OpenBoxRequest, context: CallContext
    ) async throws(Fault) -> (OpenBoxReply, Parcel) {
        let (index, store) = (index, store)
        let (record, parcel) = try await loop.runBlocking { () throws(Fault) in
            let (record, isNew) = try index.hold(request.box, for: request.holder)
            do throws(Fault) {
                try Self.check(record, request)
                return (record, try BoxRoot(store: store, index: index).open(record, isNew: isNew))
            } catch {
                if isNew { try index.release(request.holder) }
                throw error
            }
        }
        var reply = OpenBoxReply()
        reply.summary = record.summary
        reply.root = store.roots == .checkout ? .checkout : .layers
        return (reply, parcel)
    }

    /// What an earlier program does not know it would not do, and not say so.
    private static func check(
        _ record: BoxRecord, _ request: OpenBoxRequest
    ) throws(Fault) {
        guard !request.knowsReadOnly else { return }
        let terms: TreeTerms
        do throws(ProtoError) {
            terms = try TreeTerms(in: record.service)
        } catch {
            throw Fault(.corrupt, reason: .malformed, subject: "service \(record.id)")
        }
        guard terms.isReadOnly else { return }
        throw Fault(
            .unsupported, subject: "read_only_filesystem",
            lines: [
                "gateway-broker is older than box-builder: restart it with the version of this one"
            ])
    }

    package func releaseBox(
        _ request: ReleaseBoxRequest, context: CallContext
    ) async throws(Fault) -> ReleaseBoxReply {
        let index = index
        try await loop.runBlocking { () throws(Fault) in try index.release(request.holder) }
        return ReleaseBoxReply()
    }

    package func listHolds(
        _ request: ListHoldsRequest, context: CallContext, items: ItemSink<Hold>
    ) async throws(Fault) {
        var last = ""
        while true {
            let (index, after) = (index, last)
            let page = try await loop.runBlocking { () throws(Fault) in
                try index.holds(after: after, max: Self.pageRows)
            }
            for (holder, box) in page {
                var hold = Hold()
                hold.holder = holder
                hold.serviceIDBytes = box.bytes
                try await items.send(hold)
                last = holder
            }
            guard page.count == Self.pageRows else { return }
        }
    }
}
