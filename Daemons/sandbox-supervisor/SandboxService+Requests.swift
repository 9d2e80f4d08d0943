// Answers who asks: waits for what is durable, and shows what the kernel counts now.

import Channel
package import Interfaces
import LaunchPlan
import Logging
package import Syscalls

extension SandboxService: SandboxSupervisorHandler {
    package func stopInstance(
        _ request: StopInstanceRequest, context: CallContext
    ) async throws(Fault) -> InstanceState {
        let id = try known(request.instanceID)
        guard request.graceMs <= Self.graceMsMax else {
            throw .invalid(
                .outOfRange, subject: "grace_ms", limit: UInt64(Self.graceMsMax),
                actual: UInt64(request.graceMs))
        }
        tell(id, .stop(graceMs: request.graceMs))
        while true {
            let key = changes.key()
            // One that was never durable is not told of; it is gone when its machine says so.
            if let state = announced[id] {
                if state.phase == .ended { return state }
            } else if machines[id]?.record.hasEnded ?? true {
                throw Fault(.notFound, subject: "\(id)")
            }
            await change(of: id, since: key)
            if Task.isCancelled { throw .cancelled }
            if isStopping { throw Fault(.unavailable, subject: "sandbox-supervisor") }
        }
    }

    // LIMIT: ten minutes between TERM and KILL; more is a service that does not want to end.
    private static let graceMsMax: UInt32 = 600_000

    package func watchInstance(
        _ request: WatchInstanceRequest, context: CallContext, items: ItemSink<InstanceState>
    ) async throws(Fault) {
        let id = try known(request.instanceID)
        try await untilSaved()
        var told: Phase?
        while true {
            let key = changes.key()
            let state = try state(id)
            if state.phase != told {
                told = state.phase
                try await items.send(state)
                if state.phase == .ended { return }
                continue
            }
            await change(of: id, since: key)
            if Task.isCancelled { throw .cancelled }
            if isStopping { throw Fault(.unavailable, subject: "sandbox-supervisor") }
        }
    }

    package func listInstances(
        _ request: ListInstancesRequest, context: CallContext, items: ItemSink<InstanceState>
    ) async throws(Fault) {
        for id in announced.keys.sorted() {
            // It may be forgotten while the list is sent.
            if announced[id] == nil { continue }
            try await items.send(try state(id))
        }
    }

    package func readOutput(
        _ request: ReadOutputRequest, context: CallContext, items: ItemSink<OutputItem>
    ) async throws(Fault) {
        let id = try known(request.instanceID)
        let reader = OutputReader(path: workplace.directory(id))
        var place = OutputReader.Place()
        if request.tailLines > 0 {
            let lines = Int(request.tailLines)
            let (tail, end) = await loop.runBlocking {
                var end = OutputReader.Place()
                let tail = reader.tail(lines: lines, place: &end)
                return (tail, end)
            }
            place = end
            for item in tail { try await items.send(item) }
        }
        while true {
            // Whether there can be more is asked before reading, so that the last is not missed.
            let isOver = !request.follow || (announced[id]?.phase ?? .ended) == .ended
            let key = outputs.key()
            if !isOver { outputs.follow(id, reader.path) }
            let from = place
            let (read, to) = await loop.runBlocking {
                var to = from
                let read = reader.next(from: &to)
                return (read, to)
            }
            place = to
            for item in read { try await items.send(item) }
            if !read.isEmpty { continue }
            if isOver { return }
            await output(of: id, key)
            if Task.isCancelled { throw .cancelled }
            if isStopping { throw Fault(.unavailable, subject: "sandbox-supervisor") }
        }
    }

