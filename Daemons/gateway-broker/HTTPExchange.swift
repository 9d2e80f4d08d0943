import Interfaces
import NIOCore
import NIOHTTP1
import Syscalls

/// Requests and answers of one connection of HTTP/1, or of one stream of HTTP/2.
///
/// Keeps true: one request at a time, each bounded in size and time before anything is done with it;
/// exactly one answer, also to what is no request; a caller that goes away cancels what it asked for.
// SAFETY: all of it is read and written on the event loop of its channel only; tasks hold it to come
// back to that loop.
final class HTTPExchange: ChannelInboundHandler, RemovableChannelHandler, @unchecked Sendable {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    let door: HTTPDoor
    let entrance: HTTPEntrance
    /// What is HTTP below it, to be taken out when the connection becomes a tunnel: the one that reads
    /// comes last. None in HTTP/2.
    var codecs: [any RemovableChannelHandler]

    private(set) var context: ChannelHandlerContext?
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []
    /// Nothing more is read on this connection but thrown away.
    private var isOver = false
    private var work: Task<Void, Never>?
    private var alarm: Scheduled<Void>?
    private var heartbeat: RepeatedTask?
    private var upload: HTTPUpload?
    private var pace: RepeatedTask?
    /// Of the request that is worked on: late answers to earlier ones are not sent.
    private(set) var turn = 0
    private var hasBegun = false
    private var isSilent = false

    init(
        door: HTTPDoor, entrance: HTTPEntrance, codecs: [any RemovableChannelHandler]
    ) {
        self.door = door
        self.entrance = entrance
        self.codecs = codecs
    }

    var isHTTP2: Bool { codecs.isEmpty }

