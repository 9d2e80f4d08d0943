import Interfaces
import ServiceModel

/// A box as it is printed.
struct BoxReport: Encodable {
    let id: String
    let tags: [String]
    let architecture: String
    let entrypoint: String
    let slots: [String]
    let entries: UInt64
    let contentBytes: UInt64
    let canonicalBytes: UInt64
    let importedAt: UInt64
    let alreadyPresent: Bool
    /// What was not kept, where that was asked.
    var normalised: [NormalisedReport]?

    init(_ box: BoxSummary) {
        id = Words.hex(box.serviceIDBytes)
        tags = box.tags
        architecture = box.architecture
        entrypoint = box.entrypoint
        slots = box.slots.map { "\($0.port)/\($0.transport)" }
        entries = box.entries
        contentBytes = box.contentBytes
        canonicalBytes = box.canonicalBytes
        importedAt = box.importedAt
        alreadyPresent = box.alreadyPresent
    }

    /// By the name of the algorithm; those of one nobody here knows are left out.
    static func digests(_ hashes: [Hash]) -> [String: String] {
        let names: [(Hash.Algorithm, String)] = [
            (.sha3, "SHA3-256"), (.sha2, "SHA-256"), (.blake2b, "BLAKE2b-256"),
        ]
        var digests: [String: String] = [:]
        for hash in hashes {
            guard let name = names.first(where: { $0.0.type == hash.type }) else { continue }
            digests[name.1] = Hexadecimal.text(hash.value)
        }
        return digests
    }

    static let headings = ["ID", "TAGS", "SLOTS", "SIZE", "FILES", "ENTRYPOINT"]

    var row: [String] {
        [
            String(id.prefix(16)), tags.isEmpty ? "-" : tags.joined(separator: ","),
            slots.isEmpty ? "-" : slots.joined(separator: ","), Words.bytes(contentBytes),
            "\(entries)", entrypoint,
        ]
    }

    /// One fact a line.
    var rows: [[String]] {
        [
            ["id", id], ["tags", tags.isEmpty ? "-" : tags.joined(separator: ", ")],
            ["architecture", architecture], ["entrypoint", entrypoint],
            ["slots", slots.isEmpty ? "-" : slots.joined(separator: ", ")],
            ["entries", "\(entries)"], ["content", Words.bytes(contentBytes)],
            ["canonical form", Words.bytes(canonicalBytes)],
        ]
    }
}
