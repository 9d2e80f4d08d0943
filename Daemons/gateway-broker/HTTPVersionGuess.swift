import Interfaces
package import NIOCore

/// What a connection of HTTP/2 begins with (RFC 9113, 3.4), which is no request of HTTP/1.
package enum HTTPPreface {
    static let bytes = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    /// Nil while it can still be either.
    package static func isHTTP2(_ seen: ByteBufferView) -> Bool? {
        guard seen.elementsEqual(bytes.prefix(seen.count)) || seen.count > bytes.count
        else { return false }
        guard seen.count >= bytes.count else { return nil }
        return seen.prefix(bytes.count).elementsEqual(bytes)
    }
}

/// Tells HTTP/2 from HTTP/1 by the first bytes. The same below TLS, whatever was agreed on there.
final class HTTPVersionGuess: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let door: HTTPDoor
    private let entrance: HTTPEntrance
    private var seen = ByteBuffer()
    private var alarm: Scheduled<Void>?

    init(door: HTTPDoor, entrance: HTTPEntrance) {
        self.door = door
        self.entrance = entrance
    }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        alarm = context.eventLoop.scheduleTask(in: door.limits.requestPatience) {
            channel.close(promise: nil)
        }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        seen.writeBuffer(&bytes)
        guard let isHTTP2 = HTTPPreface.isHTTP2(seen.readableBytesView) else { return }
        alarm?.cancel()
        do {
            if isHTTP2 {
                try door.speakHTTP2(context.channel, entrance)
            } else {
                try door.speakHTTP1(context.channel, entrance)
            }
        } catch {
            return context.close(promise: nil)
        }
        context.fireChannelRead(wrapInboundOut(seen))
        context.fireChannelReadComplete()
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        alarm?.cancel()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
