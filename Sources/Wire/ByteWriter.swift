/// Writes little-endian values one after another, as `ByteReader` reads them. Grows up to its
/// bound; what would pass it is refused whole, and nothing of it is written.
package struct ByteWriter: Sendable {
    /// What was written so far.
    package private(set) var bytes: [UInt8] = []
    /// The most bytes there may be.
    package let bytesMax: Int

    package init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    /// The value does not fit: into the writer, or its length into the field.
    package struct Overflow: Error, Equatable, Sendable {
        package let limit: Int
        package let actual: Int

        package init(limit: Int, actual: Int) {
            self.limit = limit
            self.actual = actual
        }
    }

    package mutating func put(_ value: UInt8) throws(Overflow) {
        try makeRoom(1)
        bytes.append(value)
    }

    package mutating func put(_ value: UInt16) throws(Overflow) {
        try append(UInt64(value), bytes: 2)
    }

    package mutating func put(_ value: UInt32) throws(Overflow) {
        try append(UInt64(value), bytes: 4)
    }

    package mutating func put(_ value: UInt64) throws(Overflow) {
        try append(value, bytes: 8)
    }

    package mutating func put(_ value: Bool) throws(Overflow) {
        try put(value ? UInt8(1) : 0)
    }

    /// A count of elements that follow, as 32 bits.
    package mutating func putCount(_ count: Int, max: Int) throws(Overflow) {
        guard count >= 0, count <= max, count <= Int(UInt32.max) else {
            throw Overflow(limit: max, actual: count)
        }
        try put(UInt32(count))
    }

    /// Bytes, with their length as 32 bits before them.
    package mutating func put(_ value: [UInt8], max: Int) throws(Overflow) {
        try makeRoom(4 + value.count)
        try putCount(value.count, max: max)
        bytes.append(contentsOf: value)
    }

    /// Text as UTF-8, with its length in bytes as 32 bits before it.
    package mutating func put(_ value: String, max: Int) throws(Overflow) {
        try put([UInt8](value.utf8), max: max)
    }

    private mutating func append(_ value: UInt64, bytes count: Int) throws(Overflow) {
        try makeRoom(count)
        for index in 0..<count {
            bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index)))
        }
    }

    private func makeRoom(_ count: Int) throws(Overflow) {
        guard bytes.count + count <= bytesMax else {
            throw Overflow(limit: bytesMax, actual: bytes.count + count)
        }
    }
}
