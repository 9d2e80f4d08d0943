import Channel
package import Syscalls

/// A socket with an owner that can be shared and put in a list.
package final class RelaySocket {
    let descriptor: Descriptor
    /// Where it is kept between two connections; nil where it has only one.
    weak var shelf: SocketShelf?
    /// Whom its events are for. It stays watched from one connection to the next.
    fileprivate(set) var link: RelayLink?
    private var watch: WatchToken?

    package init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
    }

    fileprivate func serve(_ link: RelayLink, _ loop: EventLoop) throws(Errno) {
        self.link = link
        guard watch == nil else { return }
        watch = try loop.watch(descriptor, .relay) { [weak self] in self?.link?.farIsReady($0) }
    }

    /// It will be closed, which ends the kernel's part of the watch.
    func forget(_ loop: EventLoop) {
        if let watch { loop.forget(watch) }
        watch = nil
    }
}

/// One relayed connection: two sockets, a pump each way, and nothing else.
///
/// Keeps true: an end of stream is passed on when all before it was delivered, and the other
/// direction stays open; a reset is passed on as a reset; what one side does not take is not read
/// from the other. Belongs to the loop's thread.
///
/// Both sockets are watched once, edge-triggered, for both directions: no system call is spent on
/// changing what is waited for.
final class RelayLink {
    private let near: RelaySocket
    let far: RelaySocket
    let traffic: RelayedTraffic
    /// What it came through; nil for a tunnel.
    let entrance: RelayEntrance?
    private let loop: EventLoop
    private let shop: RelayWorkshop
    private var outward = Direction()
    private var inward = Direction()
    private var nearWatch: WatchToken?
    private unowned let group: RelayGroup
    private var isQueued = false
    private var isOver = false
    /// Where it stands in its owner's list.
    var index = 0
    private var wasActive = true
    private var idleSince: Instant

    /// - Parameter far: may still be connecting.
    init(
        near: RelaySocket, far: RelaySocket, traffic: RelayedTraffic,
        entrance: RelayEntrance? = nil, group: RelayGroup, loop: EventLoop, shop: RelayWorkshop
    ) {
        self.near = near
        self.far = far
        self.traffic = traffic
        self.entrance = entrance
        self.loop = loop
        idleSince = loop.now
        self.shop = shop
        self.group = group
    }

    /// Begins to relay.
    func start() throws(Errno) {
        traffic.count.connections += 1
        nearWatch = try loop.watch(near.descriptor, .relay) { [self] in nearIsReady($0) }
        try far.serve(self, loop)
    }

    private func nearIsReady(_ ready: Ready) {
        wasActive = true
        if ready.contains(.error), fails(near) { return abort() }
        if ready.saysEnd { outward.mayTrustShortReads = false }
        if ready.contains(.readable) || ready.saysEnd { outward.isSourceReady = true }
        if ready.contains(.writable) { inward.isSinkReady = true }
        queue()
    }

    fileprivate func farIsReady(_ ready: Ready) {
        wasActive = true
        if ready.contains(.error), fails(far) { return abort() }
        if ready.saysEnd { inward.mayTrustShortReads = false }
        if ready.contains(.readable) || ready.saysEnd { inward.isSourceReady = true }
        if ready.contains(.writable) { outward.isSinkReady = true }
        queue()
    }

    /// Bytes are moved when it is this connection's turn. Where nothing can be moved, nobody waits for it.
    private func queue() {
        guard !isQueued, outward.canRun || inward.canRun else { return }
        isQueued = true
        group.queue(self)
    }

    func work() {
        isQueued = false
        if !isOver { runBoth() }
    }

    private func fails(_ socket: RelaySocket) -> Bool {
        (try? Socket.takeError(socket.descriptor)) != nil
    }

    private func runBoth() {
        let out = outward.run(
            from: near.descriptor, to: far.descriptor, with: shop, isLast: inward.hasEnded)
        traffic.count.toInstance += out.moved
        let back = inward.run(
            from: far.descriptor, to: near.descriptor, with: shop, isLast: outward.hasEnded)
        traffic.count.fromInstance += back.moved
        if out.hasFailed || back.hasFailed { return abort() }
        if outward.hasEnded, inward.hasEnded { return finish() }
        // The others come first; no event will announce what is already there.
        if out.wantsMore || back.wantsMore { queue() }
    }

    /// For the owner's sweeps: whether nothing moved for so long. What moved between two of them counts
    /// as moving at the later one, so that no time is read while bytes move.
    func isIdle(_ time: Duration, _ now: Instant) -> Bool {
        if wasActive {
            wasActive = false
            idleSince = now
        }
        return idleSince.advanced(by: time) <= now
    }

    /// What it carried so far.
    var count: SlotCount {
        var count = SlotCount(traffic.count.slot)
        count.toInstance = outward.delivered
        count.fromInstance = inward.delivered
        return count
    }

    /// Ends it at once; both sides see a reset.
    func abort() {
        Socket.resetOnClose(near.descriptor)
        Socket.resetOnClose(far.descriptor)
        finish()
    }

    private func finish() {
        if isOver { return }
        isOver = true
        // The sockets are closed with the link, which nobody holds any more; the far one of a connection
        // that ended both ways may serve another.
        if let nearWatch { loop.forget(nearWatch) }
        far.link = nil
        let isWhole = outward.hasEnded && inward.hasEnded
        outward.close(shop)
        inward.close(shop)
        if isWhole, let shelf = far.shelf { shelf.giveBack(far) } else { far.forget(loop) }
        group.ended(self)
    }
}

/// One direction of a link: its pump, and what is known of its two sockets.
private struct Direction: ~Copyable {
    // LIMIT: 512 KiB per turn, so that one stream cannot shut out the others.
    private static let turnBytes = 524_288

    struct Turn {
        var moved: UInt64 = 0
        var wantsMore = false
        var hasFailed = false
    }

    private var pump = StreamPump()
    var isSourceReady = false
    var isSinkReady = false
    /// Until the end of the source is announced: past that, no event follows.
    var mayTrustShortReads = true
    private(set) var hasEnded = false

    var delivered: UInt64 { pump.delivered }
    var canRun: Bool { isSourceReady && isSinkReady && !hasEnded }

    mutating func run(
        from source: borrowing Descriptor, to sink: borrowing Descriptor, with shop: RelayWorkshop,
        isLast: Bool
    ) -> Turn {
        guard canRun else { return Turn() }
        let before = pump.delivered
        let pause = pump.run(
            from: source, to: sink, with: shop, mayTrustShortReads: mayTrustShortReads,
            budget: Self.turnBytes)
        var turn = Turn(moved: pump.delivered - before)
        switch pause {
        case .sourceEmpty: isSourceReady = false
        case .sinkFull: isSinkReady = false
        case .budgetSpent: turn.wantsMore = true
        case .ended:
            hasEnded = true
            // The last direction ends with the sockets. A sink that is not connected any more knows.
            if !isLast { try? Socket.shutdown(sink, .send) }
        case .failed: turn.hasFailed = true
        }
        return turn
    }

    mutating func close(_ shop: RelayWorkshop) {
        pump.close(shop)
    }
}

extension Interest {
    /// All that can happen to a relayed socket, each told once.
    fileprivate static let relay: Interest = [.readable, .writable, .peerClosed, .edgeTriggered]
}

extension Ready {
    /// Made once: a literal of a set is an array and a loop, at every event.
    private static let ends: Ready = [.peerClosed, .hangUp, .error]

    fileprivate var saysEnd: Bool { rawValue & Self.ends.rawValue != 0 }
}
