import Channel
import FoundationEssentials
package import Interfaces
import Logging
import ServiceModel
package import Syscalls

/// What an instance is and does, what a service would need, and the way to a slot.
extension GatewayService {
    // LIMIT: 100 ms to 1 h between two reports.
    private static let intervals: ClosedRange<UInt32> = 100...3_600_000
    private static let intervalDefault: UInt32 = 1_000
    // LIMIT: 40 lines that were written before somebody looked.
    private static let outputLinesFirst: UInt32 = 40
    // LIMIT: 64 connections in a report.
    private static let connectionsMax = 64

    package func inspect(
        _ request: InspectServiceRequest, by caller: GatewayCaller
    ) async throws(Fault) -> ServiceReport {
        let id = try find(request.instance, caller, .observe)
        return try await report(id)
    }

    private func report(_ id: InstanceID) async throws(Fault) -> ServiceReport {
        guard sightings[id]?.view.state.phase == .ended else {
            let usage = await usageNow()
            return try report(id, usage[id])
        }
        return try report(id, nil)
    }

    /// What passed through each slot so far.
    func traffic(_ id: InstanceID, hasEnded: Bool) -> [SlotTraffic] {
        let open = relay.open(id)
        let counts = hasEnded ? machine.records[id]?.counts ?? [] : relay.traffic(id)
        return counts.map { count in
            var slot = SlotTraffic()
            slot.slot = UInt32(count.slot.port)
            slot.transport = count.slot.transport
            slot.connections = count.connections
            slot.bytesToInstance = count.toInstance
            slot.bytesFromInstance = count.fromInstance
            slot.openConnections = UInt32(open[count.slot] ?? 0)
            return slot
        }
    }

    private func report(_ id: InstanceID, _ usage: Usage?) throws(Fault) -> ServiceReport {
        guard let seen = sightings[id] else { throw GatewayFault.noInstance(id.description) }
        var report = ServiceReport()
        report.instance = seen.view
        if seen.view.state.phase != .ended, let usage { report.instance.state.usage = usage }
        report.traffic = traffic(id, hasEnded: report.instance.state.phase == .ended)
        report.connections = relay.connections(id, max: Self.connectionsMax).map { count in
            var connection = RelayedConnection()
            connection.slot = UInt32(count.slot.port)
            connection.transport = count.slot.transport
            connection.bytesToInstance = count.toInstance
            connection.bytesFromInstance = count.fromInstance
            return connection
        }
        report.childIds = machine.liveChildren(of: id).map { Data($0.bytes) }
        return report
    }

    package func observe(
        _ request: ObserveServiceRequest, by caller: GatewayCaller, items: Items<ObserveServiceItem>
    ) async throws(Fault) {
        let id = try find(request.instance, caller, .observe)
        let interval = request.intervalMs == 0 ? Self.intervalDefault : request.intervalMs
        guard Self.intervals.contains(interval) else {
            throw GatewayFault.outOfRange(
                "interval_ms", limit: UInt64(Self.intervals.upperBound), actual: UInt64(interval))
        }
        // Both send: what is written goes out when it is, not when the next report is due.
        async let output: Void = follow(request.output ? request.instance : nil, caller, items)
        while true {
            var item = ObserveServiceItem()
            item.report = try await report(id)
            let isOver = item.report.instance.state.phase == .ended
            // All it said comes before the word that it says no more.
            if isOver { await output }
            try await items.send(item)
            if isOver { return }
            try await pause(id, .milliseconds(Int64(interval)))
        }
    }

    /// What an instance writes from now on, until it ended or nobody listens.
    private func follow(
        _ instance: InstanceReference?, _ caller: GatewayCaller, _ items: Items<ObserveServiceItem>
    ) async {
        guard let instance else { return }
        var request = ReadServiceOutputRequest()
        request.instance = instance
        request.tailLines = Self.outputLinesFirst
        request.follow = true
        do throws(Fault) {
            try await readOutput(
                request, by: caller,
                items: Items { (output: OutputItem) async throws(Fault) in
                    var item = ObserveServiceItem()
                    item.output = output
                    try await items.send(item)
                })
        } catch {
            // The reports go on, or end for the same reason.
            logger.debug("output is not observed any more: \(error)")
        }
    }

    /// Until the time is over or there is news, whichever comes first.
    private func pause(_ id: InstanceID, _ time: Duration) async throws(Fault) {
        let watcher = try addWatcher(id)
        defer { removeWatcher(id, watcher) }
        let alarm = loop.schedule(after: time) { watcher.end(Self.timeIsOver) }
        defer { loop.cancel(alarm) }
        do throws(Fault) {
            _ = try await watcher.next()
        } catch {
            guard error == Self.timeIsOver else { throw error }
        }
    }

