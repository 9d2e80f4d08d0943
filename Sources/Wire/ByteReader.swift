/// Reads little-endian values one after another from bytes somebody else wrote.
///
/// Keeps true: never reads past the end, never makes room for more than the bytes that are there.
/// Refuses, with the place: a value that is cut, a length or count past the bound its reader
/// names, text that is not UTF-8, a truth value that is neither 0 nor 1, bytes left over.
package struct ByteReader: Sendable {
    private let bytes: [UInt8]
    /// Where the next value starts.
    package private(set) var offset = 0

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Bytes not read yet.
    package var remaining: Int { bytes.count - offset }

    package enum Problem: Equatable, Sendable {
        /// The bytes end before the value does.
        case truncated
        /// A length or count is past its bound.
        case tooLong(limit: Int, actual: Int)
        /// Text is not UTF-8.
        case notText
        /// A truth value is neither 0 nor 1.
        case notBoolean
        /// The last value was read and bytes are left.
        case leftOver(bytes: Int)
    }

    package struct Failure: Error, Equatable, Sendable {
        package let problem: Problem
        /// Where the value starts that could not be read.
        package let offset: Int

        package init(problem: Problem, offset: Int) {
            self.problem = problem
            self.offset = offset
        }
    }

    package mutating func uint8() throws(Failure) -> UInt8 {
        UInt8(truncatingIfNeeded: try integer(bytes: 1))
    }

    package mutating func uint16() throws(Failure) -> UInt16 {
        UInt16(truncatingIfNeeded: try integer(bytes: 2))
    }

    package mutating func uint32() throws(Failure) -> UInt32 {
        UInt32(truncatingIfNeeded: try integer(bytes: 4))
    }

    package mutating func uint64() throws(Failure) -> UInt64 {
        try integer(bytes: 8)
    }

    package mutating func boolean() throws(Failure) -> Bool {
        let start = offset
        switch try uint8() {
        case 0: return false
        case 1: return true
        default: throw back(to: start, .notBoolean)
        }
    }

    /// A count of elements that follow, each at least `elementBytesMin` bytes long: a count that
    /// the rest cannot hold is refused here, before anything is reserved for it.
    package mutating func count(max: Int, elementBytesMin: Int = 1) throws(Failure) -> Int {
        let start = offset
        let count = Int(try uint32())
        guard count <= max else { throw back(to: start, .tooLong(limit: max, actual: count)) }
        let (needed, overflow) = count.multipliedReportingOverflow(by: elementBytesMin)
        guard !overflow, needed <= remaining else { throw back(to: start, .truncated) }
        return count
    }

    /// Bytes with their length before them.
    package mutating func bytes(max: Int) throws(Failure) -> [UInt8] {
        let count = try count(max: max)
        let taken = [UInt8](bytes[offset..<offset + count])
        offset += count
        return taken
    }

    /// UTF-8 text with its length in bytes before it.
    package mutating func text(max: Int) throws(Failure) -> String {
        let start = offset
        guard let text = String(validating: try bytes(max: max), as: UTF8.self) else {
            throw back(to: start, .notText)
        }
        return text
    }

    /// Refuses what is left over.
    package func finish() throws(Failure) {
        guard remaining == 0 else {
            throw Failure(problem: .leftOver(bytes: remaining), offset: offset)
        }
    }

    private mutating func integer(bytes count: Int) throws(Failure) -> UInt64 {
        guard remaining >= count else { throw Failure(problem: .truncated, offset: offset) }
        var value: UInt64 = 0
        for index in 0..<count {
            value |= UInt64(bytes[offset + index]) << UInt64(8 * index)
        }
        offset += count
        return value
    }

    /// The failure of a value, with the reader back where that value starts.
    private mutating func back(to start: Int, _ problem: Problem) -> Failure {
        offset = start
        return Failure(problem: problem, offset: start)
    }
}
