// Unix sockets by path. A path longer than the kernel's 107 bytes is reached through its directory,
// so that a state directory may be anywhere.

import CShim
import Glibc

package enum UnixSocket {
    /// Listens at a path that nothing is at.
    ///
    /// - Parameter mode: who may connect; write permission counts.
    package static func listen(
        _ path: String, kind: Socket.Kind = .seqpacket, mode: UInt32 = 0o666, backlog: Int32 = 128
    ) throws(Errno) -> Descriptor {
        let socket = try Socket.make(AF_UNIX, type(kind))
        let raw = socket.raw
        try withShortPath(path) { path throws(Errno) in
            // SAFETY: the path is read during the call only, its length is given.
            try Call.check { unsafe celaut_bind_unix(raw, path, path.utf8.count) }
        }
        try File.setMode(path, mode)
        // A datagram socket is bound and no more: it has no connections.
        if kind != .datagram { try Call.check { Glibc.listen(raw, backlog) } }
        return socket
    }

    /// Connects. Unix sockets connect at once or not at all: `.again` when the queue is full.
    package static func connect(
        _ path: String, kind: Socket.Kind = .seqpacket
    ) throws(Errno) -> Descriptor {
        let socket = try Socket.make(AF_UNIX, type(kind))
        let raw = socket.raw
        try withShortPath(path) { path throws(Errno) in
            // SAFETY: as above.
            try Call.check { unsafe celaut_connect_unix(raw, path, path.utf8.count) }
        }
        return socket
    }

    package struct Pair: ~Copyable, Sendable {
        package var first: Descriptor
        package var second: Descriptor

        package consuming func split() -> (Parcel, Parcel) { (Parcel(first), Parcel(second)) }
    }

    /// Two connected sockets, non-blocking.
    package static func pair(kind: Socket.Kind = .seqpacket) throws(Errno) -> Pair {
        var ends: [Int32] = [-1, -1]
        let type = type(kind) | O_CLOEXEC | O_NONBLOCK
        // SAFETY: the kernel writes two numbers into an array of two.
        try Call.check { unsafe socketpair(AF_UNIX, type, 0, &ends) }
        return Pair(first: Descriptor(adopting: ends[0]), second: Descriptor(adopting: ends[1]))
    }

    /// Sends one datagram to a path, as sd_notify does.
    package static func notify(_ path: String, _ text: String) throws(Errno) {
        let socket = try connect(path, kind: .datagram)
        _ = try SeqpacketSocket.send(socket, Array(text.utf8))
    }

    private static func type(_ kind: Socket.Kind) -> Int32 {
        switch kind {
        case .stream: Socket.stream
        case .datagram: Socket.datagram
        case .seqpacket: Socket.seqpacket
        case .other(let other): other
        }
    }

    // LIMIT: sun_path holds 107 bytes and a NUL.
    private static let pathBytesMax = 107

    private static func withShortPath(
        _ path: String, _ body: (String) throws(Errno) -> Void
    ) throws(Errno) {
        try Call.checkName(path)
        if path.utf8.count <= pathBytesMax { return try body(path) }
        guard let slash = path.lastIndex(of: "/") else { throw .nameTooLong }
        let directory = try File.open(String(path[..<slash]), .path, .directory)
        try body(directory.procPath() + String(path[slash...]))
    }
}
