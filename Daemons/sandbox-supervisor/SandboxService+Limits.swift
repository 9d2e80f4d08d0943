import Channel
package import Interfaces
import LaunchPlan
import Logging
package import Syscalls

/// What an instance may use and what it does use, while it runs.
extension SandboxService {
    package func updateLimits(
        _ request: UpdateLimitsRequest, context: CallContext
    ) async throws(Fault) -> InstanceState {
        let id = try known(request.instanceID)
        // Each change is made from the bounds that the one before it left.
        await limitTurn()
        defer { passLimitTurn() }
        guard let record = machines[id]?.record, living[id]?.isEnding == false, record.pid != 0
        else { throw Fault(.endedEarly, subject: "\(id)") }
        let old = record.state.limits
        let new = try StartCheck.limits(Self.changed(old, by: request.limits))
        let cgroups = workplace.cgroups
        do throws(CgroupFailure) {
            try await loop.runBlocking { () throws(CgroupFailure) in
                try cgroups.update(id, from: old, to: new)
            }
        } catch {
            if error.errno == .busy { throw Fault(.inUse, subject: error.subject) }
            throw Fault(.unavailable, subject: "\(error.subject): \(error.errno.name)")
        }
        tell(id, .limited(new))
        try await untilSaved()
        return try state(id)
    }

    private func limitTurn() async {
        while isChangingLimits {
            await suspend(unless: { !isChangingLimits }, keep: { limitWaiters.append($0) })
        }
        isChangingLimits = true
    }

    private func passLimitTurn() {
        isChangingLimits = false
        let waiters = limitWaiters
        limitWaiters = []
        for waiter in waiters { waiter.resume() }
    }

    /// Of an instance that was found again: what is in force is what is written down.
    func enforceLimits(_ id: InstanceID) async {
        guard let limits = machines[id]?.record.state.limits else { return }
        let cgroups = workplace.cgroups
        let kept = await loop.runBlocking { cgroups.enforce(id, limits) }
        if let kept { tell(id, .limited(kept)) }
    }

    /// The bounds with those that are given in their place.
    private static func changed(_ old: Limits, by given: Limits) throws(Fault) -> Limits {
        for (name, fixed, asked) in [
            ("disk_bytes", old.diskBytes, given.diskBytes),
            ("open_files", UInt64(old.openFiles), UInt64(given.openFiles)),
            (
                "output_bytes_per_second", old.outputBytesPerSecond, given.outputBytesPerSecond
            ),
        ] where asked != 0 && asked != fixed {
            throw Fault(.unsupported, subject: "limits.\(name)")
        }
        var new = old
        if given.memoryBytes != 0 { new.memoryBytes = given.memoryBytes }
        if given.processes != 0 { new.processes = given.processes }
        if given.cpuQuotaUs != 0 { new.cpuQuotaUs = given.cpuQuotaUs }
        if given.cpuPeriodUs != 0 { new.cpuPeriodUs = given.cpuPeriodUs }
        if given.blockIoWeight != 0 { new.blockIoWeight = given.blockIoWeight }
        if given.deadlineMs != 0 { new.deadlineMs = given.deadlineMs }
        return new
    }

    // LIMIT: time between two figures of one instance, so that who asks costs little.
    private static let intervalMs: ClosedRange<UInt32> = 100...3_600_000

    package func watchUsage(
        _ request: WatchUsageRequest, context: CallContext, items: ItemSink<UsageItem>
    ) async throws(Fault) {
        let interval = request.intervalMs
        guard interval == 0 || Self.intervalMs.contains(interval) else {
            throw .invalid(
                .outOfRange, subject: "interval_ms", limit: UInt64(Self.intervalMs.lowerBound),
                actual: UInt64(interval))
        }
        let one = request.instanceID.isEmpty ? nil : try known(request.instanceID)
        var told: Set<InstanceID> = []
        while true {
            let ids = one.map { [$0] } ?? announced.keys.sorted()
            var isOver = true
            for id in ids {
                // Forgotten meanwhile, or ended and told.
                guard let phase = announced[id]?.phase else { continue }
                if phase == .ended, one == nil, !told.contains(id) { continue }
                let item = try usage(id)
                if item.phase == .ended { told.remove(id) } else { told.insert(id) }
                if item.phase != .ended { isOver = false }
                try await items.send(item)
            }
            if isOver || interval == 0 { return }
            if Task.isCancelled { throw .cancelled }
            if isStopping { throw Fault(.unavailable, subject: "sandbox-supervisor") }
            await loop.sleep(.milliseconds(Int64(interval)))
        }
    }

