import Channel
import Interfaces
import Syscalls

/// A box builder that answers from memory: what is left to measure is the wire.
actor BenchHandler: BoxBuilderHandler {
    nonisolated let loop: EventLoop
    private let sealed: Parcel
    private let removed: RemoveBoxReply
    private let large: BoxSummary

    init(_ loop: EventLoop) throws(Errno) {
        self.loop = loop
        sealed = Parcel(try Memfd.sealed([1, 2, 3]))
        var removed = RemoveBoxReply()
        removed.serviceIDBytes = [UInt8](repeating: 7, count: 126)
        self.removed = removed
        var large = BoxSummary()
        large.serviceIDBytes = [UInt8](repeating: 7, count: 65_532)
        self.large = large
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor {
        // SAFETY: the loop lives as long as the process.
        unsafe loop.asUnownedSerialExecutor()
    }

    nonisolated func server(listening: consuming Descriptor) -> Server {
        Server(
            loop: loop, listening: listening, dispatchers: [BoxBuilderDispatcher(self)],
            program: "wire-bench", version: "1", role: { _ in .admin })
    }

    func removeBox(
        _ request: RemoveBoxRequest, context: CallContext
    ) async throws(Fault) -> RemoveBoxReply {
        removed
    }

    func inspectBox(
        _ request: InspectBoxRequest, context: CallContext
    ) async throws(Fault) -> (InspectBoxReply, Parcel) {
        var reply = InspectBoxReply()
        reply.holders = [request.box]
        return (reply, sealed)
    }

    func listBoxes(
        _ request: ListBoxesRequest, context: CallContext, items: ItemSink<BoxSummary>
    ) async throws(Fault) {
        while true { try await items.send(large) }
    }

    func importBox(
        _ request: ImportBoxRequest, descriptors: Parcel, context: CallContext,
        items: ItemSink<ImportBoxItem>
    ) async throws(Fault) {}

    func openBox(
        _ request: OpenBoxRequest, context: CallContext
    ) async throws(Fault) -> (OpenBoxReply, Parcel) { throw Fault(.unsupported) }

    func releaseBox(
        _ request: ReleaseBoxRequest, context: CallContext
    ) async throws(Fault) -> ReleaseBoxReply { ReleaseBoxReply() }

    func listHolds(
        _ request: ListHoldsRequest, context: CallContext, items: ItemSink<Hold>
    ) async throws(Fault) {}
}
