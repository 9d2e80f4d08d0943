/// What is wrong with the bytes of a service, and where.
package struct CanonicalError: Error, Equatable, Sendable {
    package enum Condition: Equatable, Sendable {
        /// They end inside a field.
        case truncated
        /// A length goes past the end of the message it is in.
        case lengthPastEnd
        /// A tag, a number, text or a message that cannot be.
        case malformed
        /// A field has another wire type than its declared one.
        case wrongType
        /// A part is larger than its bound.
        case tooLarge
        case tooDeep
        case tooManyEntries
        /// Empty, ".", "..", too long, not UTF-8, or with a slash or NUL in it.
        case badName
        /// A name twice in a directory, or a field twice that can only be there once.
        case duplicate
        /// A branch without a name, or one that is neither file, link nor directory.
        case incomplete
        /// A mode, owner or time that is no decimal number that fits, a mode of another kind of
        /// file, an extended attribute that no box may keep.
        case badAttribute
        /// A link without an absolute target, or whose own text leads somewhere else.
        case badLink
        /// A device.
        case unsupported
    }

    package var condition: Condition
    /// The path of the entry at fault from the root: "usr/bin"; empty outside the filesystem.
    package var path: String
    /// Bytes before the field at fault.
    package var offset: UInt64
    /// The bound that was passed; 0 when there is none.
    package var limit: UInt64
    /// What was found where `limit` applies.
    package var actual: UInt64

    package init(
        _ condition: Condition, path: String = "", offset: UInt64 = 0, limit: UInt64 = 0,
        actual: UInt64 = 0
    ) {
        self.condition = condition
        self.path = path
        self.offset = offset
        self.limit = limit
        self.actual = actual
    }

    /// A document that is none.
    ///
    /// - Parameters:
    ///   - path: what it is called.
    ///   - place: where a byte of it stands in what came.
    package init(
        _ error: JSONError, path: String = "", place: (Int) -> UInt64 = { UInt64($0) }
    ) {
        switch error {
        case .malformed(let offset):
            self.init(.malformed, path: path, offset: place(offset))
        case .tooDeep(let limit): self.init(.tooDeep, path: path, limit: UInt64(limit))
        case .tooMany(let limit):
            self.init(
                .tooLarge, path: path.isEmpty ? "values" : "\(path): values",
                limit: UInt64(limit), actual: UInt64(limit) + 1)
        case .duplicateKey(let key): self.init(.duplicate, path: key)
        }
    }
}
