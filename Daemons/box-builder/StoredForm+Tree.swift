import Interfaces
import ServiceModel

/// What a form says, read back as values.
extension StoredForm {
    /// The tree of a box, read back from its form.
    ///
    /// - Throws: UNSUPPORTED for a box from before forms were kept, and with the limit for one that is
    ///   past a bound that an earlier build did not have; CORRUPT where it is not what was stored.
    static func tree(of record: BoxRecord, in store: ObjectStore) throws(Fault) -> FileTree {
        guard let form = record.form else {
            throw Fault(.unsupported, subject: record.id.description)
        }
        return try form.values(in: store).tree
    }

    /// The service and the tree that a form says.
    func values(in store: ObjectStore) throws(Fault) -> (service: Service, tree: FileTree) {
        var reader = CanonicalReader()
        do throws(Fault) {
            try forEachPiece(in: store) { piece throws(Fault) in
                switch piece {
                case .literal(let run): _ = try reader.positions(after: run)
                case .content(let digest, _): try reader.pass(digest)
                }
            }
        } catch {
            throw refused(error)
        }
        do throws(CanonicalError) {
            let (service, tree, _) = try reader.finish()
            return (service, tree)
        } catch {
            throw refused(StoreFault.canonical(error))
        }
    }

    /// What was stored was taken once: what is past a bound now is a box of an earlier build that had
    /// another, and says so; what cannot be read at all is damaged.
    private func refused(_ fault: Fault) -> Fault {
        guard fault.code == .invalid || fault.code == .tooLarge else { return fault }
        guard fault.limit > 0 else { return Fault(.corrupt, subject: digest.hex) }
        return Fault(
            .unsupported, reason: fault.reason, subject: fault.subject, limit: fault.limit,
            actual: fault.actual, lines: ["a box of an earlier build"])
    }
}
