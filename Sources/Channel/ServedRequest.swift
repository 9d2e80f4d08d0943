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
    nonisolated let place: Place
    nonisolated let transaction: UInt64
    nonisolated let method: MethodDescriptor

    private var task: Task<Void, Never>?
    /// Why nobody waits for the answer any more.
    private var ending: Fault?
    private var waiting: [Suspended<Void>] = []
    /// How often those that wait were woken.
    private var turns: UInt64 = 0

    init(link: ServedLink, place: Place, transaction: UInt64, method: MethodDescriptor) {
        self.link = link
        self.place = place
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
        while true {
            let turn = turns
            switch offer(body, isCancelled: Task.isCancelled) {
            case .sent: return
            case .refused(let fault): throw fault
            case .wait:
                await suspend(unless: { turns != turn }, keep: { waiting.append($0) })
            }
        }
    }

    private enum Offer {
        case sent
        case wait
        case refused(Fault)
    }

    private func offer(_ body: [UInt8], isCancelled: Bool) -> Offer {
        guard body.count <= WireLimits.bodyBytesMax else {
            let limit = UInt64(WireLimits.bodyBytesMax)
            return .refused(.tooLarge(subject: "body", limit: limit, actual: UInt64(body.count)))
        }
        if let ending { return .refused(ending) }
        if isCancelled { return .refused(.cancelled) }
        if link.isCongested { return .wait }
        switch link.machine.item(place, transaction: transaction) {
        case .over: return .refused(.cancelled)
        case .wait: return .wait
        case .send(let header):
            link.send(header, body: body)
            return .sent
        }
    }

    /// Items may go again.
    func proceed() {
        turns &+= 1
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
