// Relaying datagrams: each is read into the workshop's buffer and sent from there, whole or not at
// all, without waiting.

import CShim

package enum DatagramPump {
    /// A datagram that is in the workshop's buffer until the next one is read.
    package struct Arrived: Sendable {
        package let bytes: Int
        package let sender: IPv4Endpoint
    }

    /// The next datagram of an unconnected socket; nil when none waits.
    package static func receive(
        _ socket: borrowing Descriptor, with shop: RelayWorkshop
    ) throws(Errno) -> Arrived? {
        var sender = IPv4Endpoint(address: 0, port: 0)
        // SAFETY: the kernel writes at most the buffer's size, and two fields of a local value.
        let count = unsafe celaut_relay_receive_from(
            socket.raw, shop.buffer.baseAddress, RelayWorkshop.bufferBytes, &sender.address,
            &sender.port)
        guard count >= 0 else {
            let error = Errno(negative: count)
            if error == .again { return nil }
            throw error
        }
        return Arrived(bytes: count, sender: sender)
    }

    /// The next datagram or packet of a connected socket; nil when none waits. 0 is an empty datagram,
    /// or the end of a packet socket.
    package static func receiveConnected(
        _ socket: borrowing Descriptor, with shop: RelayWorkshop
    ) throws(Errno) -> Int? {
        // SAFETY: as above.
        let count = unsafe celaut_relay_receive(
            socket.raw, shop.buffer.baseAddress, RelayWorkshop.bufferBytes, 0)
        guard count >= 0 else {
            let error = Errno(negative: count)
            if error == .again { return nil }
            throw error
        }
        return count
    }

    /// Sends what is in the buffer on a connected socket.
    ///
    /// - Returns: whether it went: what the socket does not take is lost, as datagrams are.
    package static func send(
        _ socket: borrowing Descriptor, bytes: Int, with shop: RelayWorkshop
    ) -> Bool {
        let raw = socket.raw
        return delivers(bytes) {
            // SAFETY: the buffer has at least so many bytes, which were read before.
            unsafe celaut_relay_send(raw, shop.buffer.baseAddress, bytes)
        }
    }

    /// Sends what is in the buffer to an address.
    package static func send(
        _ socket: borrowing Descriptor, to receiver: IPv4Endpoint, bytes: Int,
        with shop: RelayWorkshop
    ) -> Bool {
        let raw = socket.raw
        return delivers(bytes) {
            // SAFETY: as above.
            unsafe celaut_relay_send_to(
                raw, shop.buffer.baseAddress, bytes, receiver.address, receiver.port)
        }
    }

    /// Sends bytes that were kept.
    package static func send(_ socket: borrowing Descriptor, kept: [UInt8]) -> Bool {
        let raw = socket.raw
        return delivers(kept.count) {
            // SAFETY: the array is read during the call only.
            unsafe kept.withUnsafeBytes { bytes in
                unsafe celaut_relay_send(raw, bytes.baseAddress, bytes.count)
            }
        }
    }

    /// A copy of what is in the buffer.
    package static func kept(bytes: Int, in shop: RelayWorkshop) -> [UInt8] {
        // SAFETY: so many bytes were read into it before.
        unsafe Array(shop.buffer[..<min(bytes, RelayWorkshop.bufferBytes)])
    }

    /// udp(7): an error that an earlier datagram came back with is told by the next call, which sends
    /// nothing.
    private static func delivers(_ bytes: Int, _ send: () -> Int) -> Bool {
        var sent = send()
        if sent < 0, Errno(negative: sent) == .connectionRefused { sent = send() }
        return sent == bytes
    }
}
