// IPv4 sockets, for host ports and for what the node places inside an instance.

import CShim
import Glibc

package struct IPv4Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// In host order: 127.0.0.1 is 0x7F00_0001.
    package var address: UInt32
    package var port: UInt16

    package init(address: UInt32, port: UInt16) {
        self.address = address
        self.port = port
    }

    package static func loopback(port: UInt16) -> IPv4Endpoint {
        IPv4Endpoint(address: 0x7F00_0001, port: port)
    }

    /// Reads four decimal numbers with dots; nil for anything else.
    package init?(_ text: String, port: UInt16) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard part.count <= 3, part.allSatisfy(\.isNumber), let byte = UInt8(part) else {
                return nil
            }
            address = address << 8 | UInt32(byte)
        }
        self.init(address: address, port: port)
    }

    package var host: String {
        [24, 16, 8, 0].map { String(address >> $0 & 0xFF) }.joined(separator: ".")
    }

    package var description: String { "\(host):\(port)" }
}

package enum InternetSocket {
    /// A socket in the network namespace the calling thread is in.
    package static func make(kind: Socket.Kind = .stream) throws(Errno) -> Descriptor {
        try Socket.make(AF_INET, kind == .datagram ? Socket.datagram : Socket.stream)
    }

    /// Listens. Port 0 takes a free one: see `localEndpoint`.
    package static func listen(
        _ endpoint: IPv4Endpoint, backlog: Int32 = 512
    ) throws(Errno) -> Descriptor {
        let socket = try make()
        try Socket.setOption(socket, SOL_SOCKET, SO_REUSEADDR, 1)
        try bind(socket, endpoint)
        let raw = socket.raw
        try Call.check { Glibc.listen(raw, backlog) }
        return socket
    }

    package static func bind(
        _ socket: borrowing Descriptor, _ endpoint: IPv4Endpoint
    ) throws(Errno) {
        let raw = socket.raw
        try Call.check { celaut_bind_ipv4(raw, endpoint.address, endpoint.port) }
    }

    /// Begins to connect a non-blocking socket.
    ///
    /// - Returns: true when connected already; false when it will be writable with the outcome in
    ///   `Socket.takeError`.
    package static func connect(
        _ socket: borrowing Descriptor, to endpoint: IPv4Endpoint
    ) throws(Errno) -> Bool {
        let raw = socket.raw
        do throws(Errno) {
            try Call.once { celaut_connect_ipv4(raw, endpoint.address, endpoint.port) }
            return true
        } catch .inProgress {
            return false
        } catch .interrupted {
            // The attempt goes on in the kernel.
            return false
        }
    }

    package static func localEndpoint(
        _ socket: borrowing Descriptor
    ) throws(Errno) -> IPv4Endpoint {
        try name(socket.raw, peer: false)
    }

    package static func peerEndpoint(
        _ socket: borrowing Descriptor
    ) throws(Errno) -> IPv4Endpoint {
        try name(socket.raw, peer: true)
    }

    /// Small packets leave at once.
    package static func setNoDelay(_ socket: borrowing Descriptor) throws(Errno) {
        try Socket.setOption(socket, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    private static func name(_ raw: Int32, peer: Bool) throws(Errno) -> IPv4Endpoint {
        var endpoint = IPv4Endpoint(address: 0, port: 0)
        // SAFETY: two fields of a local value are filled.
        try Call.check {
            unsafe celaut_name_ipv4(raw, peer ? 1 : 0, &endpoint.address, &endpoint.port)
        }
        return endpoint
    }
}
