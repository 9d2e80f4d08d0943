package import NIOCore

/// Datagrams in a stream of bytes, each behind its length: two bytes, the higher first. An empty one
/// says nothing and is passed over.
///
/// Keeps true: no more is held than one datagram and what came with it.
package struct DatagramFrames {
    /// The longest datagram.
    // LIMIT: what two bytes can say, and more than a datagram of UDP carries; no frame is longer.
    package static let bytesMax = 65_535

    private var held = ByteBuffer()

    package init() {}

    package mutating func append(_ bytes: inout ByteBuffer) {
        held.discardReadBytes()
        held.writeBuffer(&bytes)
    }

    /// The next whole datagram.
    package mutating func next() -> ByteBuffer? {
        while let length = held.getInteger(at: held.readerIndex, as: UInt16.self),
            held.readableBytes >= 2 + Int(length)
        {
            held.moveReaderIndex(forwardBy: 2)
            guard length > 0 else { continue }
            return held.readSlice(length: Int(length))
        }
        return nil
    }

    package static func framed(_ datagram: ByteBuffer) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeInteger(UInt16(clamping: datagram.readableBytes))
        bytes.writeImmutableBuffer(datagram)
        return bytes
    }
}
