package import Interfaces

/// What is wrong with a package as such, and in which of its records.
package struct PackageError: Error, Equatable {
    package enum Condition: Equatable, Sendable {
        /// It ends before its end.
        case truncated
        /// A part that is not in the form it must have.
        case malformed(String)
        /// A part where none, or another, must be.
        case unexpected(String)
        case tooLarge(limit: UInt64, actual: UInt64)
        case tooDeep(limit: UInt64, actual: UInt64)
    }

    package let condition: Condition
    /// Bytes of the package before the record.
    package let offset: UInt64

    package init(_ condition: Condition, _ offset: UInt64) {
        self.condition = condition
        self.offset = offset
    }

    /// For the caller. Where there is no limit, `actual` is the offset.
    package var fault: Fault {
        switch condition {
        case .truncated: .invalid(.truncated, subject: "package", actual: offset)
        case .malformed(let part), .unexpected(let part):
            .invalid(.malformed, subject: "package: \(part)", actual: offset)
        case .tooLarge(let limit, let actual):
            .tooLarge(subject: "package: record at \(offset)", limit: limit, actual: actual)
        case .tooDeep(let limit, let actual):
            .invalid(.tooDeep, subject: "package: block", limit: limit, actual: actual)
        }
    }
}
