import Interfaces
import ServiceModel

extension StoredForm {
    /// The tree of a box, read back from its form.
    ///
    /// - Throws: UNSUPPORTED for a box from before forms were kept; CORRUPT where it is not what was
    ///   stored.
    static func tree(of record: BoxRecord, in store: ObjectStore) throws(Fault) -> FileTree {
        guard let form = record.form else {
            throw Fault(.unsupported, subject: record.id.description)
        }
        var reader = CanonicalReader()
        try form.forEachPiece(in: store) { piece throws(Fault) in
            switch piece {
            case .literal(let run): _ = try reader.positions(after: run)
            case .content(let digest, _): try reader.pass(digest)
            }
        }
        do throws(CanonicalError) {
            return try reader.finish().tree
        } catch {
            throw Fault(.corrupt, subject: form.digest.hex)
        }
    }
}
