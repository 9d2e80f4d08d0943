package import Interfaces
package import ServiceModel

/// A box as the index has it: what is told of it, and the service without its filesystem.
package struct BoxRecord: Equatable, Sendable {
    package let id: ServiceID
    package var tags: [String]
    package var architecture: String
    package var entrypoint: String
    package var entries: UInt64
    package var contentBytes: UInt64
    package var canonicalBytes: UInt64
    /// Seconds since 1970.
    package var importedAt: UInt64
    /// "6379/tcp", in the order of the declaration.
    package var slots: [String]
    /// Canonical proto3 bytes, and behind them of its filesystem what matters to a start.
    package var service: [UInt8]
    /// The SHA-256 of its image, once it was opened.
    package var image: ContentDigest?
    /// What an equal input is known by before its id is computed; see `BoxFingerprint`.
    package var fingerprint: ContentDigest?
    /// Where its canonical bytes are kept; nil for a box from before they were.
    package var form: StoredForm?

    package init(
        id: ServiceID, tags: [String], service: Service, tree: FileTree, canonicalBytes: UInt64,
        importedAt: UInt64
    ) {
        self.id = id
        self.tags = Array(Set(tags)).sorted()
        architecture = service.architecture
        entrypoint = service.container.initial.path
        entries = UInt64(tree.count)
        contentBytes = tree.contentBytes
        self.canonicalBytes = canonicalBytes
        self.importedAt = importedAt
        slots = service.api.slots.map { "\($0.port)/\($0.transportName ?? "")" }
        self.service = service.encoded() + TreeTerms(tree).bytes
    }

    package init(
        id: ServiceID, tags: [String], architecture: String, entrypoint: String, entries: UInt64,
        contentBytes: UInt64, canonicalBytes: UInt64, importedAt: UInt64, slots: [String],
        service: [UInt8]
    ) {
        self.id = id
        self.tags = tags
        self.architecture = architecture
        self.entrypoint = entrypoint
        self.entries = entries
        self.contentBytes = contentBytes
        self.canonicalBytes = canonicalBytes
        self.importedAt = importedAt
        self.slots = slots
        self.service = service
    }

    /// What callers are told.
    package var summary: BoxSummary {
        var summary = BoxSummary()
        summary.serviceIDBytes = id.bytes
        summary.tags = tags
        summary.architecture = architecture
        summary.entrypoint = entrypoint
        summary.entries = entries
        summary.contentBytes = contentBytes
        summary.canonicalBytes = canonicalBytes
        summary.importedAt = importedAt
        summary.slots = slots.map { text in
            var slot = SlotSummary()
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            slot.port = parts.first.flatMap { UInt32($0) } ?? 0
            slot.transport = parts.count > 1 ? String(parts[1]) : ""
            return slot
        }
        return summary
    }
}

/// How a caller names a box.
package enum BoxReference: Equatable, Sendable {
    /// 64 hexadecimal digits: the id, or where no box has it another digest of one.
    case id(ServiceID)
    /// The start of an id or a tag: text of 8 to 63 hexadecimal digits can be both.
    case prefixOrTag(String)
    case tag(String)

    // LIMIT: a shorter start names too many, and is more likely a tag.
    package static let prefixDigitsMin = 8

    package init(_ text: String) throws(Fault) {
        guard !text.isEmpty else { throw .invalid(.missingKey, subject: "box") }
        guard text.utf8.count <= ServiceDescription.tagBytesMax else {
            throw .invalid(
                .nameTooLong, subject: "box", limit: UInt64(ServiceDescription.tagBytesMax),
                actual: UInt64(text.utf8.count))
        }
        if let bytes = Hexadecimal.bytes(text), let id = ServiceID(bytes) {
            self = .id(id)
        } else if (Self.prefixDigitsMin...63).contains(text.utf8.count), Hexadecimal.isText(text) {
            self = .prefixOrTag(text)
        } else {
            self = .tag(text)
        }
    }

    /// The one box among those found.
    ///
    /// - Throws: NOT_FOUND; INVALID/DUPLICATE with the ids when there are several.
    package static func only(_ found: Set<ServiceID>, for text: String) throws(Fault) -> ServiceID {
        guard let id = found.first else { throw Fault(.notFound, subject: text) }
        guard found.count == 1 else {
            throw Fault(
                .invalid, reason: .duplicate, subject: text,
                lines: found.sorted().prefix(40).map(\.description))
        }
        return id
    }
}
