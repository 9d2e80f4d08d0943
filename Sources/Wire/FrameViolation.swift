/// A field of the header, by the name it has in `Protocols/WIRE.md` §2.
package enum FrameField: String, Sendable, CaseIterable {
    /// The packet is shorter than a header.
    case header
    case magic
    case version
    case kind
    case flags
    case interface
    case method
    case bodyLength = "body length"
    case transaction
    case deadline
    case descriptors
    case reserved
}

/// Why a packet is not a frame: the first field, in the order of the table, that says what it must
/// not. `field.rawValue` is the subject of the goodbye.
package struct FrameViolation: Error, Equatable, Sendable, CustomStringConvertible {
    package let field: FrameField

    package init(_ field: FrameField) {
        self.field = field
    }

    package var description: String { "frame refused: \(field.rawValue)" }
}
