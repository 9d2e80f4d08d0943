import Interfaces
import NIOCore

/// Tells HTTP/2 from HTTP/1 by the first bytes (RFC 9113, 3.4): whoever knows that we speak it begins
/// with a preface that is no request of HTTP/1. The same below TLS, whatever was agreed on there.
final class HTTPVersionGuess: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private let door: HTTPDoor
    private let entrance: HTTPEntrance
    private var seen = ByteBuffer()
    private var alarm: Scheduled<Void>?

    init(door: HTTPDoor, entrance: HTTPEntrance) {
        self.door = door
        self.entrance = entrance
    }

    /// Nil while it can still be either.
    static func isHTTP2(_ bytes: ByteBufferView) -> Bool? {
        guard bytes.elementsEqual(preface.prefix(bytes.count)) || bytes.count > preface.count
        else { return false }
        guard bytes.count >= preface.count else { return nil }
        return bytes.prefix(preface.count).elementsEqual(preface)
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
        guard let isHTTP2 = Self.isHTTP2(seen.readableBytesView) else { return }
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
