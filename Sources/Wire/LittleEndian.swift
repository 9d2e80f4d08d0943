/// Little-endian integers in bytes. Out of bounds traps: callers check the length once, before.
extension Span where Element == UInt8 {
    @inline(__always)
    package func littleEndian16(at offset: Int) -> UInt16 {
        UInt16(self[offset]) | UInt16(self[offset + 1]) << 8
    }

    @inline(__always)
    package func littleEndian32(at offset: Int) -> UInt32 {
        UInt32(littleEndian16(at: offset)) | UInt32(littleEndian16(at: offset + 2)) << 16
    }

    @inline(__always)
    package func littleEndian64(at offset: Int) -> UInt64 {
        UInt64(littleEndian32(at: offset)) | UInt64(littleEndian32(at: offset + 4)) << 32
    }
}

extension MutableSpan where Element == UInt8 {
    @inline(__always)
    package mutating func putLittleEndian(_ value: UInt16, at offset: Int) {
        self[offset] = UInt8(truncatingIfNeeded: value)
        self[offset + 1] = UInt8(truncatingIfNeeded: value >> 8)
    }

    @inline(__always)
    package mutating func putLittleEndian(_ value: UInt32, at offset: Int) {
        putLittleEndian(UInt16(truncatingIfNeeded: value), at: offset)
        putLittleEndian(UInt16(truncatingIfNeeded: value >> 16), at: offset + 2)
    }

    @inline(__always)
    package mutating func putLittleEndian(_ value: UInt64, at offset: Int) {
        putLittleEndian(UInt32(truncatingIfNeeded: value), at: offset)
        putLittleEndian(UInt32(truncatingIfNeeded: value >> 32), at: offset + 4)
    }
}
