import Syscalls
import Wire

/// Where a loop's packets are received: one for all connections, as each packet is copied out
/// before anything else runs.
struct PacketBuffer {
    private var bytes = [UInt8](repeating: 0, count: WireLimits.packetBytesMax)

    mutating func receive(
        _ socket: borrowing Descriptor
    ) throws(Errno) -> SeqpacketSocket.Received {
        try SeqpacketSocket.receive(socket, into: &bytes)
    }

    /// The header of the packet that was received last.
    func header(_ received: SeqpacketSocket.Received) throws(FrameViolation) -> FrameHeader {
        try FrameHeader(
            reading: bytes.span.extracting(0..<received.bytes),
            descriptors: received.descriptors?.count ?? 0)
    }

    /// Its body.
    func body(_ received: SeqpacketSocket.Received) -> [UInt8] {
        Array(bytes[WireLimits.headerBytes..<received.bytes])
    }
}
