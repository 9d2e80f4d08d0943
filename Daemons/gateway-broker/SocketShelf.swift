import Channel
import Interfaces
import Syscalls

/// Spare sockets of one transport inside one instance, and who waits for one.
///
/// A stream socket comes back when its connection is over, and serves the next: the supervisor, which
/// alone can make one inside, is asked only for as many as are in use at once. A network namespace is
/// a socket's for life, whoever connects it.
///
/// Keeps true: at most one request for sockets is out at a time; whoever waits does so a bounded
/// time, and a bounded number do.
final class SocketShelf {
    // LIMIT: 128 connections wait for a socket: eight answers of the supervisor.
    private static let waitingMax = 128
    // LIMIT: a connection that got no socket after so long is reset: the supervisor is not there.
    private static let waitingTime = Duration.seconds(10)
    // LIMIT: 2 to 64 sockets kept ready, as many as were lately used: between two answers those asked
    // for, between two sweeps those that came back.
    private static let sparesMin = 2
    private static let sparesMax = 64
    // LIMIT: 16 in one answer: the most a frame carries.
    private static let batchMax = 16

    private let loop: EventLoop
    private let transport: Transport
    private let ask: (Int) -> Void
    private let needSweep: () -> Void
    private var spares: [RelaySocket] = []
    private var waiting: [Waiting] = []
    private var wanted = SocketShelf.sparesMin
    private var isAsking = false
    private var isClosed = false
    private var retry: TimerToken?
    private var usedSinceSweep = 0

    private struct Waiting {
        let since: Instant
        let use: (RelaySocket?) -> Void
    }

    /// - Parameter ask: for so many sockets; answered with `supply` or `supplyFailed`.
    init(
        _ transport: Transport, loop: EventLoop, ask: @escaping (Int) -> Void,
        needSweep: @escaping () -> Void
    ) {
        self.transport = transport
        self.loop = loop
        self.ask = ask
        self.needSweep = needSweep
    }

    var hasRoom: Bool { waiting.count < Self.waitingMax }

    /// Gives a socket, now or when there is one; nil when there is none in time.
    func take(_ use: @escaping (RelaySocket?) -> Void) {
        usedSinceSweep += 1
        if let spare = spares.popLast() {
            use(spare)
        } else {
            waiting.append(Waiting(since: loop.now, use: use))
        }
        refill()
    }

    func refill() {
        guard !isAsking, retry == nil, !isClosed else { return }
        let missing = waiting.count + wanted - spares.count
        // Half of what is kept ready is left when it is asked for more.
        guard missing > wanted / 2 else { return }
        if waiting.count > 0 { wanted = min(Self.sparesMax, wanted * 2) }
        isAsking = true
        if wanted > Self.sparesMin { needSweep() }
        ask(min(missing, Self.batchMax))
    }

    func supply(_ sockets: Parcel?) {
        isAsking = false
        guard !isClosed else { return }
        guard let sockets, sockets.count > 0 else { return supplyFailed() }
        for index in 0..<sockets.count {
            guard let socket = sockets.take(index), let far = prepared(socket) else { continue }
            give(far)
        }
        refill()
    }

    private func give(_ far: RelaySocket) {
        if waiting.isEmpty {
            spares.append(far)
        } else {
            waiting.removeFirst().use(far)
        }
    }

    /// Takes back one that came from here and whose connection is over both ways. One that the kernel
    /// still works for, to have its last bytes acknowledged, is closed.
    func giveBack(_ far: RelaySocket) {
        guard !isClosed, spares.count < Self.sparesMax, Socket.renew(far.descriptor) else {
            return far.forget(loop)
        }
        give(far)
        if spares.count > Self.sparesMin { needSweep() }
    }

    /// Before it is needed, so that a connection does not wait for it.
    private func prepared(_ socket: consuming Descriptor) -> RelaySocket? {
        let far = RelaySocket(socket)
        do throws(Errno) {
            // It does not block: the supervisor made it so.
            if transport == .tcp {
                try InternetSocket.setNoDelay(far.descriptor)
                far.shelf = self
            }
            return far
        } catch {
            // Not such a socket: nothing to relay to.
            return nil
        }
    }

    func supplyFailed() {
        isAsking = false
        guard !isClosed, retry == nil else { return }
        let now = loop.now
        while let first = waiting.first, first.since.advanced(by: Self.waitingTime) <= now {
            waiting.removeFirst().use(nil)
        }
        // Without anybody waiting, the next connection asks.
        guard !waiting.isEmpty else { return }
        retry = loop.schedule(after: .milliseconds(200)) { [self] in
            retry = nil
            refill()
        }
    }

    /// Lets go of sockets nobody used.
    ///
    /// - Returns: whether there will be something to look at again.
    func sweep() -> Bool {
        if usedSinceSweep < wanted / 2 { wanted = max(Self.sparesMin, wanted / 2) }
        let kept = max(wanted, min(usedSinceSweep, Self.sparesMax))
        usedSinceSweep = 0
        while spares.count > kept { spares.removeLast().forget(loop) }
        return max(wanted, spares.count) > Self.sparesMin
    }

    func close() {
        isClosed = true
        for spare in spares { spare.forget(loop) }
        spares = []
        if let retry { loop.cancel(retry) }
        retry = nil
        let left = waiting
        waiting = []
        for one in left { one.use(nil) }
    }
}