    private static let timeIsOver = Fault(.deadlineExceeded, subject: "interval")

    package func tunnel(
        _ request: OpenTunnelRequest, by caller: GatewayCaller
    ) async throws(Fault) -> Parcel {
        let id = try find(request.instance, caller, .tunnel)
        guard let port = UInt16(exactly: request.slot) else {
            throw GatewayFault.outOfRange("slot", limit: 65_535, actual: UInt64(request.slot))
        }
        let transport = request.transport == .udp ? Transport.udp : .tcp
        switch opened(id, SlotKey(port: port, transport: transport)) {
        case .open(let end): return end
        case .noSlot: throw GatewayFault.noInstance("slot \(port)")
        case .noRoom: throw GatewayFault.limitReached("relayed-connections", relay.connections)
        }
    }

    private func opened(_ id: InstanceID, _ slot: SlotKey) -> Relay.Tunnel {
        do throws(Errno) {
            return try relay.tunnel(id, slot)
        } catch {
            logger.notice("no tunnel to \(id): \(error)")
            return .noRoom
        }
    }

    // MARK: Services

    package func estimate(
        _ request: EstimateCostRequest, by caller: GatewayCaller
    ) async throws(Fault) -> EstimateCostReply {
        let (serviceID, specification) = try await specification(of: request.service)
        guard let file = specification.take(0) else {
            throw Fault(.internal, reason: .badDescriptor, subject: "InspectBox")
        }
        let terms = try terms(file)
        var reply = EstimateCostReply()
        reply.serviceIDBytes = serviceID
        reply.atStart = try InstancePlan.limits(
            terms, LaunchWishes(memoryBytes: request.memoryBytes))
        reply.atMost.memoryBytes = terms.atMost.memoryBytes
        reply.atMost.diskBytes = terms.atMost.diskBytes
        reply.atMost.cpuQuotaUs = terms.atMost.cpuQuota
        reply.atMost.cpuPeriodUs = terms.atMost.cpuPeriod
        reply.cost = "0"
        return reply
    }

    package func specification(
        _ request: GetSpecificationRequest, by caller: GatewayCaller
    ) async throws(Fault) -> (GetSpecificationReply, Parcel) {
        let (serviceID, specification) = try await specification(of: request.service)
        var reply = GetSpecificationReply()
        reply.serviceIDBytes = serviceID
        return (reply, specification)
    }

    private func specification(of service: String) async throws(Fault) -> ([UInt8], Parcel) {
        guard !service.isEmpty else { throw GatewayFault.missing("service") }
        guard service.utf8.count <= GatewayLimits.referenceBytesMax else {
            throw GatewayFault.nameTooLong(
                "service", limit: GatewayLimits.referenceBytesMax, actual: service.utf8.count)
        }
        var inspect = InspectBoxRequest()
        inspect.box = service
        do throws(Fault) {
            let (reply, parcel) = try await boxes.inspectBox(inspect, deadline: .seconds(10))
            return (reply.summary.serviceIDBytes, parcel)
        } catch {
            throw GatewayFault.uploadable(error, service)
        }
    }

    // MARK: Bounds

    package func modify(
        _ request: ModifyServiceRequest, by caller: GatewayCaller
    ) async throws(Fault) -> ServiceInstance {
        try checkKey(request.keyBytes)
        let id = try find(request.instance, caller, .modify)
        try changes.check(
            key: TokenBook.digest(ofParts: [Array("\(caller)".utf8), request.keyBytes]),
            content: TokenBook.digest(
                ofParts: [
                    id.bytes,
                    Array(
                        "\(request.memoryBytes) \(request.cpuQuotaUs) \(request.cpuPeriodUs)".utf8),
                ]))
        guard let record = machine.records[id], machine.activities[id] != nil else {
            throw GatewayFault.noInstance(id.description)
        }
        let (_, specification) = try await specification(of: Hexadecimal.text(record.serviceID))
        guard let file = specification.take(0) else {
            throw Fault(.internal, reason: .badDescriptor, subject: "InspectBox")
        }
        let (change, after) = try InstancePlan.changed(
            record.granted ?? record.state.limits, by: request, terms: try terms(file))
        let (before, step) = try machine.regrant(id, after, now: moment)
        await settle(submit(step))
        let state: InstanceState
        do throws(Fault) {
            var update = UpdateLimitsRequest()
            update.instanceIDBytes = id.bytes
            update.limits = change
            state = try await sandbox.updateLimits(update, deadline: .seconds(30))
        } catch {
            tell(.bounded(id, before))
            throw error
        }
        tell(.bounded(id, after))
        tell(.observed(id, state))
        guard var view = sightings[id]?.view else {
            throw GatewayFault.noInstance(id.description)
        }
        view.state.limits = state.limits
        return view
    }
}
