import FoundationEssentials
import Interfaces
import ServiceModel
import SharedCrypto

/// A digest of what a row of the index says and nothing else does: SQLite compares its tables with their
/// indices, but a value that stands in one place only it takes as it finds it.
enum RowSeal {
    /// Of a box, but for the digest of its image: that is compared with the image.
    static func of(_ record: BoxRecord) -> Data {
        var text: [[UInt8]] = [
            record.id.bytes, Array(record.architecture.utf8), Array(record.entrypoint.utf8),
            record.service, Array(record.slots.joined(separator: " ").utf8),
            record.fingerprint?.bytes ?? [], record.form?.digest.bytes ?? [],
        ]
        for number in [
            record.entries, record.contentBytes, record.canonicalBytes, record.importedAt,
            record.form?.bytes ?? 0,
        ] {
            text.append(bytes(number))
        }
        return seal(text)
    }

    /// Of a hold: how its holder named the box.
    static func of(hold holder: String, _ reference: String, on id: ServiceID) -> Data {
        seal([Array(holder.utf8), Array(reference.utf8), id.bytes])
    }

    /// Of where an opinion on a box stands.
    static func of(proof contract: Data, on id: ServiceID) -> Data {
        seal([Array(contract), id.bytes])
    }

    /// Of a digest of a service.
    static func of(_ hash: Hash, on id: ServiceID) -> Data {
        seal([hash.type, hash.value, id.bytes])
    }

    /// Every part with its length before it, so that no two rows are written alike.
    private static func seal(_ parts: [[UInt8]]) -> Data {
        var hash = SHA256()
        for part in parts {
            hash.update(data: bytes(UInt64(part.count)))
            hash.update(data: part)
        }
        return Data(hash.finalize())
    }

    private static func bytes(_ number: UInt64) -> [UInt8] {
        stride(from: UInt64(0), to: 64, by: 8).map { UInt8(truncatingIfNeeded: number >> $0) }
    }
}
