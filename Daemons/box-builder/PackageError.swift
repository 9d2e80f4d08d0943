package import Interfaces

/// What is wrong with a package or with a service's bytes, and where.
package struct PackageError: Error, Equatable {
    package enum Condition: Equatable, Sendable {
        /// It ends before its end.
        case truncated
        /// Bytes that are not in the form they must have; the part.
        case malformed(String)
        /// A part where none, or another, must be.
        case unexpected(String)
        case tooLarge(limit: UInt64, actual: UInt64)
        case tooDeep(limit: UInt64, actual: UInt64)
        /// A block that is named and neither sent nor known here; its SHA3-256.
        case missing([UInt8])
        /// A block whose bytes have another digest than it is named by.
        case corrupt(expected: [UInt8], computed: [UInt8])
        /// A condition with a fault of its own.
        case fault(Fault)
    }

    package let condition: Condition
    /// Bytes before the place, in what was sent.
    package let offset: UInt64

    package init(_ condition: Condition, _ offset: UInt64) {
        self.condition = condition
        self.offset = offset
    }
}
