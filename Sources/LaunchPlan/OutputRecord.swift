// How an instance's output lies in its files: a file head, then records, each a head and bytes. The
// witness appends; readers may read while it does, and take a record only when it is there whole.

import Wire

/// The first bytes of an output file.
package struct OutputFileHead: Equatable, Sendable {
    /// "CLTL", version 1.
    private static let magic: UInt32 = 0x4C54_4C43
    package static let bytes = 24

    /// Which file of this instance it is, from 0 on: grows by one when the output goes on in
    /// another file.
    package var sequence: UInt64
    /// Bytes of output that were dropped before this file's first record, in all.
    package var droppedBytes: UInt64

    package init(sequence: UInt64, droppedBytes: UInt64) {
        self.sequence = sequence
        self.droppedBytes = droppedBytes
    }

    package func encoded() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.bytes)
        var span = bytes.mutableSpan
        span.putLittleEndian(Self.magic, at: 0)
        span.putLittleEndian(UInt32(1), at: 4)
        span.putLittleEndian(sequence, at: 8)
        span.putLittleEndian(droppedBytes, at: 16)
        return bytes
    }

    package init?(reading bytes: Span<UInt8>) {
        guard bytes.count >= Self.bytes, bytes.littleEndian32(at: 0) == Self.magic,
            bytes.littleEndian32(at: 4) == 1
        else { return nil }
        sequence = bytes.littleEndian64(at: 8)
        droppedBytes = bytes.littleEndian64(at: 16)
    }
}

/// What precedes the bytes that were read from a stream at once.
package struct OutputRecordHead: Equatable, Sendable {
    package static let bytes = 16
    // LIMIT: bytes of one record: what the witness reads at once, and an item of ReadOutput holds.
    package static let dataBytesMax = 32_768

    package enum Stream: UInt8, Sendable {
        case stdout = 1
        case stderr = 2
    }

    package var stream: Stream
    package var dataBytes: UInt32
    /// Since 1970.
    package var timeNanoseconds: UInt64

    package init(stream: Stream, dataBytes: UInt32, timeNanoseconds: UInt64) {
        self.stream = stream
        self.dataBytes = dataBytes
        self.timeNanoseconds = timeNanoseconds
    }

    package func encode(into bytes: inout MutableSpan<UInt8>) {
        bytes.putLittleEndian(timeNanoseconds, at: 0)
        bytes.putLittleEndian(dataBytes, at: 8)
        bytes.putLittleEndian(UInt32(stream.rawValue), at: 12)
    }

    /// nil where the bytes are not one; the file's rest is then not to be read.
    package init?(reading bytes: Span<UInt8>, at offset: Int) {
        guard bytes.count - offset >= Self.bytes,
            let stream = Stream(rawValue: bytes[offset + 12]),
            bytes.littleEndian32(at: offset + 8) <= UInt32(Self.dataBytesMax)
        else { return nil }
        self.stream = stream
        timeNanoseconds = bytes.littleEndian64(at: offset)
        dataBytes = bytes.littleEndian32(at: offset + 8)
    }
}
