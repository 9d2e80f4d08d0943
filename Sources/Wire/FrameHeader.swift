/// The 40 bytes before every body (`Protocols/WIRE.md` §2), and the only reader and writer of them.
///
/// Keeps true: a header that was read has passed every check that needs no memory of the
/// connection, and writing it again gives the same bytes. Refuses, with the name of the first
/// wrong field in the order of the table, everything else; never traps on a packet.
package struct FrameHeader: Equatable, Sendable {
    /// "CLTW". Tells a peer that speaks something else apart before anything is believed.
    package static let magic: UInt32 = 0x5754_4C43
    /// The version of the header's layout, not of any interface.
    package static let version: UInt8 = 1

    /// What the frame is for.
    package var kind: FrameKind
    /// The interface's number; 0 in hello and goodbye, 1 to 65,535 in all else.
    package var interface: UInt16
    /// The method's ordinal in its interface; 0 in hello and goodbye, 1 to 65,535 in all else.
    package var method: UInt16
    /// Bytes of the body after the header: 0 to 65,536; 0 in end and cancel.
    package var bodyBytes: UInt32
    /// Chosen by the caller, from 1 on, never reused on a connection; 0 in hello and goodbye.
    package var transaction: UInt64
    /// Time left for a request, in microseconds: 1 to 86,400,000,000; 0 for the method's default,
    /// and in every other kind.
    package var deadlineMicroseconds: UInt64
    /// Descriptors that come with the packet: 0 to 16 with a request or reply, 0 with all else.
    package var descriptors: UInt16

    package init(
        _ kind: FrameKind, interface: UInt16 = 0, method: UInt16 = 0, bodyBytes: UInt32 = 0,
        transaction: UInt64 = 0, deadlineMicroseconds: UInt64 = 0, descriptors: UInt16 = 0
    ) {
        self.kind = kind
        self.interface = interface
        self.method = method
        self.bodyBytes = bodyBytes
        self.transaction = transaction
        self.deadlineMicroseconds = deadlineMicroseconds
        self.descriptors = descriptors
    }

    /// The header of a packet, together with the number of descriptors that came with it.
    ///
    /// - Throws: the first field that says what it must not.
    package init(reading packet: Span<UInt8>, descriptors arrived: Int) throws(FrameViolation) {
        guard packet.count >= WireLimits.headerBytes else { throw FrameViolation(.header) }
        guard packet.littleEndian32(at: 0) == Self.magic else { throw FrameViolation(.magic) }
        guard packet[4] == Self.version else { throw FrameViolation(.version) }
        guard let kind = FrameKind(rawValue: packet[5]) else { throw FrameViolation(.kind) }
        guard packet.littleEndian16(at: 6) == 0 else { throw FrameViolation(.flags) }
        self.init(
            kind,
            interface: packet.littleEndian16(at: 8),
            method: packet.littleEndian16(at: 10),
            bodyBytes: packet.littleEndian32(at: 12),
            transaction: packet.littleEndian64(at: 16),
            deadlineMicroseconds: packet.littleEndian64(at: 24),
            descriptors: packet.littleEndian16(at: 32))
        let bodyArrived = packet.count - WireLimits.headerBytes
        if let violation = invalid(bodyBytes: bodyArrived, descriptors: arrived) {
            throw violation
        }
        guard packet.littleEndian16(at: 34) == 0, packet.littleEndian32(at: 36) == 0 else {
            throw FrameViolation(.reserved)
        }
    }

    /// The first field that says what it must not, in the order of the table, given what came (or
    /// will go) with the header; nil for a good one.
    package func invalid(bodyBytes arrivedBytes: Int, descriptors arrived: Int) -> FrameViolation? {
        let bound = !kind.concernsConnection
        if (interface != 0) != bound { return FrameViolation(.interface) }
        if (method != 0) != bound { return FrameViolation(.method) }
        if bodyBytes > UInt32(WireLimits.bodyBytesMax) || Int(bodyBytes) != arrivedBytes
            || (kind.isBare && bodyBytes != 0)
        {
            return FrameViolation(.bodyLength)
        }
        if (transaction != 0) != bound { return FrameViolation(.transaction) }
        let deadlineMax = kind == .request ? WireLimits.deadlineMicrosecondsMax : 0
        if deadlineMicroseconds > deadlineMax { return FrameViolation(.deadline) }
        let descriptorsMax = kind.mayCarryDescriptors ? WireLimits.descriptorsMax : 0
        if Int(descriptors) > descriptorsMax || Int(descriptors) != arrived {
            return FrameViolation(.descriptors)
        }
        return nil
    }

    /// Writes the 40 bytes at the start of `packet`, which must have them.
    package func write(into packet: inout MutableSpan<UInt8>) {
        precondition(packet.count >= WireLimits.headerBytes, "no room for a header")
        packet.putLittleEndian(Self.magic, at: 0)
        packet[4] = Self.version
        packet[5] = kind.rawValue
        packet.putLittleEndian(UInt16(0), at: 6)
        packet.putLittleEndian(interface, at: 8)
        packet.putLittleEndian(method, at: 10)
        packet.putLittleEndian(bodyBytes, at: 12)
        packet.putLittleEndian(transaction, at: 16)
        packet.putLittleEndian(deadlineMicroseconds, at: 24)
        packet.putLittleEndian(descriptors, at: 32)
        packet.putLittleEndian(UInt16(0), at: 34)
        packet.putLittleEndian(UInt32(0), at: 36)
    }

    /// The frame as one packet: this header, with the body's length set, and the body.
    package func packet(body: [UInt8]) -> [UInt8] {
        precondition(body.count <= WireLimits.bodyBytesMax, "a body past its bound")
        var header = self
        header.bodyBytes = UInt32(body.count)
        var packet = [UInt8]()
        packet.reserveCapacity(WireLimits.headerBytes + body.count)
        packet.append(contentsOf: repeatElement(0, count: WireLimits.headerBytes))
        var span = packet.mutableSpan
        header.write(into: &span)
        packet.append(contentsOf: body)
        return packet
    }
}
