import Interfaces
import ServiceModel
import Syscalls

/// The bytes of a service that came before its first block, kept in a file until it is known whether
/// they have pointers in them.
final class PackageAside {
    private var file: StagedFile?
    private var bytes: UInt64 = 0
    private let subject = "package"

    // LIMIT: bytes kept aside. A service with pointers has its large files in blocks; what is left of
    // a distribution's root is some hundred megabytes. Past it a package must come expanded.
    private static let bytesMax: UInt64 = 4 << 30

    // LIMIT: bytes looked through at once for a pointer.
    private static let stepBytes = 262_144

    init(_ store: ObjectStore) throws(Fault) {
        do throws(Errno) {
            file = try store.stageImage()
        } catch {
            throw StoreFault.storing(error, "staging")
        }
    }

    func take(_ run: ArraySlice<UInt8>) throws(Fault) {
        // What is too long has no pointers for us.
        guard bytes <= Self.bytesMax else { return }
        guard let open = file.take() else { return }
        let failure: Errno?
        do throws(Errno) {
            // SAFETY: bytes have no padding.
            try unsafe File.writeAll(open.descriptor, run.span.bytes)
            failure = nil
        } catch {
            failure = error
        }
        file = consume open
        if let failure { throw StoreFault.storing(failure, "staging") }
        bytes += UInt64(run.count)
    }

    /// Whether the bytes so far have what a pointer has in them: a digest of a block, or the type of a
    /// digest, as the topmost pointers have it, to a block that this one is a block of.
    func holdsPointer(to names: [BlockName]) throws(Fault) -> Bool {
        let types = Hash.Algorithm.allCases.map { [0x0A, 0x20] + $0.type }
        return try holds(names.map { [0x12, 0x20] + $0.value } + types)
    }

    /// Whether one of some runs of bytes, all of one length, is in those so far.
    private func holds(_ wanted: [[UInt8]]) throws(Fault) -> Bool {
        guard bytes <= Self.bytesMax, let file = try finish() else { return false }
        var start: UInt64 = 0
        var held: [UInt8] = []
        var isFound = false
        try file.forEachRun(0..<bytes) { run throws(Fault) in
            guard !isFound else { return }
            held += run
            start += UInt64(run.count)
            if held.count >= Self.stepBytes || start == bytes {
                isFound = wanted.contains { held.holds($0) }
                held = Array(held.suffix((wanted.first?.count ?? 1) - 1))
            }
        }
        return isFound
    }

    /// The bytes, to be read anywhere. More may follow.
    func finish() throws(Fault) -> PackageFile? {
        guard let open = file.take() else { return nil }
        let result: Result<Descriptor, Errno>
        do throws(Errno) {
            result = .success(try open.descriptor.duplicate())
        } catch {
            result = .failure(error)
        }
        file = consume open
        do throws(Errno) {
            return PackageFile(
                SharedDescriptor(try result.get()), bytes: bytes, subject: subject)
        } catch {
            throw StoreFault.storing(error, "staging")
        }
    }
}

extension [UInt8] {
    /// Whether a run of bytes is in it.
    func holds(_ wanted: [UInt8]) -> Bool {
        guard let first = wanted.first, count >= wanted.count else { return false }
        for start in 0...(count - wanted.count) where self[start] == first {
            if self[start..<(start + wanted.count)].elementsEqual(wanted) { return true }
        }
        return false
    }
}

extension PackageFile {
    /// A content of the store.
    convenience init(
        _ store: ObjectStore, _ digest: ContentDigest, bytes: UInt64, subject: String
    ) throws(Fault) {
        // An empty one has no object, and no byte to be read.
        let file: SharedDescriptor
        do throws(Errno) {
            file = bytes == 0 ? store.staging : SharedDescriptor(try store.openObject(digest))
        } catch {
            throw StoreFault.storing(error, digest.hex)
        }
        self.init(file, bytes: bytes, subject: subject)
    }
}
