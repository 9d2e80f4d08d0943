import Interfaces
import ServiceModel

extension StoredForm {
    /// The tree of a box, read back from its form.
    static func tree(of record: BoxRecord, in store: ObjectStore) throws(Fault) -> FileTree {
        throw Fault(.corrupt, subject: record.id.description)
    }
}
