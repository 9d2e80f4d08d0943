import Interfaces
import Syscalls

/// What nobody asks it here.
extension BenchHandler {
    func verifyStore(
        _ request: VerifyStoreRequest, context: CallContext, items: ItemSink<VerifyStoreItem>
    ) async throws(Fault) { throw Fault(.unsupported) }

    func importTree(
        _ request: ImportBoxRequest, descriptors: Parcel, context: CallContext,
        items: ItemSink<ImportBoxItem>
    ) async throws(Fault) { throw Fault(.unsupported) }

    func importPackage(
        _ request: ImportPackageRequest, descriptors: Parcel, context: CallContext,
        items: ItemSink<ImportBoxItem>
    ) async throws(Fault) { throw Fault(.unsupported) }

    func exportBox(
        _ request: ExportBoxRequest, descriptors: Parcel, context: CallContext,
        items: ItemSink<ExportBoxItem>
    ) async throws(Fault) { throw Fault(.unsupported) }

    func missingContents(
        _ request: MissingContentsRequest, descriptors: Parcel, context: CallContext
    ) async throws(Fault) -> (MissingContentsReply, Parcel) { throw Fault(.unsupported) }

    func compareBoxes(
        _ request: CompareBoxesRequest, context: CallContext, items: ItemSink<BoxDifference>
    ) async throws(Fault) { throw Fault(.unsupported) }

    func listContents(
        _ request: ListContentsRequest, context: CallContext
    ) async throws(Fault) -> (ListContentsReply, Parcel) { throw Fault(.unsupported) }
}
