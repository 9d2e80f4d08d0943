import Channel
package import Interfaces
import ServiceModel
package import Syscalls

/// Boxes from and to other nodes.
extension BoxBuilderService {
    package func importPackage(
        _ request: ImportPackageRequest, descriptors: Parcel, context: CallContext,
        items: ItemSink<ImportBoxItem>
    ) async throws(Fault) { throw Fault(.unsupported) }

    package func exportBox(
        _ request: ExportBoxRequest, descriptors: Parcel, context: CallContext,
        items: ItemSink<ExportBoxItem>
    ) async throws(Fault) { throw Fault(.unsupported) }

    package func missingContents(
        _ request: MissingContentsRequest, descriptors: Parcel, context: CallContext
    ) async throws(Fault) -> (MissingContentsReply, Parcel) { throw Fault(.unsupported) }

    package func compareBoxes(
        _ request: CompareBoxesRequest, context: CallContext, items: ItemSink<BoxDifference>
    ) async throws(Fault) { throw Fault(.unsupported) }

    package func listContents(
        _ request: ListContentsRequest, context: CallContext
    ) async throws(Fault) -> (ListContentsReply, Parcel) { throw Fault(.unsupported) }
}
