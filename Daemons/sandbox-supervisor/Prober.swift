import Channel
import Interfaces
import Syscalls

/// Asks the slots of one instance whether they accept, each by itself, until all do or nobody wants to
/// know any more. Lives on the loop.
///
/// Keeps true: the time from a slot's opening to its being seen is at most a quarter of the time the
/// instance took, and at most 50 ms.
final class Prober {
    // LIMIT: time between two tries of one slot: from 1 ms, so that fast services are fast; to 50 ms, so
    // that a slow one is not kept busy by being asked.
    private static let firstPause = Duration.milliseconds(1)
    private static let pauseMax = Duration.milliseconds(50)
    // LIMIT: time for one connection attempt; past it the accept queue is full, which is not open.
    private static let attemptTimeout = Duration.seconds(1)

    // Not 127.0.0.1, where Linux gives an asker in turn every port it has to give, and with it the port
    // asked for: the socket is then connected with itself. Nobody listens, the slot seems open, and the
    // service does not get its port.
    private static let asker = IPv4Endpoint(address: 0x7F00_0002, port: 0)

    private let loop: EventLoop
    private let gate: NetworkGate
    private let namespace: SharedDescriptor
    private let pid: Int32
    private let opened: (Interfaces.Slot) -> Void
    private var attempts: [Int: Attempt] = [:]
    private var next = 0

    private struct Attempt {
        let slot: Interfaces.Slot
        var pause: Duration
        var socket: SharedDescriptor?
        var watch: WatchToken?
        var timer: TimerToken?
    }

    init(
        loop: EventLoop, gate: NetworkGate, namespace: SharedDescriptor, pid: Int32,
        _ opened: @escaping (Interfaces.Slot) -> Void
    ) {
        self.loop = loop
        self.gate = gate
        self.namespace = namespace
        self.pid = pid
        self.opened = opened
    }

    func begin(_ slots: [Interfaces.Slot]) {
        for slot in slots {
            attempts[next] = Attempt(slot: slot, pause: Self.firstPause)
            next += 1
        }
        for key in attempts.keys.sorted() { attempt(key) }
    }

    func stop() {
        for key in attempts.keys { clear(key) }
        attempts = [:]
    }

    private func attempt(_ key: Int) {
        guard let slot = attempts[key]?.slot else { return }
        let isOpen = slot.transport == .udp ? isBound(slot) : connect(key, slot)
        if isOpen { finish(key) } else if attempts[key]?.watch == nil { retry(key) }
    }

    /// - Returns: whether it accepted at once. Otherwise a watch may have been set.
    private func connect(_ key: Int, _ slot: Interfaces.Slot) -> Bool {
        do throws(Errno) {
            let made = try gate.sockets(inside: namespace, .stream, count: 1)
            guard let taken = made.take(0) else { return false }
            let socket = SharedDescriptor(taken)
            try InternetSocket.bind(socket.descriptor, Self.asker)
            if try InternetSocket.connect(
                socket.descriptor, to: .loopback(port: UInt16(truncatingIfNeeded: slot.port)))
            {
                return true
            }
            attempts[key]?.socket = socket
            attempts[key]?.watch = try loop.watch(socket.descriptor, .writable) { [weak self] _ in
                self?.connected(key)
            }
            attempts[key]?.timer = loop.schedule(after: Self.attemptTimeout) { [weak self] in
                self?.clear(key)
                self?.attempt(key)
            }
        } catch {
            return false
        }
        return false
    }

    private func connected(_ key: Int) {
        guard let socket = attempts[key]?.socket else { return }
        var isOpen = false
        do throws(Errno) {
            isOpen = try Socket.takeError(socket.descriptor) == nil
        } catch {
            isOpen = false
        }
        clear(key)
        if isOpen { finish(key) } else { retry(key) }
    }

    private func finish(_ key: Int) {
        clear(key)
        if let attempt = attempts.removeValue(forKey: key) { opened(attempt.slot) }
    }

    private func retry(_ key: Int) {
        guard let pause = attempts[key]?.pause else { return }
        attempts[key]?.pause = min(pause * 5 / 4, Self.pauseMax)
        attempts[key]?.timer = loop.schedule(after: pause) { [weak self] in self?.attempt(key) }
    }

    private func clear(_ key: Int) {
        if let watch = attempts[key]?.watch { loop.unwatch(watch) }
        if let timer = attempts[key]?.timer { loop.cancel(timer) }
        attempts[key]?.watch = nil
        attempts[key]?.timer = nil
        attempts[key]?.socket = nil
    }

    /// A UDP slot is open when a socket is bound to it: nothing can be asked of the other side.
    private func isBound(_ slot: Interfaces.Slot) -> Bool {
        for table in ["udp", "udp6"] {
            guard let text = try? File.readAll("/proc/\(pid)/net/\(table)", limit: 1 << 20) else {
                continue
            }
            let ports = UDPTable.ports(String(decoding: text, as: UTF8.self))
            if ports.contains(slot.port) { return true }
        }
        return false
    }
}

/// /proc/net/udp: the second word of a line is "ADDRESS:PORT" in hexadecimal.
enum UDPTable {
    static func ports(_ text: String) -> Set<UInt32> {
        var ports: Set<UInt32> = []
        for line in text.split(separator: "\n").dropFirst() {
            let words = line.split(separator: " ")
            guard words.count > 1, let port = words[1].split(separator: ":").last,
                let number = UInt32(port, radix: 16)
            else { continue }
            ports.insert(number)
        }
        return ports
    }
}
