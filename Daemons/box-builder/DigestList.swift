import Interfaces
import ServiceModel
import Syscalls

/// Digests one behind the other, 32 bytes each, in a file that nobody changes: how lists travel that
/// are longer than a message.
enum DigestList {
    static let digestBytes = 32

    // LIMIT: digests in a list: as many as a tree has entries. 12.8 MB, held while it is worked on.
    static let digestsMax = FileTree.entriesMax

    static func read(_ list: borrowing Descriptor) throws(Fault) -> [ArraySlice<UInt8>] {
        let bytes: [UInt8]
        do throws(Errno) {
            try File.seek(list, to: 0)
            bytes = try File.readAll(list, limit: digestsMax * digestBytes)
        } catch {
            throw error == .fileTooLarge
                ? .limitReached(subject: "digests", limit: UInt64(digestsMax))
                : .invalid(.badDescriptor, subject: "digests: \(error.name)")
        }
        guard bytes.count.isMultiple(of: digestBytes) else {
            throw .invalid(.truncated, subject: "digests", actual: UInt64(bytes.count))
        }
        return stride(from: 0, to: bytes.count, by: digestBytes).map {
            bytes[$0..<($0 + digestBytes)]
        }
    }

    static func parcel(_ digests: [[UInt8]]) throws(Fault) -> Parcel {
        do throws(Errno) {
            return Parcel(try Memfd.sealed(Array(digests.joined()), name: "digests"))
        } catch {
            throw StoreFault.storing(error, "digests")
        }
    }
}
