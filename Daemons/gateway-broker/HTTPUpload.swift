import Interfaces
import NIOCore
import NIOPosix
import Syscalls

/// The body of a request on its way to whoever reads it as a stream: no more of it is read from the
/// caller than the reader takes, and none before somebody wants it.
///
/// Keeps true: the reader's end of a stream is the end of the body. A body that was cut, by whatever
/// (its caller, a bound, our death), is a reset to the reader: a byte it is taken to have said lies
/// unread at our end, and to close a Unix socket with unread bytes resets the other (unix(7) does not
/// say so; `unix_release_sock` does it since 2.6.) What could be a whole service when it is cut at the
/// right place is never taken for one.
final class HTTPUpload {
    // LIMIT: 8 MiB that were read and not passed on: what lies in a socket of a caller who ended its
    // side is read at once. 256 KiB before anybody wants it. Past it: TOO_LARGE "body", closed.
    private static let heldBytesMax = 8 << 20
    private static let heldBytesFirst = 262_144
    // LIMIT: 4 MiB in each `http_request_seconds`, where it is the caller who is waited for.
    static let paceBytesMin = 4 << 20

    private let source: any NIOCore.Channel
    private var sink: (any NIOCore.Channel)?
    /// Before there is a sink.
    private var held: [ByteBuffer] = []
    private var heldBytes = 0
    private var isPaused = false
    private var isCut = false
    private(set) var hasEnded = false
    /// Since it was looked at last.
    private var takenBytes = 0
    private var wasWaitedFor = false

    init(_ source: any NIOCore.Channel) {
        self.source = source
        pause()
    }

    /// - Returns: the end to read from.
    func open() -> EventLoopFuture<Parcel> {
        let loop = source.eventLoop
        guard sink == nil, !isCut else {
            return loop.makeFailedFuture(ChannelError.ioOnClosedChannel)
        }
        do {
            let ends = try UnixSocket.pair(kind: .stream)
            try File.writeAll(ends.second, [0])
            let (near, far) = ends.split()
            guard let raw = near.take(0)?.release() else { throw ChannelError.ioOnClosedChannel }
            return ClientBootstrap(group: loop)
                .channelOption(.autoRead, value: false)
                .channelOption(.allowRemoteHalfClosure, value: true)
                .withConnectedSocket(raw)
                .assumeIsolated().flatMapThrowing { channel in
                    try channel.pipeline.syncOperations.addHandler(HTTPUploadSink(self))
                    self.begin(channel)
                    return far
                }.nonisolated()
        } catch {
            return loop.makeFailedFuture(error)
        }
    }

    private func begin(_ channel: any NIOCore.Channel) {
        guard !isCut else { return channel.close(promise: nil) }
        sink = channel
        for bytes in held { channel.write(bytes, promise: nil) }
        held = []
        channel.flush()
        if hasEnded { finish() } else { resume() }
    }

    // MARK: What comes

    /// - Returns: false when too much is held.
    func take(_ bytes: ByteBuffer) -> Bool {
        guard !isCut else { return true }
        takenBytes += bytes.readableBytes
        heldBytes += bytes.readableBytes
        guard let sink else {
            held.append(bytes)
            return heldBytes <= Self.heldBytesFirst
        }
        guard sink.isActive else { return true }
        let count = bytes.readableBytes
        sink.writeAndFlush(bytes).assumeIsolated().whenComplete { _ in self.heldBytes -= count }
        if !sink.isWritable { pause() }
        return heldBytes <= Self.heldBytesMax
    }

    /// The body is whole.
    func end() {
        guard !isCut, !hasEnded else { return }
        hasEnded = true
        finish()
    }

    private func finish() {
        guard let sink else { return }
        // An empty write is done when those before it are.
        sink.writeAndFlush(ByteBuffer()).assumeIsolated().whenComplete { _ in
            sink.close(mode: .output, promise: nil)
        }
    }

    /// Nothing more comes of it.
    func cut() {
        guard !isCut else { return }
        isCut = true
        held = []
        sink?.close(promise: nil)
        resume()
    }

    // MARK: Pace

    /// Whether the caller sent enough since this was asked last.
    func keepsPace() -> Bool {
        defer {
            takenBytes = 0
            wasWaitedFor = false
        }
        return hasEnded || sink == nil || isPaused || wasWaitedFor
            || takenBytes >= Self.paceBytesMin
    }

    func pause() {
        guard !isPaused else { return }
        isPaused = true
        source.setOption(.autoRead, value: false).whenFailure { _ in }
    }

    func resume() {
        guard isPaused else { return }
        isPaused = false
        wasWaitedFor = true
        source.setOption(.autoRead, value: true).whenFailure { _ in }
    }
}

/// Tells when the reader takes more. What it says is not read.
private final class HTTPUploadSink: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private weak var upload: HTTPUpload?

    init(_ upload: HTTPUpload) { self.upload = upload }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { upload?.resume() }
        context.fireChannelWritabilityChanged()
    }

    /// The reader wants no more; what still comes is thrown away until there is an answer.
    func channelInactive(context: ChannelHandlerContext) {
        upload?.resume()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
