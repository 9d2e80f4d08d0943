import Channel
import Syscalls

/// What one sender of datagrams says to a slot, and what the slot answers: a socket of its own towards
/// the slot, so that answers find back.
///
/// Keeps true: a datagram goes on whole or is lost; nobody's answer reaches another sender.
final class DatagramFlow {
    // LIMIT: 4 datagrams wait for the socket of a new sender; later ones are lost.
    private static let waitingMax = 4
    // LIMIT: 64 datagrams before other descriptors have their turn.
    static let turnDatagrams = 64

    /// The side that began.
    enum Near {
        /// Somebody who sends to an entrance.
        case sender(RelayEntrance, IPv4Endpoint)
        /// Whoever holds the other end of a packet socket.
        case tunnel(RelaySocket)
    }

    let near: Near
    let traffic: RelayedTraffic
    private let loop: EventLoop
    private let shop: RelayWorkshop
    private var far: RelaySocket?
    private var waiting: [[UInt8]] = []
    private var nearWatch: WatchToken?
    private var farWatch: WatchToken?
    private var onEnd: ((DatagramFlow) -> Void)?
    private(set) var toTarget: UInt64 = 0
    private(set) var fromTarget: UInt64 = 0
    private(set) var lastUsed: Instant
    /// Where it stands in its owner's list.
    var index = 0

    var isOpen: Bool { onEnd != nil }

    /// What it carried so far.
    var count: SlotCount {
        var count = SlotCount(traffic.count.slot)
        count.toInstance = toTarget
        count.fromInstance = fromTarget
        return count
    }

    init(
        near: Near, traffic: RelayedTraffic, loop: EventLoop, shop: RelayWorkshop,
        onEnd: @escaping (DatagramFlow) -> Void
    ) {
        self.near = near
        self.traffic = traffic
        self.loop = loop
        self.shop = shop
        self.onEnd = onEnd
        lastUsed = loop.now
    }

    /// - Parameter far: connected to the target.
    func start(_ far: RelaySocket) throws(Errno) {
        self.far = far
        farWatch = try loop.watch(far.descriptor, .readable) { [self] _ in farIsReady() }
        if case .tunnel(let socket) = near {
            nearWatch = try loop.watch(socket.descriptor, .readable) { [self] in nearIsReady($0) }
        }
        let kept = waiting
        waiting = []
        for datagram in kept {
            count(datagram.count, DatagramPump.send(far.descriptor, kept: datagram))
        }
    }

    /// What is in the workshop's buffer came from the sender.
    func arrived(bytes: Int) {
        lastUsed = loop.now
        guard let far else {
            if waiting.count < Self.waitingMax {
                waiting.append(DatagramPump.kept(bytes: bytes, in: shop))
            }
            return
        }
        count(bytes, DatagramPump.send(far.descriptor, bytes: bytes, with: shop))
    }

    private func count(_ bytes: Int, _ went: Bool) {
        guard went else { return }
        toTarget += UInt64(bytes)
        traffic.count.toInstance += UInt64(bytes)
    }

    private func nearIsReady(_ ready: Ready) {
        guard case .tunnel(let socket) = near else { return }
        for _ in 0..<Self.turnDatagrams {
            do throws(Errno) {
                guard let bytes = try DatagramPump.receiveConnected(socket.descriptor, with: shop)
                else { return }
                // The end of the packet socket: it carries no empty datagrams.
                guard bytes > 0 else { return end() }
                arrived(bytes: bytes)
            } catch {
                return end()
            }
        }
    }

    private func farIsReady() {
        guard let far else { return }
        for _ in 0..<Self.turnDatagrams {
            do throws(Errno) {
                guard let bytes = try DatagramPump.receiveConnected(far.descriptor, with: shop)
                else { return }
                lastUsed = loop.now
                if answer(bytes) {
                    fromTarget += UInt64(bytes)
                    traffic.count.fromInstance += UInt64(bytes)
                }
            } catch .connectionRefused {
                // Nobody is bound inside just now: the datagram is lost, as on any host.
                continue
            } catch {
                return end()
            }
        }
    }

    private func answer(_ bytes: Int) -> Bool {
        switch near {
        case .sender(let entrance, let sender):
            entrance.socket.map {
                DatagramPump.send($0.descriptor, to: sender, bytes: bytes, with: shop)
            } ?? false
        case .tunnel(let socket):
            bytes > 0 && DatagramPump.send(socket.descriptor, bytes: bytes, with: shop)
        }
    }

    func end() {
        guard let onEnd else { return }
        self.onEnd = nil
        if let nearWatch { loop.unwatch(nearWatch) }
        if let farWatch { loop.unwatch(farWatch) }
        waiting = []
        onEnd(self)
    }
}
