// Packets with descriptors: what the wire between daemons is made of. One call is one packet; the
// descriptors that come with it are owned before anybody can see the bytes.

import CShim
import Glibc

package enum SeqpacketSocket {
    /// What arrived with one packet.
    package struct Received: Sendable {
        /// 0: the peer closed.
        package let bytes: Int
        /// nil where the packet carried none.
        package let descriptors: Parcel?
        /// The packet was longer than the buffer; its rest is lost.
        package let bytesCut: Bool
        /// More descriptors came than could be taken; those are lost.
        package let descriptorsCut: Bool
    }

    /// The most descriptors of one packet.
    package static let descriptorsMax = Int(CELAUT_DESCRIPTORS_MAX)

    package static func listen(
        _ path: String, mode: UInt32 = 0o666, backlog: Int32 = 128
    ) throws(Errno) -> Descriptor {
        try UnixSocket.listen(path, kind: .seqpacket, mode: mode, backlog: backlog)
    }

    package static func connect(_ path: String) throws(Errno) -> Descriptor {
        try UnixSocket.connect(path, kind: .seqpacket)
    }

    package static func pair() throws(Errno) -> UnixSocket.Pair {
        try UnixSocket.pair(kind: .seqpacket)
    }

    package static func peerCredentials(
        _ socket: borrowing Descriptor
    ) throws(Errno) -> PeerCredentials {
        try Socket.peerCredentials(socket)
    }

    /// Sends one packet made of two parts. The parcel keeps its descriptors: the receiver gets
    /// others of the same open files.
    ///
    /// - Throws: `.again` when the peer's queue is full; nothing was sent then.
    package static func send(
        _ socket: borrowing Descriptor, _ head: RawSpan, _ body: RawSpan,
        descriptors: Parcel? = nil
    ) throws(Errno) -> Int {
        guard let descriptors else { return try send(socket.raw, head, body, []) }
        let raw = socket.raw
        return try descriptors.withNumbers { numbers throws(Errno) in
            try send(raw, head, body, numbers)
        }
    }

    package static func send(
        _ socket: borrowing Descriptor, _ packet: [UInt8], descriptors: Parcel? = nil
    ) throws(Errno) -> Int {
        // SAFETY: bytes have no padding.
        try unsafe send(socket, packet.span.bytes, RawSpan(), descriptors: descriptors)
    }

    private static func send(
        _ raw: Int32, _ head: RawSpan, _ body: RawSpan, _ numbers: [Int32]
    ) throws(Errno) -> Int {
        // SAFETY: both spans and the numbers are read during the call only, with their lengths.
        try unsafe head.withUnsafeBytes { head throws(Errno) in
            try unsafe body.withUnsafeBytes { body throws(Errno) in
                try Call.check {
                    unsafe celaut_send(
                        raw, head.baseAddress, head.count, body.baseAddress, body.count, numbers,
                        numbers.count, MSG_DONTWAIT)
                }
            }
        }
    }

    /// Receives one packet.
    ///
    /// - Throws: `.again` when none is there.
    package static func receive(
        _ socket: borrowing Descriptor, into buffer: inout [UInt8]
    ) throws(Errno) -> Received {
        let raw = socket.raw
        // SAFETY: the kernel writes inside the array, which is ours alone during the call.
        var span = buffer.mutableSpan
        return try unsafe span.withUnsafeMutableBytes { bytes throws(Errno) in
            try unsafe receive(raw, bytes)
        }
    }

    package static func receive(
        _ socket: borrowing Descriptor, into buffer: inout MutableRawSpan
    ) throws(Errno) -> Received {
        let raw = socket.raw
        // SAFETY: the kernel writes inside the span, which outlives the call.
        return try unsafe buffer.withUnsafeMutableBytes { bytes throws(Errno) in
            try unsafe receive(raw, bytes)
        }
    }

    /// Receives one packet into memory of its own, touched only as far as the packet goes.
    ///
    /// - Returns: nothing in `bytes` when the peer closed, or the packet was cut.
    package static func receive(
        _ socket: borrowing Descriptor, bytesMax: Int
    ) throws(Errno) -> (bytes: [UInt8], descriptors: Parcel?) {
        let raw = socket.raw
        var result: Result<Received, Errno> = .failure(.again)
        // SAFETY: as many bytes count as the kernel wrote.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: bytesMax) { buffer, count in
            do throws(Errno) {
                let received = unsafe try receive(raw, UnsafeMutableRawBufferPointer(buffer))
                let isCut = received.bytesCut || received.descriptorsCut
                count = isCut ? 0 : received.bytes
                result = .success(received)
            } catch {
                count = 0
                result = .failure(error)
            }
        }
        return (bytes, try result.get().descriptors)
    }

    private static func receive(
        _ raw: Int32, _ buffer: UnsafeMutableRawBufferPointer
    ) throws(Errno) -> Received {
        // SAFETY: the shim writes at most `descriptorsMax` numbers and says how many; each is a
        // descriptor the kernel just gave to this process and nobody else knows.
        try unsafe withUnsafeTemporaryAllocation(of: Int32.self, capacity: descriptorsMax) {
            numbers throws(Errno) in
            var count = 0
            var flags: Int32 = 0
            let bytes = try Call.check {
                flags = MSG_DONTWAIT
                return unsafe celaut_receive(
                    raw, buffer.baseAddress, buffer.count, numbers.baseAddress, &count, &flags)
            }
            let parcel =
                unsafe count == 0 ? nil : Parcel(adopting: Array(numbers.prefix(count)))
            return Received(
                bytes: bytes, descriptors: parcel, bytesCut: flags & MSG_TRUNC != 0,
                descriptorsCut: flags & MSG_CTRUNC != 0)
        }
    }
}

private let MSG_DONTWAIT: Int32 = 0x40
private let MSG_TRUNC: Int32 = 0x20
private let MSG_CTRUNC: Int32 = 0x08
