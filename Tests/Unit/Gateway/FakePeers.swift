// Peers that do what a test says.

import Channel
import Interfaces
import ServiceModel
import Synchronization
import Syscalls
import gateway_broker

/// A supervisor without instances: what becomes of one is what the test says.
actor FakeSupervisor: SandboxSupervisorHandler {
    enum Fate: Sendable {
        case ready
        case ends(EndCause, subject: String, lines: [String])
        /// Stays on its way until `change` is called.
        case waits
    }

    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor {
        // SAFETY: the loop outlives the test.
        unsafe loop.asUnownedSerialExecutor()
    }

    var fate = Fate.ready
    /// Of a version that knows of roots that cannot be written.
    var knowsReadOnly = true
    private(set) var states: [InstanceID: InstanceState] = [:]
    private(set) var requests: [InstanceID: StartInstanceRequest] = [:]
    private(set) var configurations: [InstanceID: [UInt8]] = [:]
    /// What is said to the first who ask for listeners.
    var listenerFaults: [Fault] = []
    private(set) var starts = 0
    private(set) var forgotten: [InstanceID] = []
    private var watchers: [InstanceID: [Suspended<Void>]] = [:]

    init(_ loop: EventLoop) {
        self.loop = loop
    }

    func set(_ fate: Fate) { self.fate = fate }

    func set(knowsReadOnly: Bool) { self.knowsReadOnly = knowsReadOnly }

    func startInstance(
        _ request: StartInstanceRequest, descriptors: Parcel, context: CallContext
    ) async throws(Fault) -> StartInstanceReply {
        guard let id = InstanceID(request.instanceIDBytes) else { throw Fault(.invalid) }
        var reply = StartInstanceReply()
        if let known = states[id] {
            reply.state = known
            return reply
        }
        starts += 1
        requests[id] = request
        if let file = descriptors.take(2) {
            configurations[id] = try? File.readAll(file, limit: 65_536)
        }
        var state = InstanceState()
        state.instanceIDBytes = id.bytes
        state.phase = .accepted
        state.limits = request.limits
        state.readOnly = knowsReadOnly && request.readOnly
        states[id] = state
        reply.state = state
        change(id) { $0.phase = .starting }
        switch fate {
        case .ready: change(id) { $0.phase = .ready }
        case .waits: break
        case .ends(let cause, let subject, let lines): end(id, cause, subject, lines)
        }
        return reply
    }

    func end(
        _ id: InstanceID, _ cause: EndCause, _ subject: String = "", _ lines: [String] = []
    ) {
        change(id) { state in
            guard state.phase != .ended else { return }
            state.phase = .ended
            state.ended.cause = cause
            state.ended.subject = subject
            state.ended.lastLines = lines
            state.endedAtMs = 1_700_000_000_000
        }
    }

    func change(_ id: InstanceID, _ body: (inout InstanceState) -> Void) {
        guard var state = states[id] else { return }
        body(&state)
        states[id] = state
        for waiter in watchers.removeValue(forKey: id) ?? [] { waiter.resume() }
    }

    func adopt(_ id: InstanceID, _ phase: Phase) {
        var state = InstanceState()
        state.instanceIDBytes = id.bytes
        state.phase = phase
        states[id] = state
    }

    func lose(_ id: InstanceID) { states[id] = nil }

    func stopInstance(
        _ request: StopInstanceRequest, context: CallContext
    ) async throws(Fault) -> InstanceState {
        guard let id = InstanceID(request.instanceIDBytes), states[id] != nil else {
            throw Fault(.notFound)
        }
        end(id, .stopped)
        guard let state = states[id] else { throw Fault(.notFound) }
        return state
    }

    func watchInstance(
        _ request: WatchInstanceRequest, context: CallContext, items: ItemSink<InstanceState>
    ) async throws(Fault) {
        guard let id = InstanceID(request.instanceIDBytes) else { throw Fault(.invalid) }
        var last: InstanceState?
        while true {
            guard let state = states[id] else { throw Fault(.notFound) }
            if state != last {
                last = state
                try await items.send(state)
                if state.phase == .ended { return }
            } else {
                await suspend(
                    unless: { states[id] != last },
                    keep: { watchers[id, default: []].append($0) })
            }
        }
    }

    func listInstances(
        _ request: ListInstancesRequest, context: CallContext, items: ItemSink<InstanceState>
    ) async throws(Fault) {
        for state in states.values { try await items.send(state) }
    }

    func readOutput(
        _ request: ReadOutputRequest, context: CallContext, items: ItemSink<OutputItem>
    ) async throws(Fault) {
        var item = OutputItem()
        item.dataBytes = Array("hello\n".utf8)
        try await items.send(item)
    }

    func openSockets(
        _ request: OpenSocketsRequest, context: CallContext
    ) async throws(Fault) -> (OpenSocketsReply, Parcel) {
        let parcel = Parcel()
        for _ in 0..<request.count {
            if let socket = try? InternetSocket.make() { parcel.append(socket) }
        }
        return (OpenSocketsReply(), parcel)
    }

    func set(listenerFaults: [Fault]) { self.listenerFaults = listenerFaults }

    func openListeners(
        _ request: OpenListenersRequest, context: CallContext
    ) async throws(Fault) -> (OpenListenersReply, Parcel) {
        if !listenerFaults.isEmpty { throw listenerFaults.removeFirst() }
        do throws(Errno) {
            let parcel = Parcel()
            for _ in request.endpoints {
                parcel.append(try InternetSocket.listen(.loopback(port: 0)))
            }
            return (OpenListenersReply(), parcel)
        } catch {
            throw Fault(.internal)
        }
    }

    func forgetInstance(
        _ request: ForgetInstanceRequest, context: CallContext
    ) async throws(Fault) -> ForgetInstanceReply {
        if let id = InstanceID(request.instanceIDBytes) {
            states[id] = nil
            forgotten.append(id)
        }
        return ForgetInstanceReply()
    }
}

