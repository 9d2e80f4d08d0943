import Interfaces
import NIOCore
import NIOHTTP1
import NIOPosix
import Syscalls

/// A connection that stops being HTTP and becomes one to a slot (RFC 9110, 7.8).
enum HTTPTunnel {
    static let name = "celaut-tunnel"
    /// The same for datagrams: each behind its length, two bytes, the higher first.
    static let datagrams = "celaut-tunnel-datagrams"

    /// Answers 101, takes HTTP off the connection and joins it to the socket.
    static func begin(_ exchange: HTTPExchange, _ head: HTTPRequestHead, _ parcel: Parcel) {
        let asked = head.headers[canonicalForm: "upgrade"].map { $0.lowercased() }
        let wanted = [datagrams, name].first { asked.contains($0) }
        guard let context = exchange.context, !exchange.isHTTP2, let wanted,
            let socket = parcel.take(0)
        else {
            return exchange.send(
                .refusal(GatewayFault.missing("Upgrade: \(name)"), status: 426), andClose: true)
        }
        let hasDatagrams = wanted == datagrams
        let near = TunnelEnd(hasDatagrams ? .framed : .plain)
        let far = TunnelEnd(hasDatagrams ? .packets : .plain)
        near.other = far
        far.other = near
        let joining = ClientBootstrap(group: context.eventLoop)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.autoRead, value: false)
            // A packet that does not fit would be cut.
            .channelOption(
                .recvAllocator,
                value: FixedSizeRecvByteBufferAllocator(capacity: DatagramFrames.bytesMax)
            )
            .withConnectedSocket(socket.release())
        joining.assumeIsolated().whenComplete { result in
            guard let context = exchange.context, let other = try? result.get() else {
                return exchange.hangUp()
            }
            do {
                try other.pipeline.syncOperations.addHandler(far)
                try join(exchange, context, near, wanted)
                other.setOption(.autoRead, value: true).whenFailure { _ in
                    other.close(promise: nil)
                }
            } catch {
                other.close(promise: nil)
                exchange.hangUp()
            }
        }
    }

    private static func join(
        _ exchange: HTTPExchange, _ context: ChannelHandlerContext, _ near: TunnelEnd,
        _ wanted: String
    ) throws {
        let channel = context.channel
        let pipeline = channel.pipeline.syncOperations
        exchange.start(
            HTTPResponseHead(
                version: .http1_1, status: .switchingProtocols,
                headers: ["connection": "upgrade", "upgrade": wanted]))
        context.flush()
        try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
        try pipeline.addHandler(near)
        pipeline.removeHandler(exchange, promise: nil)
        // The decoder gives what it has read beyond the request to who is behind it.
        for codec in exchange.codecs { pipeline.removeHandler(codec, promise: nil) }
    }
}

/// One end of two joined connections: no more is read here than the other end takes, and an end of
/// the stream is passed on as one.
final class TunnelEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What one read or write of it is.
    enum Kind {
        case plain
        /// Datagrams behind their lengths, in a stream.
        case framed
        /// One datagram each.
        case packets
    }

    private let kind: Kind
    private var frames = DatagramFrames()
    private var queue: [ByteBuffer] = []
    private var isWriting = false
    // LIMIT: 64 datagrams wait for a slot that takes none; more are lost, as on any network.
    private static let queueMax = 64
    var other: TunnelEnd?
    private var context: ChannelHandlerContext?

    init(_ kind: Kind) { self.kind = kind }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        other = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let other, other.context != nil else { return context.close(promise: nil) }
        var bytes = unwrapInboundIn(data)
        switch kind {
        case .plain: other.write(bytes)
        case .framed:
            frames.append(&bytes)
            while let datagram = frames.next() { other.send(datagram) }
        case .packets: other.write(DatagramFrames.framed(bytes))
        }
    }

    private func write(_ bytes: ByteBuffer) {
        context?.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }

    /// One by one: two writes at once would be one packet.
    private func send(_ datagram: ByteBuffer) {
        guard queue.count < Self.queueMax else { return }
        queue.append(datagram)
        sendNext()
    }

    private func sendNext() {
        guard !isWriting, !queue.isEmpty, let context else { return }
        isWriting = true
        context.writeAndFlush(wrapOutboundOut(queue.removeFirst())).assumeIsolated()
            .whenComplete { _ in
                self.isWriting = false
                self.sendNext()
            }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            other?.context?.close(mode: .output, promise: nil)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        let isWritable = context.channel.isWritable
        other?.context?.channel.setOption(.autoRead, value: isWritable).whenFailure { _ in }
    }

    func channelInactive(context: ChannelHandlerContext) {
        other?.context?.close(promise: nil)
        other = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
