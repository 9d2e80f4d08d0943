// The readers and writers of plans: what one writes the other reads, and what nobody wrote is
// refused at its place.

import Testing
import Wire

@Suite("Bounded bytes")
struct ByteReaderTests {
    /// One of each kind of value.
    private func written() throws -> [UInt8] {
        var writer = ByteWriter(bytesMax: 1_000)
        try writer.put(UInt8(1))
        try writer.put(UInt16(0x0302))
        try writer.put(UInt32(0x0706_0504))
        try writer.put(UInt64.max)
        try writer.put(true)
        try writer.putCount(3, max: 3)
        try writer.put([9, 9, 9], max: 3)
        try writer.put("äöü", max: 6)
        return writer.bytes
    }

    private func read(_ bytes: [UInt8]) throws(ByteReader.Failure) {
        var reader = ByteReader(bytes)
        #expect(try reader.uint8() == 1)
        #expect(try reader.uint16() == 0x0302)
        #expect(try reader.uint32() == 0x0706_0504)
        #expect(try reader.uint64() == .max)
        #expect(try reader.boolean())
        #expect(try reader.count(max: 3) == 3)
        #expect(try reader.bytes(max: 3) == [9, 9, 9])
        #expect(try reader.text(max: 6) == "äöü")
        try reader.finish()
    }

    @Test("what is written is read, little-endian")
    func roundTrip() throws {
        let bytes = try written()
        #expect(bytes.prefix(7) == [1, 2, 3, 4, 5, 6, 7])
        try read(bytes)
    }

    @Test("bytes that end early are refused at every length")
    func truncated() throws {
        let bytes = try written()
        for end in bytes.indices {
            var reader = ByteReader(Array(bytes[..<end]))
            #expect(throws: ByteReader.Failure.self) {
                _ = try reader.uint8()
                _ = try reader.uint16()
                _ = try reader.uint32()
                _ = try reader.uint64()
                _ = try reader.boolean()
                _ = try reader.count(max: 3)
                _ = try reader.bytes(max: 3)
                _ = try reader.text(max: 6)
            }
        }
    }

    @Test("a byte too many is refused, with how many")
    func leftOver() throws {
        var reader = ByteReader([1, 2, 3])
        _ = try reader.uint8()
        #expect(throws: ByteReader.Failure(problem: .leftOver(bytes: 2), offset: 1)) {
            try reader.finish()
        }
    }

    @Test("a length past its bound is refused before anything is taken")
    func tooLong() throws {
        var writer = ByteWriter(bytesMax: 100)
        try writer.put([1, 2, 3, 4], max: 4)
        var reader = ByteReader(writer.bytes)
        #expect(throws: ByteReader.Failure(problem: .tooLong(limit: 3, actual: 4), offset: 0)) {
            _ = try reader.bytes(max: 3)
        }
        #expect(reader.offset == 0)
    }

    @Test("a count that the rest cannot hold is refused, whatever its bound")
    func countWithoutContent() {
        var reader = ByteReader([0xFF, 0xFF, 0xFF, 0xFF, 1, 2])
        #expect(throws: ByteReader.Failure(problem: .truncated, offset: 0)) {
            _ = try reader.count(max: .max)
        }
        var wide = ByteReader([2, 0, 0, 0, 1, 2, 3])
        #expect(throws: ByteReader.Failure(problem: .truncated, offset: 0)) {
            _ = try wide.count(max: 10, elementBytesMin: 2)
        }
    }

    @Test("text that is not UTF-8 and truth that is neither 0 nor 1 are refused")
    func notWhatItSays() {
        var text = ByteReader([2, 0, 0, 0, 0xC3, 0x28])
        #expect(throws: ByteReader.Failure(problem: .notText, offset: 0)) {
            _ = try text.text(max: 10)
        }
        var truth = ByteReader([2])
        #expect(throws: ByteReader.Failure(problem: .notBoolean, offset: 0)) {
            _ = try truth.boolean()
        }
    }

    @Test("a writer refuses what passes its bound, and keeps what it has")
    func overflow() throws {
        var writer = ByteWriter(bytesMax: 6)
        try writer.put(UInt32(1))
        #expect(throws: ByteWriter.Overflow(limit: 6, actual: 8)) { try writer.put(UInt32(2)) }
        #expect(throws: ByteWriter.Overflow(limit: 6, actual: 9)) {
            try writer.put([1], max: 1)
        }
        #expect(writer.bytes == [1, 0, 0, 0])
    }

    @Test("a writer refuses a value longer than its field, and writes nothing of it")
    func fieldTooLong() {
        var writer = ByteWriter(bytesMax: 100)
        #expect(throws: ByteWriter.Overflow(limit: 2, actual: 3)) {
            try writer.put([1, 2, 3], max: 2)
        }
        #expect(writer.bytes.isEmpty)
    }
}
