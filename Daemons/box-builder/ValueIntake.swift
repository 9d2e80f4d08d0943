import Interfaces
import ServiceModel
import Syscalls

/// Takes a box in a codec that has values and not bytes: keeps its contents, and computes its id over
/// the canonical form of what was read.
struct ValueIntake<Reader: BoxReader> {
    private let store: ObjectStore
    private let contents: ImportedContents
    private var reader: Reader
    private(set) var bytes: UInt64 = 0
    private var contentBytes: UInt64 = 0

    init(_ store: ObjectStore, _ contents: ImportedContents, _ reader: Reader) {
        self.store = store
        self.contents = contents
        self.reader = reader
    }

    mutating func feed(_ run: ArraySlice<UInt8>) throws(Fault) {
        var rest = run
        bytes += UInt64(run.count)
        while let event = try next(&rest) {
            switch event {
            case .literal: continue
            case .contentBegins(let length, _):
                contentBytes = contentBytes.addingReportingOverflow(length).partialValue
                try ServiceIntake.check(contentBytes: contentBytes, length)
                try contents.begin()
            case .content(let part):
                // SAFETY: bytes have no padding.
                try unsafe contents.append(part.span.bytes)
            case .contentEnds:
                let digest = try contents.finish()
                do throws(CanonicalError) {
                    try reader.setContent(digest)
                } catch {
                    throw StoreFault.canonical(error)
                }
            }
        }
    }

    private mutating func next(
        _ rest: inout ArraySlice<UInt8>
    ) throws(Fault) -> CanonicalReader.Event? {
        do throws(CanonicalError) {
            return try reader.next(&rest)
        } catch {
            throw StoreFault.canonical(error)
        }
    }

    /// There is no more.
    mutating func finish(
        _ forms: ImportedContents, _ isCancelled: () -> Bool
    ) throws(Fault) -> ServiceIntake.Result {
        let service: Service
        let tree: FileTree
        do throws(CanonicalError) {
            (service, tree, _) = try reader.finish()
        } catch {
            throw StoreFault.canonical(error)
        }
        return try ServiceIntake.Result(service, tree, store, forms, isCancelled)
    }
}

extension ServiceIntake.Result {
    /// Of values whose contents are in the store: the id is computed over their canonical form.
    init(
        _ service: Service, _ tree: FileTree, _ store: ObjectStore, _ forms: ImportedContents,
        _ isCancelled: () -> Bool
    ) throws(Fault) {
        let (identity, form) = try StoredForm.identify(service, tree, in: store, into: forms) {
            _ throws(Fault) in
            guard !isCancelled() else { throw .cancelled }
        }
        guard let id = ServiceID(identity.id) else { throw Fault(.internal, subject: "id") }
        self.init(
            id: id, bytes: identity.bytes, service: service, tree: tree, form: form)
    }
}
