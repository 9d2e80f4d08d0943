package import Interfaces
import ServiceModel
import Syscalls

/// What a death in the middle left: removed before the first request.
///
/// Keeps true: afterwards the store has what the index needs and nothing else. Touches only names
/// of its own form, and none where the index is damaged: it may need them.
package enum StoreSweep {
    package struct Outcome: Equatable, Sendable {
        package var staged = 0
        package var images = 0
        package var checkouts = 0
        package var objects = 0

        package init(
            staged: Int = 0, images: Int = 0, checkouts: Int = 0, objects: Int = 0
        ) {
            self.staged = staged
            self.images = images
            self.checkouts = checkouts
            self.objects = objects
        }

        package var isEmpty: Bool { self == Outcome() }
    }

    package static func run(_ store: ObjectStore, _ index: BoxIndex) throws(Fault) -> Outcome {
        var outcome = Outcome()
        var isChecked = false
        /// Asked when there is something to remove, after a death: it reads the whole index.
        func checkIndex() throws(Fault) {
            guard !isChecked else { return }
            isChecked = true
            guard try index.damage().isEmpty else { throw Fault(.corrupt, subject: "index") }
        }
        do throws(Errno) {
            for name in try StoreFolder.names(store.staging.descriptor) {
                try Checkout.remove(at: store.staging.descriptor, name)
                outcome.staged += 1
            }
        } catch {
            throw StoreFault.storing(error, "staging")
        }
        for name in try StoreFolder.list(store.checkouts.descriptor, "checkouts") {
            guard let id = StoreFolder.checkoutID(name), try !index.has(id) else { continue }
            try checkIndex()
            do throws(Errno) {
                try Checkout.remove(at: store.checkouts.descriptor, name)
            } catch {
                throw StoreFault.storing(error, "checkouts/\(name)")
            }
            outcome.checkouts += 1
        }
        for name in try StoreFolder.list(store.images.descriptor, "images") {
            guard let id = StoreFolder.imageID(name), try !index.has(id) else { continue }
            try checkIndex()
            try remove(store.images.descriptor, name)
            outcome.images += 1
        }
        for folder in try StoreFolder.list(store.objects.descriptor, "objects") {
            guard let byte = Hexadecimal.bytes(folder), byte.count == 1 else { continue }
            outcome.objects += try sweep(folder, byte[0], store, index, checkIndex)
        }
        return outcome
    }

    private static func sweep(
        _ folder: String, _ byte: UInt8, _ store: ObjectStore, _ index: BoxIndex,
        _ checkIndex: () throws(Fault) -> Void
    ) throws(Fault) -> Int {
        let needed = try index.needed(startingWith: byte)
        let directory: Descriptor
        do throws(Errno) {
            directory = try Directory.open(at: store.objects.descriptor, folder)
        } catch {
            throw StoreFault.storing(error, "objects/\(folder)")
        }
        var removed = 0
        for name in try StoreFolder.list(directory, "objects/\(folder)") {
            guard let bytes = Hexadecimal.bytes(folder + name), let digest = ContentDigest(bytes),
                !needed.contains(digest)
            else { continue }
            try checkIndex()
            try remove(directory, name)
            removed += 1
        }
        return removed
    }

    private static func remove(
        _ directory: borrowing Descriptor, _ name: String
    ) throws(Fault) {
        do throws(Errno) {
            try File.remove(at: directory, name)
        } catch {
            throw StoreFault.storing(error, name)
        }
    }
}
