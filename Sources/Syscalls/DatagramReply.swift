import CShim

/// Answers to datagrams that are made here, not relayed.
extension InternetSocket {
    /// Answers a datagram; one that cannot be sent now is not.
    package static func reply(
        _ socket: borrowing Descriptor, to receiver: IPv4Endpoint, _ bytes: [UInt8]
    ) {
        let raw = socket.raw
        // SAFETY: the array is read during the call only.
        unsafe bytes.withUnsafeBytes { bytes in
            _ = unsafe celaut_relay_send_to(
                raw, bytes.baseAddress, bytes.count, receiver.address, receiver.port)
        }
    }
}
