import Interfaces
package import Logging
import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOPosix
package import NIOSSL
import Synchronization
package import Syscalls

/// Where a request came in, which says how much of it is believed.
package enum HTTPEntrance: Sendable, Hashable {
    /// The port of this host: whoever shows a token.
    case host
    /// The listener inside an instance: that instance.
    case inside(InstanceID)
}

/// The doors that speak HTTP: one on a port of this host, one inside each instance.
///
/// Runs on a thread of its own, made with the first door, so that whoever floods it takes no time
/// from the loop that relays and decides; each request is one task that asks the operations.
package final class HTTPDoor: Sendable {
    let operations: any GatewayOperations
    let limits: HTTPLimits
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var group: MultiThreadedEventLoopGroup?
        var listeners: [HTTPEntrance: any NIOCore.Channel] = [:]
        var connections: [HTTPEntrance: [ObjectIdentifier: any NIOCore.Channel]] = [:]
    }

    package init(_ operations: any GatewayOperations, limits: HTTPLimits, logger: Logger) {
        self.operations = operations
        self.limits = limits
        self.logger = logger
    }

    // MARK: Opening and closing

    /// Takes up a listening socket.
    package func open(
        _ entrance: HTTPEntrance, _ socket: consuming Descriptor, tls: NIOSSLContext? = nil
    ) async throws {
        let group = state.withLock { state in
            let group = state.group ?? MultiThreadedEventLoopGroup(numberOfThreads: 1)
            state.group = group
            return group
        }
        let raw = socket.release()
        let listener = try await ServerBootstrap(group: group)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            // Some say all they have to say, end their side and wait for the answer.
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.admit(channel, entrance, tls) }
            }
            .withBoundSocket(raw).get()
        state.withLock { $0.listeners[entrance] = listener }
    }

    package func isOpen(_ entrance: HTTPEntrance) -> Bool {
        state.withLock { $0.listeners[entrance] != nil }
    }

    /// Closes the listener and each connection that came through it.
    package func close(_ entrance: HTTPEntrance) {
        let channels = state.withLock { state in
            let open = state.connections.removeValue(forKey: entrance)?.values.map { $0 } ?? []
            return open + [state.listeners.removeValue(forKey: entrance)].compactMap { $0 }
        }
        for channel in channels { channel.close(promise: nil) }
    }

    package func closeAll() {
        let entrances = state.withLock { Set($0.listeners.keys).union($0.connections.keys) }
        for entrance in entrances { close(entrance) }
    }

    // MARK: Connections

    private func admit(
        _ channel: any NIOCore.Channel, _ entrance: HTTPEntrance, _ tls: NIOSSLContext?
    ) throws {
        let (name, bound) =
            switch entrance {
            case .host: ("http_connections", limits.connections)
            case .inside: ("http_connections_per_instance", limits.connectionsPerInstance)
            }
        let id = ObjectIdentifier(channel)
        let isAdmitted = state.withLock { state in
            guard state.connections[entrance, default: [:]].count < bound else { return false }
            state.connections[entrance, default: [:]][id] = channel
            return true
        }
        let pipeline = channel.pipeline.syncOperations
        guard isAdmitted else {
            return try pipeline.addHandler(
                HTTPTurnedAway(GatewayFault.limitReached(name, bound)))
        }
        channel.closeFuture.whenComplete { _ in
            self.state.withLock { state in
                state.connections[entrance]?[id] = nil
                if state.connections[entrance]?.isEmpty == true {
                    state.connections[entrance] = nil
                }
            }
        }
        if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
        try pipeline.addHandler(HTTPVersionGuess(door: self, entrance: entrance))
    }

    /// A connection turned out to speak HTTP/1.
    func speakHTTP1(_ channel: any NIOCore.Channel, _ entrance: HTTPEntrance) throws {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = HTTPLimits.headerFieldBytesMax
        limits.maxHeaderListSize = HTTPLimits.headerBytesMax
        limits.maxHeaderFieldCount = HTTPLimits.headerFieldsMax
        let decoder = ByteToMessageHandler(
            HTTPRequestDecoder(
                leftOverBytesStrategy: .forwardBytes, limitConfiguration: limits))
        let encoder = HTTPResponseEncoder()
        let order = HTTPServerPipelineHandler()
        let exchange = HTTPExchange(
            door: self, entrance: entrance, codecs: [order, encoder, decoder])
        let ending = HTTPEndOfInput(exchange)
        exchange.codecs.insert(ending, at: 0)
        try channel.pipeline.syncOperations.addHandlers([
            encoder, decoder, ending, order, exchange,
        ])
    }

    /// A connection turned out to speak HTTP/2.
    func speakHTTP2(_ channel: any NIOCore.Channel, _ entrance: HTTPEntrance) throws {
        var connection = NIOHTTP2Handler.ConnectionConfiguration()
        connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: HTTPLimits.streamsMax),
            HTTP2Setting(parameter: .maxHeaderListSize, value: 16_384),
        ]
        _ = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
            mode: .server, connectionConfiguration: connection,
            streamConfiguration: NIOHTTP2Handler.StreamConfiguration()
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                try stream.pipeline.syncOperations.addHandlers([
                    HTTP2FramePayloadToHTTP1ServerCodec(),
                    HTTPExchange(door: self, entrance: entrance, codecs: []),
                ])
            }
        }
        try channel.pipeline.syncOperations.addHandler(HTTP2Quiet(limits.requestPatience))
    }
}

/// One connection too many: an answer, and the end.
private final class HTTPTurnedAway: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let fault: Fault

    init(_ fault: Fault) { self.fault = fault }

    func channelActive(context: ChannelHandlerContext) {
        guard case .json(let status, let body) = HTTPAnswer.refusal(fault) else { return }
        let head =
            "HTTP/1.1 \(status) Too Many Requests\r\nContent-Type: application/json\r\n"
            + "Connection: close\r\nContent-Length: \(body.count)\r\n\r\n"
        let bytes = ByteBuffer(string: head + String(decoding: body, as: UTF8.self))
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(bytes)).whenComplete { _ in
            channel.close(promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}
}

/// Tells the exchange at once that its caller says no more: what keeps requests in order tells it after
/// the answer, and a stream may have none.
private final class HTTPEndOfInput: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    private weak var exchange: HTTPExchange?

    init(_ exchange: HTTPExchange) { self.exchange = exchange }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { exchange?.callerIsSilent() }
        context.fireUserInboundEventTriggered(event)
    }
}

/// Closes a connection of HTTP/2 on which no request is open for so long.
private final class HTTP2Quiet: ChannelInboundHandler {
    typealias InboundIn = NIOAny
    private let patience: TimeAmount
    private var open = 0
    private var alarm: Scheduled<Void>?

    init(_ patience: TimeAmount) { self.patience = patience }

    func handlerAdded(context: ChannelHandlerContext) { arm(context) }
    func handlerRemoved(context: ChannelHandlerContext) { alarm?.cancel() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is NIOHTTP2StreamCreatedEvent: open += 1
        case is StreamClosedEvent: open -= 1
        default: break
        }
        alarm?.cancel()
        if open == 0 { arm(context) }
        context.fireUserInboundEventTriggered(event)
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
    }

    private func arm(_ context: ChannelHandlerContext) {
        let channel = context.channel
        alarm = context.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
