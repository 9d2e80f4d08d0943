import Interfaces
import NIOCore
import NIOHTTP1
import NIOPosix
import Syscalls

/// A connection that stops being HTTP and becomes one to a slot (RFC 9110, 7.8).
enum HTTPTunnel {
    static let name = "celaut-tunnel"

    /// Answers 101, takes HTTP off the connection and joins it to the socket.
    static func begin(_ exchange: HTTPExchange, _ head: HTTPRequestHead, _ parcel: Parcel) {
        let wanted = head.headers[canonicalForm: "upgrade"].contains { $0.lowercased() == name }
        guard let context = exchange.context, !exchange.isHTTP2, wanted, let socket = parcel.take(0)
        else {
            return exchange.send(
                .refusal(GatewayFault.missing("Upgrade: \(name)"), status: 426), andClose: true)
        }
        let near = TunnelEnd()
        let far = TunnelEnd()
        near.other = far
        far.other = near
        let joining = ClientBootstrap(group: context.eventLoop)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.autoRead, value: false)
            .withConnectedSocket(socket.release())
        joining.assumeIsolated().whenComplete { result in
            guard let context = exchange.context, let other = try? result.get() else {
                return exchange.hangUp()
            }
            do {
                try other.pipeline.syncOperations.addHandler(far)
                try join(exchange, context, near)
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
        _ exchange: HTTPExchange, _ context: ChannelHandlerContext, _ near: TunnelEnd
    ) throws {
        let channel = context.channel
        let pipeline = channel.pipeline.syncOperations
        exchange.start(
            HTTPResponseHead(
                version: .http1_1, status: .switchingProtocols,
                headers: ["connection": "upgrade", "upgrade": name]))
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

    var other: TunnelEnd?
    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        other = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let far = other?.context else { return context.close(promise: nil) }
        far.writeAndFlush(data, promise: nil)
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