    package func openSockets(
        _ request: OpenSocketsRequest, context: CallContext
    ) async throws(Fault) -> (OpenSocketsReply, Parcel) {
        let id = try known(request.instanceID)
        guard (1...Self.socketsMax).contains(request.count) else {
            throw .invalid(
                .outOfRange, subject: "count", limit: UInt64(Self.socketsMax),
                actual: UInt64(request.count))
        }
        guard request.transport == .tcp || request.transport == .udp else {
            throw .invalid(.outOfRange, subject: "transport")
        }
        guard let network = living[id]?.network, living[id]?.isEnding == false else {
            throw Fault(.endedEarly, subject: "\(id)")
        }
        do throws(Errno) {
            let sockets = try gate.sockets(
                inside: network, request.transport == .udp ? .datagram : .stream,
                count: Int(request.count))
            return (OpenSocketsReply(), sockets)
        } catch {
            throw Fault(.unavailable, subject: "sockets: \(error.name)")
        }
    }

    // LIMIT: what one message can carry.
    static let socketsMax: UInt32 = 16

    package func forgetInstance(
        _ request: ForgetInstanceRequest, context: CallContext
    ) async throws(Fault) -> ForgetInstanceReply {
        guard let id = InstanceID(request.instanceID) else {
            throw .invalid(.malformed, subject: "instance_id", limit: 16)
        }
        guard let machine = machines[id] else { return ForgetInstanceReply() }
        guard machine.record.hasEnded else { throw Fault(.inUse, subject: "\(id)") }
        try await untilSaved()
        let workplace = workplace
        do throws(Errno) {
            try await loop.runBlocking { () throws(Errno) in try workplace.forget(id) }
        } catch {
            logger.error("files stay", metadata: ["instance": "\(id)", "why": "\(error)"])
            throw Fault(.internal, subject: "files: \(error.name)")
        }
        if machines[id] != nil { try await remove(id) }
        return ForgetInstanceReply()
    }

    /// Ends the requests that wait for something; the instances go on.
    func stop() {
        isStopping = true
        changes.tellAll()
        outputs.tellAll()
        workplace.next.close()
        // What still runs keeps it there.
        workplace.cgroups.leave()
    }

    // MARK: Looking

    func known(_ bytes: some Sequence<UInt8>) throws(Fault) -> InstanceID {
        guard let id = InstanceID(bytes) else {
            throw .invalid(.malformed, subject: "instance_id", limit: 16)
        }
        guard machines[id] != nil else { throw Fault(.notFound, subject: "\(id)") }
        return id
    }

    /// What was announced, with what it uses now.
    func state(_ id: InstanceID) throws(Fault) -> InstanceState {
        guard var state = announced[id] else { throw Fault(.notFound, subject: "\(id)") }
        guard state.phase != .ended, let pid = machines[id]?.record.pid, pid != 0 else {
            return state
        }
        if let record = machines[id]?.record, record.hasEnded {
            // Its end is being written down, and its cgroup is gone already.
            state.usage = record.state.usage
            return state
        }
        state.usage = workplace.cgroups.usage(id)
        // Before the entrypoint runs the witness's root is still the host's.
        if state.phase == .starting || state.phase == .ready {
            let disk = workplace.diskBytes(id, pid: pid, isReadOnly: state.readOnly)
            if disk > 0 { living[id]?.diskBytes = disk }
        }
        state.usage.diskBytes = living[id]?.diskBytes ?? 0
        state.usage.memoryByteSeconds = living[id]?.memory.byteSeconds(nowMs()) ?? 0
        return state
    }

    /// - Parameter key: taken before its state was looked at.
    private func change(of id: InstanceID, since key: StateNews.Key) async {
        await withTaskCancellationHandler {
            await suspend(
                unless: { Task.isCancelled || isStopping }, keep: { changes.wait(id, key, $0) })
        } onCancel: {
            Task { await self.cancelChange(id, key) }
        }
    }

    private func cancelChange(_ id: InstanceID, _ key: StateNews.Key) {
        changes.cancel(id, key)
    }

    private func output(of id: InstanceID, _ key: UInt64) async {
        await withTaskCancellationHandler {
            await suspend(
                unless: { Task.isCancelled || isStopping }, keep: { outputs.wait(id, key, $0) })
        } onCancel: {
            Task { await self.cancelOutput(id, key) }
        }
    }

    private func cancelOutput(_ id: InstanceID, _ key: UInt64) {
        outputs.cancel(id, key)
    }
}