/// A box-builder with one box, under one tag.
actor FakeBoxBuilder: BoxBuilderHandler {
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor {
        // SAFETY: the loop outlives the test.
        unsafe loop.asUnownedSerialExecutor()
    }

    private let service: Service
    private(set) var holds: Set<String> = []
    var tree = TreeTerms()

    func set(_ tree: TreeTerms) { self.tree = tree }

    init(_ loop: EventLoop, _ service: Service) {
        self.loop = loop
        self.service = service
    }

    func hold(_ holder: String) { holds.insert(holder) }

    func openBox(
        _ request: OpenBoxRequest, context: CallContext
    ) async throws(Fault) -> (OpenBoxReply, Parcel) {
        guard request.box == "redis" else { throw Fault(.notFound, subject: request.box) }
        holds.insert(request.holder)
        var reply = OpenBoxReply()
        reply.summary.serviceIDBytes = [UInt8](repeating: 5, count: 32)
        let parcel = Parcel()
        do throws(Errno) {
            parcel.append(try Memfd.make(name: "image"))
            parcel.append(try Directory.open("/"))
            parcel.append(try Memfd.sealed(service.encoded() + tree.bytes))
        } catch {
            throw Fault(.internal)
        }
        return (reply, parcel)
    }

    func releaseBox(
        _ request: ReleaseBoxRequest, context: CallContext
    ) async throws(Fault) -> ReleaseBoxReply {
        holds.remove(request.holder)
        return ReleaseBoxReply()
    }

    func listHolds(
        _ request: ListHoldsRequest, context: CallContext, items: ItemSink<Hold>
    ) async throws(Fault) {
        for holder in holds {
            var hold = Hold()
            hold.holder = holder
            try await items.send(hold)
        }
    }

    func importBox(
        _ request: ImportBoxRequest, descriptors: Parcel, context: CallContext,
        items: ItemSink<ImportBoxItem>
    ) async throws(Fault) { throw Fault(.unsupported) }

    func listBoxes(
        _ request: ListBoxesRequest, context: CallContext, items: ItemSink<BoxSummary>
    ) async throws(Fault) { throw Fault(.unsupported) }

    func inspectBox(
        _ request: InspectBoxRequest, context: CallContext
    ) async throws(Fault) -> (InspectBoxReply, Parcel) { throw Fault(.unsupported) }

    func removeBox(
        _ request: RemoveBoxRequest, context: CallContext
    ) async throws(Fault) -> RemoveBoxReply { throw Fault(.unsupported) }
}

/// A registry in memory that outlives the service, and can be full.
final class MemoryRegistry: RegistryStorage, GrantStorage, NetworkStorage {
    private let state = Mutex(State())

    private struct State {
        var records: [InstanceID: InstanceRecord] = [:]
        var grants: [InstanceID: Grant] = [:]
        var networks: [InstanceID: NetworkBook.Entry] = [:]
        var isFull = false
    }

    var isFull: Bool {
        get { state.withLock { $0.isFull } }
        set { state.withLock { $0.isFull = newValue } }
    }

    var records: [InstanceID: InstanceRecord] { state.withLock { $0.records } }

    func load() throws(StorageFailure) -> [InstanceRecord] {
        Array(state.withLock { $0.records }.values)
    }

    func loadGrants() throws(StorageFailure) -> [Grant] {
        Array(state.withLock { $0.grants }.values)
    }

    func apply(add: [Grant], remove: [InstanceID]) throws(StorageFailure) {
        let isFull = state.withLock { state in
            guard !state.isFull else { return true }
            for id in remove { state.grants[id] = nil }
            for grant in add { state.grants[grant.id] = grant }
            return false
        }
        if isFull { throw .full }
    }

    func loadNetworks() throws(StorageFailure) -> [InstanceID: NetworkBook.Entry] {
        state.withLock { $0.networks }
    }

    func apply(
        put: [InstanceID: NetworkBook.Entry], remove: [InstanceID]
    ) throws(StorageFailure) {
        let isFull = state.withLock { state in
            guard !state.isFull else { return true }
            for id in remove { state.networks[id] = nil }
            for (id, entry) in put { state.networks[id] = entry }
            return false
        }
        if isFull { throw .full }
    }

    func apply(_ writes: [RegistryWrite]) throws(StorageFailure) {
        let isFull = state.withLock { state in
            guard !state.isFull else { return true }
            for write in writes {
                switch write {
                case .put(let record): state.records[record.id] = record
                case .delete(let id): state.records[id] = nil
                }
            }
            return false
        }
        if isFull { throw .full }
    }
}