    // MARK: Reading

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        awaitRequest()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        letGo()
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        letGo()
        context.fireChannelInactive()
    }

    /// The caller ended its side. Its request still gets an answer; a stream that has begun ends,
    /// because most who end their side then are gone.
    func callerIsSilent() {
        isSilent = true
        if hasBegun || work == nil { context?.close(promise: nil) }
    }

    private func letGo() {
        turn += 1
        isOver = true
        work?.cancel()
        alarm?.cancel()
        heartbeat?.cancel()
        endUpload()
    }

    /// From here on the caller has so long to say all it wants.
    private func awaitRequest() {
        head = nil
        body = []
        hasBegun = false
        alarm?.cancel()
        alarm = context?.eventLoop.assumeIsolated().scheduleTask(in: door.limits.requestPatience) {
            if self.head == nil {
                self.context?.close(promise: nil)
            } else {
                self.refuse(Fault(.deadlineExceeded, subject: "request"))
            }
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        switch unwrapInboundIn(data) {
        case .head(let head): begin(head)
        case .body(let bytes):
            if let upload {
                if !upload.take(bytes) { refuse(bodyTooLarge(bytes.readableBytes)) }
                return
            }
            guard body.count + bytes.readableBytes <= HTTPLimits.bodyBytesMax else {
                return refuse(bodyTooLarge(body.count + bytes.readableBytes))
            }
            body.append(contentsOf: bytes.readableBytesView)
        case .end:
            if let upload { return upload.end() }
            alarm?.cancel()
            ask()
        }
    }

    private func bodyTooLarge(_ count: Int) -> Fault {
        GatewayFault.tooLarge("body", limit: HTTPLimits.bodyBytesMax, actual: count)
    }

    private func begin(_ head: HTTPRequestHead) {
        self.head = head
        if HTTPRequest.takesPackage(head) { return beginUpload() }
        if let text = head.headers.first(name: "content-length"), let count = Int(text),
            count > HTTPLimits.bodyBytesMax
        {
            return refuse(bodyTooLarge(count))
        }
        goOn()
    }

    /// Says that the body is wanted, to who waits for that.
    private func goOn() {
        guard let head,
            head.headers["expect"].contains(where: { $0.lowercased() == "100-continue" })
        else { return }
        let response = HTTPResponseHead(version: head.version, status: .continue)
        context?.writeAndFlush(wrapOutboundOut(.head(response)), promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !isOver else { return }
        switch error {
        case HTTPParserError.headerOverflow:
            refuse(
                GatewayFault.tooLarge(
                    "headers", limit: HTTPLimits.headerBytesMax,
                    actual: HTTPLimits.headerBytesMax + 1), status: 431)
        case is HTTPParserError, is NIOHTTPDecoderError:
            refuse(GatewayFault.malformed("request"))
        default: context.close(promise: nil)
        }
    }

    // MARK: Asking

    private func ask() {
        guard let head, let context else { return }
        turn += 1
        let turn = turn
        let call = HTTPCall(exchange: self, turn: turn, loop: context.eventLoop)
        let request = HTTPRequest(
            method: head.method.rawValue, target: head.uri,
            headers: head.headers.map { ($0.name.lowercased(), $0.value) }, body: body)
        body = []
        let (gateway, entrance) = (door.operations, entrance)
        var patience = HTTPLimits.deadlineMax
        if let own = request.deadlineMs {
            patience = .milliseconds(Int64(min(own, HTTPLimits.deadlineMsMax)))
        }
        let package = upload == nil ? nil : call.package
        let isBounded = request.deadlineMs != nil
        alarm = context.eventLoop.assumeIsolated().scheduleTask(in: patience) {
            // A stream without a deadline of its caller's may last for ever.
            guard isBounded || !self.hasBegun else { return }
            self.answer(.refusal(.deadlineExceeded), turn: turn)
        }
        work = Task {
            let answer = await request.answer(
                gateway, through: entrance, events: call.events, package: package)
            call.loop.execute { self.answer(answer, turn: turn) }
        }
    }

    // MARK: Answering

    /// A refusal of what is not read to its end: the connection ends with it.
    private func refuse(_ fault: Fault, status: Int? = nil) {
        isOver = true
        turn += 1
        alarm?.cancel()
        work?.cancel()
        endUpload()
        send(.refusal(fault, status: status ?? HTTPAnswer.status(fault)), andClose: true)
    }

    private func answer(_ answer: HTTPAnswer, turn: Int) {
        guard turn == self.turn, let head else { return }
        // After an `Upgrade` that did not happen the decoder reads no more.
        let isCut = upload?.hasEnded == false
        endUpload()
        let isLast =
            isSilent || isCut || !head.isKeepAlive || head.headers.contains(name: "upgrade")
        self.turn += 1
        alarm?.cancel()
        heartbeat?.cancel()
        work?.cancel()
        work = nil
        if case .tunnel(let parcel) = answer {
            isOver = true
            return HTTPTunnel.begin(self, head, parcel)
        }
        if hasBegun {
            if case .json(_, let fault) = answer { write(event: "fault", fault) }
            end(andClose: isLast)
        } else {
            send(answer, andClose: isLast)
        }
    }

    func send(_ answer: HTTPAnswer, andClose: Bool) {
        var headers = HTTPHeaders()
        var status = 200
        var bytes: [UInt8] = []
        switch answer {
        case .json(let code, let json):
            status = code
            bytes = json
            headers.add(name: "content-type", value: "application/json")
        case .bytes(let content, let type):
            bytes = content
            headers.add(name: "content-type", value: type)
        case .streamed:
            headers.add(name: "content-type", value: "text/event-stream")
        case .tunnel: return
        }
        if status == 401 { headers.add(name: "www-authenticate", value: "Bearer") }
        if case .otherMethods(let others)? = head.map(HTTPRequest.found), status == 405 {
            headers.add(name: "allow", value: others.joined(separator: ", "))
        }
        headers.add(name: "content-length", value: String(bytes.count))
        if andClose, !isHTTP2 { headers.add(name: "connection", value: "close") }
        start(
            HTTPResponseHead(
                version: head?.version ?? .http1_1, status: .init(statusCode: status),
                headers: headers))
        if !bytes.isEmpty, head?.method != .HEAD {
            context?.write(
                wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: bytes)))), promise: nil)
        }
        end(andClose: andClose)
    }

    func hangUp() {
        context?.close(promise: nil)
    }

    func start(_ response: HTTPResponseHead) {
        hasBegun = true
        context?.write(wrapOutboundOut(.head(response)), promise: nil)
    }

    /// Ends the answer, and the connection where nothing more can come of it.
    private func end(andClose: Bool) {
        guard let context else { return }
        let channel = context.channel
        let stall = context.eventLoop.scheduleTask(in: door.limits.writePatience) {
            channel.close(promise: nil)
        }
        let written = context.writeAndFlush(wrapOutboundOut(.end(nil)))
        written.assumeIsolated().whenComplete { _ in
            stall.cancel()
            if andClose { self.linger() }
        }
        if andClose { isOver = true } else { awaitRequest() }
    }

    /// Reads on for a moment before it closes: what lies unread when a socket is closed makes the
    /// kernel send a reset, which may overtake the answer.
    private func linger() {
        guard let context else { return }
        guard !isHTTP2 else { return context.close(promise: nil) }
        let channel = context.channel
        channel.close(mode: .output, promise: nil)
        alarm?.cancel()
        alarm = context.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
    }

    // MARK: Bodies that are streams

    /// It is asked before the body is read, and who asks for it opens it.
    private func beginUpload() {
        guard let context else { return }
        alarm?.cancel()
        upload = HTTPUpload(context.channel)
        ask()
    }

    /// What the body of a request is read from; the caller has so long to send so much of it.
    func openUpload(turn: Int) -> EventLoopFuture<Parcel>? {
        guard turn == self.turn, let upload, let context else { return nil }
        goOn()
        pace = context.eventLoop.scheduleRepeatedTask(
            initialDelay: door.limits.requestPatience, delay: door.limits.requestPatience
        ) { _ in
            guard self.upload?.keepsPace() == false else { return }
            self.refuse(Fault(.deadlineExceeded, subject: "request"))
        }
        return upload.open()
    }

    private func endUpload() {
        pace?.cancel()
        pace = nil
        upload?.cut()
        upload = nil
    }

    // MARK: Streams

    /// Sends an event of a stream; the future is done when the caller's side took it.
    func write(_ event: HTTPEvent, turn: Int) -> EventLoopFuture<Void>? {
        guard turn == self.turn, let context else { return nil }
        if !hasBegun {
            let headers: HTTPHeaders = [
                "content-type": "text/event-stream", "cache-control": "no-store",
            ]
            start(
                HTTPResponseHead(
                    version: head?.version ?? .http1_1, status: .ok, headers: headers))
            let channel = context.channel
            heartbeat = context.eventLoop.scheduleRepeatedTask(
                initialDelay: HTTPLimits.heartbeat, delay: HTTPLimits.heartbeat
            ) { _ in
                let comment = HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: ":\n\n")))
                channel.writeAndFlush(comment, promise: nil)
            }
        }
        return write(event.bytes)
    }

    private func write(event name: String, _ json: [UInt8]) {
        _ = write(Array("event: \(name)\ndata: ".utf8) + json + Array("\n\n".utf8))
    }

    private func write(_ bytes: [UInt8]) -> EventLoopFuture<Void>? {
        guard let context else { return nil }
        let channel = context.channel
        let stall = context.eventLoop.scheduleTask(in: door.limits.writePatience) {
            channel.close(promise: nil)
        }
        let written = context.writeAndFlush(
            wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: bytes)))))
        written.whenComplete { _ in stall.cancel() }
        return written
    }
}

/// What a task holds of the exchange it works for.
struct HTTPCall: Sendable {
    let exchange: HTTPExchange
    let turn: Int
    let loop: any NIOCore.EventLoop

    /// The body as a stream.
    var package: OfferedPackage {
        OfferedPackage { () async throws(Fault) in
            do {
                return try await loop.flatSubmit {
                    exchange.openUpload(turn: turn)
                        ?? loop.makeFailedFuture(ChannelError.ioOnClosedChannel)
                }.get()
            } catch {
                throw Fault.cancelled
            }
        }
    }

    /// Sends events one by one: each waits until the one before is taken.
    var events: Items<HTTPEvent> {
        Items { event throws(Fault) in
            do {
                try await loop.flatSubmit {
                    exchange.write(event, turn: turn)
                        ?? loop.makeFailedFuture(ChannelError.ioOnClosedChannel)
                }.get()
            } catch {
                throw Fault.cancelled
            }
        }
    }
}
