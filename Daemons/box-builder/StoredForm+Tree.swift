import Interfaces
import ServiceModel

/// What a form says, read back as values.
extension StoredForm {
    /// The tree of a box, read back from its form.
    ///
    /// - Throws: UNSUPPORTED for a box from before forms were kept; CORRUPT where it is not what was
    ///   stored.
    static func tree(of record: BoxRecord, in store: ObjectStore) throws(Fault) -> FileTree {
        guard let form = record.form else {
            throw Fault(.unsupported, subject: record.id.description)
        }
        return try form.values(in: store).tree
    }

    /// The service and the tree that a form says.
    func values(in store: ObjectStore) throws(Fault) -> (service: Service, tree: FileTree) {
        var reader = CanonicalReader()
        try forEachPiece(in: store) { piece throws(Fault) in
            switch piece {
            case .literal(let run): _ = try reader.positions(after: run)
            case .content(let digest, _): try reader.pass(digest)
            }
        }
        do throws(CanonicalError) {
            let (service, tree, _) = try reader.finish()
            return (service, tree)
        } catch {
            throw Fault(.corrupt, subject: digest.hex)
        }
    }
}
