package import Channel
import Interfaces
package import Logging
import ServiceModel
import Syscalls

/// Answers for the boxes of this node. What waits for a disk runs on workers; which import runs, and
/// what a failed request leaves, is decided here.
package actor BoxBuilderService {
    nonisolated let loop: EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        // SAFETY: the loop outlives every actor on it: it is the process.
        unsafe loop.asUnownedSerialExecutor()
    }

    let store: ObjectStore
    let index: BoxIndex
    let logger: Logger
    let now: @Sendable () -> UInt64

    private var queue = ImportQueueMachine()
    /// Whose turn has not come: told whether it has, or that it never will.
    private var turns: [ImportQueueMachine.Ticket: Suspended<Bool>] = [:]
    private var running: [ImportQueueMachine.Ticket: CancelFlag] = [:]
    /// Work for other nodes.
    var works: [ObjectIdentifier: CancelFlag] = [:]
    var exports = 0
    private(set) var isStopping = false
    var isVerifying = false

    /// - Parameter now: seconds since 1970.
    package init(
        loop: EventLoop, store: ObjectStore, index: BoxIndex, logger: Logger,
        now: @escaping @Sendable () -> UInt64
    ) {
        self.loop = loop
        self.store = store
        self.index = index
        self.logger = logger
        self.now = now
    }

    /// Imports end as if their callers had gone, and nothing new begins.
    package func stop() {
        isStopping = true
        for flag in running.values { flag.set() }
        for flag in works.values { flag.set() }
        for waiter in turns.values { waiter.resume(false) }
        turns = [:]
    }

    /// Figures for the status.
    package var facts: [String: String] {
        get async {
            let index = index
            let count = try? await loop.runBlocking { () throws(Fault) in try index.count() }
            return [
                "boxes": count.map(String.init) ?? "",
                "imports": String(queue.runningCount),
                "imports-waiting": String(queue.waitingCount),
            ]
        }
    }

    // MARK: Turns

    /// Waits for a turn to import.
    func takeTurn() async throws(Fault) -> ImportQueueMachine.Ticket {
        guard !isStopping else { throw StoreFault.stopping() }
        switch queue.arrive() {
        case .runs(let ticket):
            return ticket
        case .refused:
            throw .limitReached(
                subject: "imports_waiting", limit: UInt64(ImportQueueMachine.waitingMax),
                actual: UInt64(ImportQueueMachine.waitingMax) + 1)
        case .waits(let ticket):
            let hasTurn = await withTaskCancellationHandler {
                await suspend(
                    unless: {
                        if queue.isRunning(ticket) { return true }
                        return Task.isCancelled || isStopping ? false : nil
                    }, keep: { turns[ticket] = $0 })
            } onCancel: {
                loop.post { self.assumeIsolated { $0.giveUp(ticket) } }
            }
            guard hasTurn else {
                endTurn(ticket)
                throw isStopping ? StoreFault.stopping() : .cancelled
            }
            return ticket
        }
    }

    private func giveUp(_ ticket: ImportQueueMachine.Ticket) {
        turns.removeValue(forKey: ticket)?.resume(false)
    }

    func endTurn(_ ticket: ImportQueueMachine.Ticket) {
        guard let next = queue.leave(ticket) else { return }
        turns.removeValue(forKey: next)?.resume(true)
    }

    // MARK: Work

    /// Imports on a worker, and tells the caller how far it is.
    func importBox(
        _ parcel: Parcel, _ request: ImportBoxRequest, items: ItemSink<ImportBoxItem>,
        _ ticket: ImportQueueMachine.Ticket
    ) async throws(Fault) -> (box: BoxSummary, normalised: [Normalised]) {
        let flag = CancelFlag()
        running[ticket] = flag
        defer { running[ticket] = nil }
        let mailbox = ProgressMailbox()
        let importer = Importer(store: store, index: index)
        let (loop, now) = (loop, now())
        async let outcome = Self.outcome(of: importer, parcel, request, now, mailbox, flag, loop)
        let refusal = await withTaskCancellationHandler {
            await tell(mailbox, to: items)
        } onCancel: {
            flag.set()
        }
        if refusal != nil { flag.set() }
        let result = await outcome
        if let refusal { throw refusal }
        do throws(Fault) {
            return try result.get()
        } catch {
            throw error.code == .cancelled && isStopping ? StoreFault.stopping() : error
        }
    }

    private static func outcome(
        of importer: Importer, _ parcel: Parcel, _ request: ImportBoxRequest, _ now: UInt64,
        _ mailbox: ProgressMailbox, _ flag: CancelFlag, _ loop: EventLoop
    ) async -> Result<(box: BoxSummary, normalised: [Normalised]), Fault> {
        await loop.runBlocking {
            () -> Result<(box: BoxSummary, normalised: [Normalised]), Fault> in
            defer { mailbox.finish() }
            guard let archive = parcel.take(0), let description = parcel.take(1) else {
                return .failure(.invalid(.badDescriptor, subject: "archive"))
            }
            var told: SharedDescriptor?
            if let descriptor = parcel.take(2) { told = SharedDescriptor(descriptor) }
            do throws(Fault) {
                let log = request.explain ? NormalisationLog() : nil
                let box = try importer.run(
                    archive: archive, description: description, told: told, request, now: now,
                    log: log,
                    progress: { mailbox.put($0, now: Clock.monotonicNanoseconds()) },
                    isCancelled: { flag.isSet })
                return .success((box, log?.messages() ?? []))
            } catch {
                return .failure(error)
            }
        }
    }

    /// - Returns: why the caller can be told no more.
    private func tell(
        _ mailbox: ProgressMailbox, to items: ItemSink<ImportBoxItem>
    ) async -> Fault? {
        while let progress = await mailbox.next() {
            var item = ImportBoxItem()
            item.progress = progress
            do throws(Fault) {
                try await items.send(item)
            } catch {
                return error
            }
        }
        return nil
    }
}
