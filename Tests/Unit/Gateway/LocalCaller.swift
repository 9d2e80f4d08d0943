// Calls without a wire, for tests of a service with its peers in one process.

import Channel
import Interfaces
import Synchronization
import Syscalls

/// Calls a dispatcher of this process, as if over a connection: bodies and descriptors only.
final class LocalCaller: Caller {
    private let dispatcher: any Dispatcher
    private let context: CallContext
    private let state = Mutex(State())

    struct State {
        /// Calls that answer "unavailable" before one gets through.
        var failuresLeft = 0
        var streams: [ObjectIdentifier: LocalItems] = [:]
    }

    init(_ dispatcher: any Dispatcher, role: Role, uid: UInt32 = 0) {
        self.dispatcher = dispatcher
        context = CallContext(role: role, uid: uid, pid: 1, deadline: nil, program: "test")
    }

    /// The peer is away for so many calls, and its streams end.
    func breakDown(calls: Int) {
        let streams = state.withLock { state in
            state.failuresLeft = calls
            defer { state.streams = [:] }
            return state.streams
        }
        for items in streams.values { items.finish(Fault(.unavailable)) }
    }

    private func checkAvailable() throws(Fault) {
        let isAway = state.withLock { state in
            guard state.failuresLeft > 0 else { return false }
            state.failuresLeft -= 1
            return true
        }
        if isAway { throw Fault(.unavailable) }
    }

    func call(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel?, deadline: Duration
    ) async throws(Fault) -> Answer {
        try checkAvailable()
        let items = LocalItems()
        let answer = try await dispatcher.answer(
            method, body: body, descriptors: descriptors ?? Parcel(), context: context,
            items: items)
        guard let answer else { throw Fault(.internal) }
        return answer
    }

    func open(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel?, deadline: Duration?
    ) async throws(Fault) -> any RawItems {
        try checkAvailable()
        let items = LocalItems()
        state.withLock { $0.streams[ObjectIdentifier(items)] = items }
        let task = Task { [dispatcher, context] in
            do throws(Fault) {
                _ = try await dispatcher.answer(
                    method, body: body, descriptors: descriptors ?? Parcel(), context: context,
                    items: items)
                items.finish(nil)
            } catch {
                items.finish(error)
            }
        }
        items.onCancel = { task.cancel() }
        return items
    }
}

/// A stream without a wire: what is sent waits until it is taken.
final class LocalItems: RawItems, RawSink {
    private let state = Mutex(State())
    private let cancelAction = Mutex<(@Sendable () -> Void)?>(nil)

    private struct State {
        var bodies: [[UInt8]] = []
        var end: Result<Void, Fault>?
        var waiter: Suspended<Void>?
    }

    var onCancel: (@Sendable () -> Void)? {
        get { cancelAction.withLock { $0 } }
        set { cancelAction.withLock { $0 = newValue } }
    }

    func send(_ body: [UInt8]) async throws(Fault) {
        let isOver = state.withLock { state in
            if state.end == nil { state.bodies.append(body) }
            return state.end != nil
        }
        wake()
        if isOver { throw .cancelled }
    }

    func finish(_ fault: Fault?) {
        state.withLock { state in
            if state.end == nil { state.end = fault.map { .failure($0) } ?? .success(()) }
        }
        wake()
    }

    private func wake() {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    func next() async throws(Fault) -> [UInt8]? {
        while true {
            let now: Result<[UInt8]?, Fault>? = state.withLock { state in
                if !state.bodies.isEmpty { return .success(state.bodies.removeFirst()) }
                switch state.end {
                case .success: return .success(nil)
                case .failure(let fault): return .failure(fault)
                case nil: return nil
                }
            }
            if let now { return try now.get() }
            await withTaskCancellationHandler {
                await state.suspend(
                    unless: { !$0.bodies.isEmpty || $0.end != nil ? () : nil },
                    keep: { $0.waiter = $1 })
            } onCancel: {
                finish(.cancelled)
            }
        }
    }

    func cancel() {
        finish(.cancelled)
        onCancel?()
    }
}
