package import Interfaces
import ServiceModel
package import Syscalls

/// The metadata image of a box: made from its form when the box is first opened, and kept for all
/// openings after that.
///
/// Keeps true: an image that has its name is on the disk whole, and the index knew its digest before;
/// of several that open a box for the first time at once, one makes it. It is nothing but a cache: one
/// that is missing, or was seen to be altered, is made again.
package struct BoxImage: Sendable {
    let store: ObjectStore
    let index: BoxIndex

    package init(store: ObjectStore, index: BoxIndex) {
        self.store = store
        self.index = index
    }

    /// The image of a box.
    ///
    /// - Throws: STORAGE_FULL, and nothing is left, where there is no room for it; CORRUPT where the
    ///   form it is made of is not what was stored.
    package func open(_ record: BoxRecord) throws(Fault) -> Descriptor {
        if let image = try existing(record) { return image }
        // A removal of the box meanwhile leaves the image to the release below.
        store.pin(record.id)
        defer { store.release(record.id, failed: true, needed: index.has) }
        try store.withTurn(toMake: record.id) { () throws(Fault) in
            // Another opening may have made it before it was this one's turn.
            if try existing(record) == nil { try make(record) }
        }
        return try storing { () throws(Errno) in try store.openImageAsItIs(record.id) }
    }

    private func existing(_ record: BoxRecord) throws(Fault) -> Descriptor? {
        do throws(Errno) {
            return try store.openImage(record.id, record.image)
        } catch .noEntry {
            return nil
        } catch {
            throw StoreFault.storing(error, "images")
        }
    }

    private func storing<Value: ~Copyable>(
        _ body: () throws(Errno) -> Value
    ) throws(Fault) -> Value {
        do throws(Errno) {
            return try body()
        } catch {
            throw StoreFault.storing(error, "images")
        }
    }

    private func make(_ record: BoxRecord) throws(Fault) {
        // A box from before forms were kept has the image it came with, or none.
        guard record.form != nil else { throw Fault(.corrupt, subject: record.id.description) }
        let file = try storing { () throws(Errno) in try store.stageImage() }
        let tree = try StoredForm.tree(of: record, in: store)
        let digest = try storing { () throws(Errno) in
            let digest = try ErofsImage.write(tree, to: file.descriptor)
            // What has a name on the disk must have its content there.
            try File.sync(file.descriptor)
            return digest
        }
        try index.setImage(of: record.id, digest)
        do throws(Errno) {
            try store.publish(file, imageOf: record.id)
        } catch {
            throw StoreFault.storing(error, "images")
        }
    }
}