    private func usage(_ id: InstanceID) throws(Fault) -> UsageItem {
        let state = try state(id)
        var item = UsageItem()
        item.instanceIDBytes = id.bytes
        item.timeMs = nowMs()
        item.phase = state.phase
        item.usage = state.usage
        item.limits = state.limits
        return item
    }

    /// Samples the memory of what lives, once a second, as long as something does, and writes the
    /// sums down.
    func meter() {
        if isMetering { return }
        isMetering = true
        let (cgroups, meters) = (workplace.cgroups, workplace.meters)
        Task {
            while !isStopping {
                let ids = living.filter { $0.value.pidfd != nil }.map(\.key)
                if ids.isEmpty { break }
                let bytes = await loop.runBlocking { ids.map { cgroups.memoryBytes($0) } }
                let now = nowMs()
                for (id, bytes) in zip(ids, bytes) where living[id]?.isEnding == false {
                    living[id]?.memory.sample(bytes, atMs: now)
                }
                let sums = living.map { ($0.key, $0.value.memory) }
                await loop.runBlocking { meters.write(sums) }
                await loop.sleep(Self.meterInterval)
            }
            isMetering = false
        }
    }

    // LIMIT: time between two samples of memory; one small read per instance each.
    private static let meterInterval = Duration.seconds(1)

    package func openListeners(
        _ request: OpenListenersRequest, context: CallContext
    ) async throws(Fault) -> (OpenListenersReply, Parcel) {
        let id = try known(request.instanceID)
        guard (1...Int(Self.socketsMax)).contains(request.endpoints.count) else {
            throw .invalid(
                .outOfRange, subject: "endpoints", limit: UInt64(Self.socketsMax),
                actual: UInt64(request.endpoints.count))
        }
        guard request.transport == .tcp || request.transport == .udp else {
            throw .invalid(.outOfRange, subject: "transport")
        }
        let kind: Socket.Kind = request.transport == .udp ? .datagram : .stream
        guard let network = living[id]?.network, living[id]?.isEnding == false else {
            throw Fault(.endedEarly, subject: "\(id)")
        }
        let parcel = Parcel()
        for asked in request.endpoints {
            guard Self.isInside(asked.address), let port = UInt16(exactly: asked.port) else {
                throw .invalid(.outOfRange, subject: "endpoints")
            }
            let endpoint = IPv4Endpoint(address: asked.address, port: port)
            let listener = LaunchPlan.Listener(
                address: endpoint.address, port: port, isDatagram: kind == .datagram)
            do throws(Errno) {
                if let held = living[id]?.listening.removeValue(forKey: listener) {
                    parcel.append(try held.descriptor.duplicate())
                    continue
                }
                let made = try gate.listener(inside: network, kind, at: endpoint)
                parcel.append(try made.descriptor.duplicate())
            } catch .addressInUse {
                throw Fault(.alreadyExists, subject: "\(endpoint)")
            } catch {
                throw Fault(.unavailable, subject: "\(endpoint): \(error.name)")
            }
        }
        return (OpenListenersReply(), parcel)
    }

    // LIMIT: how long a socket that listened before the start is held for whoever wanted it; who
    // connected to it is reset then, as where nobody listens.
    private static let heldTime = Duration.seconds(10)

    /// Takes what the witness listens on, until it is asked for.
    func hold(_ id: InstanceID, _ sockets: Parcel?) {
        guard let sockets else { return }
        for (place, listener) in (living[id]?.listeners ?? []).enumerated() {
            guard let socket = sockets.take(place) else { continue }
            living[id]?.listening[listener] = SharedDescriptor(socket)
        }
        living[id]?.heldTimer = loop.schedule(after: Self.heldTime) { [weak self] in
            self?.assumeIsolated { $0.living[id]?.listening = [:] }
        }
    }

    /// 127.0.0.0/8 and 10.64.0.0/10: what the loopback inside has.
    static func isInside(_ address: UInt32) -> Bool {
        address >> 24 == 127 || address >> 22 == 0x0A40_0000 >> 22
    }
}
