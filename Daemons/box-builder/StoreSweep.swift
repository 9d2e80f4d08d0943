package import Interfaces
import ServiceModel
import Syscalls

/// What a death in the middle left: removed before the first request.
///
/// Keeps true: afterwards the store has what the index needs and nothing else. Touches only names
/// of its own form.
package enum StoreSweep {
    package struct Outcome: Equatable, Sendable {
        package var staged = 0
        package var images = 0
        package var objects = 0

        package init(staged: Int = 0, images: Int = 0, objects: Int = 0) {
            self.staged = staged
            self.images = images
            self.objects = objects
        }

        package var isEmpty: Bool { self == Outcome() }
    }

    package static func run(_ store: ObjectStore, _ index: BoxIndex) throws(Fault) -> Outcome {
        var outcome = Outcome()
        do throws(Errno) {
            for name in try names(store.staging.descriptor) {
                try Directory.removeAll(at: store.staging.descriptor, name)
                outcome.staged += 1
            }
        } catch {
            throw StoreFault.storing(error, "staging")
        }
        for name in try list(store.images.descriptor, "images") {
            guard let id = imageID(name), try !index.has(id) else { continue }
            try remove(store.images.descriptor, name)
            outcome.images += 1
        }
        for folder in try list(store.objects.descriptor, "objects") {
            guard let byte = Hexadecimal.bytes(folder), byte.count == 1 else { continue }
            outcome.objects += try sweep(folder, byte[0], store, index)
        }
        return outcome
    }

    private static func sweep(
        _ folder: String, _ byte: UInt8, _ store: ObjectStore, _ index: BoxIndex
    ) throws(Fault) -> Int {
        let needed = try index.needed(startingWith: byte)
        let directory: Descriptor
        do throws(Errno) {
            directory = try Directory.open(at: store.objects.descriptor, folder)
        } catch {
            throw StoreFault.storing(error, "objects/\(folder)")
        }
        var removed = 0
        for name in try list(directory, "objects/\(folder)") {
            guard let bytes = Hexadecimal.bytes(folder + name), let digest = ContentDigest(bytes),
                !needed.contains(digest)
            else { continue }
            try remove(directory, name)
            removed += 1
        }
        return removed
    }

    private static func imageID(_ name: String) -> ServiceID? {
        guard name.hasSuffix(".erofs"), let bytes = Hexadecimal.bytes(name.dropLast(6)) else {
            return nil
        }
        return ServiceID(bytes)
    }

    private static func names(_ directory: borrowing Descriptor) throws(Errno) -> [String] {
        try Directory.list(directory, max: .max).filter(\.isText).map(\.name)
    }

    private static func list(
        _ directory: borrowing Descriptor, _ subject: String
    ) throws(Fault) -> [String] {
        do throws(Errno) {
            return try names(directory)
        } catch {
            throw StoreFault.storing(error, subject)
        }
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
