import Interfaces
import Wire

/// A stream's items on the caller's side, as they come.
///
/// Keeps true: holds at most the items it gave credit for; gives new credit as items are taken, so
/// a reader who stops, stops the sender.
actor StreamItems: RawItems {
    // LIMIT: items taken before credit is given for them: half of the first credit, so that the
    // sender goes on while the frame travels.
    private static let grantItems: UInt32 = WireLimits.creditInitial / 2

    /// Held so that the connection lives as long as somebody reads.
    private nonisolated let connection: Connection
    private var opened: (place: Place, transaction: UInt64) = (0, 0)
    private var items: [[UInt8]] = []
    private var head = 0
    private var taken: UInt32 = 0
    private var isOver = false
    private var fault: Fault?
    private var waiting: [Suspended<Void>] = []

    init(_ connection: Connection) {
        self.connection = connection
    }

    func opened(_ opened: (place: Place, transaction: UInt64)) {
        self.opened = opened
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor {
        // SAFETY: the connection holds the loop.
        unsafe connection.loop.asUnownedSerialExecutor()
    }

    func next() async throws(Fault) -> [UInt8]? {
        while true {
            if head < items.count { return take() }
            if isOver {
                if let fault { throw fault }
                return nil
            }
            await withTaskCancellationHandler {
                await suspend(
                    unless: { head < items.count || isOver }, keep: { waiting.append($0) })
            } onCancel: {
                cancel()
            }
        }
    }

    nonisolated func cancel() {
        connection.loop.post { self.assumeIsolated { $0.cancelNow() } }
    }

    private func cancelNow() {
        if !isOver { connection.link.cancel(opened.place, transaction: opened.transaction) }
    }

    func add(_ body: [UInt8]) {
        items.append(body)
        wake()
    }

    func finish(_ fault: Fault?) {
        isOver = true
        self.fault = fault
        wake()
    }

    private func take() -> [UInt8] {
        let body = items[head]
        items[head] = []
        head += 1
        if head == items.count {
            items.removeAll(keepingCapacity: true)
            head = 0
        }
        taken += 1
        if taken >= Self.grantItems, !isOver {
            connection.link.grant(opened.place, transaction: opened.transaction, items: taken)
            taken = 0
        }
        return body
    }

    private func wake() {
        guard !waiting.isEmpty else { return }
        let ready = waiting
        waiting = []
        for continuation in ready { continuation.resume() }
    }
}
