// What all sockets have. Sockets made here are close-on-exec; those accepted or made for an event
// loop are non-blocking too.

import CShim
import Glibc

/// Who is at the other end of a Unix socket, as the kernel saw it connect.
package struct PeerCredentials: Sendable, Equatable {
    package let pid: Int32
    package let uid: UInt32
    package let gid: UInt32

    package init(pid: Int32, uid: UInt32, gid: UInt32) {
        self.pid = pid
        self.uid = uid
        self.gid = gid
    }
}

package enum Socket {
    package enum Family: Sendable, Equatable {
        case unix, ipv4, ipv6, netlink
        case other(Int32)
    }

    package enum Kind: Sendable, Equatable {
        case stream, datagram, seqpacket
        case other(Int32)
    }

    package enum Direction: Sendable { case receive, send, both }

    /// The next connection; nil when none waits (the listener is non-blocking).
    package static func accept(_ listener: borrowing Descriptor) throws(Errno) -> Descriptor? {
        let raw = listener.raw
        while true {
            do throws(Errno) {
                return try Call.descriptor { celaut_accept(raw) }
            } catch .again {
                return nil
            } catch .connectionAborted {
                // The peer left the queue; the next one counts.
                continue
            }
        }
    }

    package static func peerCredentials(
        _ socket: borrowing Descriptor
    ) throws(Errno) -> PeerCredentials {
        let raw = socket.raw
        var pid: Int32 = 0
        var uid: UInt32 = 0
        var gid: UInt32 = 0
        // SAFETY: three local values are filled.
        try Call.check { unsafe celaut_peer_credentials(raw, &pid, &uid, &gid) }
        return PeerCredentials(pid: pid, uid: uid, gid: gid)
    }

    package static func kind(_ socket: borrowing Descriptor) throws(Errno) -> Kind {
        switch try option(socket, SO_TYPE) {
        case stream: .stream
        case datagram: .datagram
        case seqpacket: .seqpacket
        case let other: .other(other)
        }
    }

    package static func family(_ socket: borrowing Descriptor) throws(Errno) -> Family {
        switch try option(socket, SO_DOMAIN) {
        case AF_UNIX: .unix
        case AF_INET: .ipv4
        case AF_INET6: .ipv6
        case AF_NETLINK: .netlink
        case let other: .other(other)
        }
    }

    package static func isListening(_ socket: borrowing Descriptor) throws(Errno) -> Bool {
        try option(socket, SO_ACCEPTCONN) != 0
    }

    /// The error a non-blocking connect ended with; nil when it succeeded.
    package static func takeError(_ socket: borrowing Descriptor) throws(Errno) -> Errno? {
        let code = try option(socket, SO_ERROR)
        return code == 0 ? nil : Errno(code: code)
    }

    package static func setBuffers(
        _ socket: borrowing Descriptor, sendBytes: Int32? = nil, receiveBytes: Int32? = nil
    ) throws(Errno) {
        if let sendBytes { try setOption(socket, SOL_SOCKET, SO_SNDBUF, sendBytes) }
        if let receiveBytes { try setOption(socket, SOL_SOCKET, SO_RCVBUF, receiveBytes) }
    }

    package static func shutdown(
        _ socket: borrowing Descriptor, _ direction: Direction
    ) throws(Errno) {
        let raw = socket.raw
        let how: Int32 =
            switch direction {
            case .receive: 0
            case .send: 1
            case .both: 2
            }
        try Call.check { Glibc.shutdown(raw, how) }
    }

    static let stream = Int32(SOCK_STREAM.rawValue)
    static let datagram = Int32(SOCK_DGRAM.rawValue)
    static let seqpacket = Int32(SOCK_SEQPACKET.rawValue)

    static func make(
        _ family: Int32, _ type: Int32, nonBlocking: Bool = true
    ) throws(Errno) -> Descriptor {
        try Call.descriptor {
            socket(family, type | O_CLOEXEC | (nonBlocking ? O_NONBLOCK : 0), 0)
        }
    }

    static func option(
        _ socket: borrowing Descriptor, level: Int32 = SOL_SOCKET, _ name: Int32
    ) throws(Errno) -> Int32 {
        let raw = socket.raw
        var value: Int32 = 0
        // SAFETY: an integer of the given size is filled.
        try Call.check { unsafe celaut_socket_option(raw, level, name, &value) }
        return value
    }

    static func setOption(
        _ socket: borrowing Descriptor, _ level: Int32, _ name: Int32, _ value: Int32
    ) throws(Errno) {
        let raw = socket.raw
        try Call.check { celaut_socket_option_set(raw, level, name, value) }
    }
}
