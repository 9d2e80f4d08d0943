import Interfaces
import Syscalls
import Wire

/// One request being answered: the task that runs the handler, and where its items go.
///
/// Keeps true: its handler's last word is sent at most once, and not after the caller was told
/// something else (deadline, cancel on disconnect). An item waits for credit and for a peer that
/// reads; waiting ends when the request does.
actor ServedRequest: RawSink {
    nonisolated let link: ServedLink
    nonisolated let slot: Slot
    nonisolated let transaction: UInt64
    nonisolated let method: MethodDescriptor

    private var task: Task<Void, Never>?
    /// Why nobody waits for the answer any more.
    private var ending: Fault?
    private var waiting: [Suspended<Void>] = []

    init(link: ServedLink, slot: Slot, transaction: UInt64, method: MethodDescriptor) {
        self.link = link
        self.slot = slot
        self.transaction = transaction
        self.method = method
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe link.loop.asUnownedSerialExecutor()
    }

    /// Runs the handler until its first wait, here and now.
    func start(
        _ dispatcher: any Dispatcher, _ body: [UInt8], _ descriptors: Parcel, _ context: CallContext
    ) {
        task = Task.immediate {
            do throws(Fault) {
                let answer = try await dispatcher.answer(
                    method, body: body, descriptors: descriptors, context: context, items: self)
                link.finish(self, answer)
            } catch {
                link.finish(self, error)
            }
            task = nil
        }
        if let ending { end(ending, stop: true) }
    }

    func send(_ body: [UInt8]) async throws(Fault) {
        guard body.count <= WireLimits.bodyBytesMax else {
            throw .tooLarge(
                subject: "body", limit: UInt64(WireLimits.bodyBytesMax), actual: UInt64(body.count))
        }
        while true {
            if let ending { throw ending }
            if Task.isCancelled { throw .cancelled }
            if !link.isCongested {
                switch link.machine.item(slot, transaction: transaction) {
                case .send(let header): return link.send(header, body: body)
                case .over: throw ending ?? .cancelled
                case .wait: break
                }
            }
            await suspend { waiting.append($0) }
        }
    }

    /// Items may go again.
    func proceed() {
        let ready = waiting
        waiting = []
        for continuation in ready { continuation.resume() }
    }

    /// Nobody waits any more. The handler is asked to stop unless it is to finish by itself.
    func end(_ fault: Fault, stop: Bool) {
        if ending == nil { ending = fault }
        if stop { task?.cancel() }
        proceed()
    }

    /// The caller asks to stop; the handler's last word is still sent.
    func cancel() {
        task?.cancel()
        proceed()
    }
}
