import Channel
package import Interfaces
import Logging
import Syscalls

/// Who of a family can be reached by whom, and what passes through the slots of all.
extension GatewayService {
    // LIMIT: 16 sockets in one answer: the most a frame carries.
    private static let listenersMax = 16
    // LIMIT: what passed through slots is written down every 10 s while it changes, and at the end.
    private static let countPeriod = Duration.seconds(10)

    package func introduce(
        _ request: IntroduceServiceRequest, by caller: GatewayCaller
    ) async throws(Fault) -> ServiceInstance {
        let id = try find(request.instance, caller, .tunnel)
        let sibling = try find(request.to, caller, .all)
        let entrance = try machine.introduction(of: id, to: sibling)
        try await enter(id, machine.records[id]?.slots ?? [], entrance)
        await settle(submit(machine.introduced(id, to: sibling)))
        guard let view = sightings[id]?.view, view.state.phase != .ended else {
            throw GatewayFault.noInstance(id.description)
        }
        return view
    }

    func enter(
        _ id: InstanceID, _ slots: [RelayedSlot], _ entrances: [FamilyEntrance]
    ) async {
        do throws(Fault) {
            for entrance in entrances { try await enter(id, slots, entrance) }
            tell(.listening(id, slots))
        } catch {
            logger.notice("\(id) cannot be reached by its family: \(error)")
            tell(.listenFailed(id, error))
        }
    }

    /// Makes an entrance, as far as it is not there: at the declared ports, or at others where those are
    /// taken, or will be.
    private func enter(
        _ id: InstanceID, _ slots: [RelayedSlot], _ entrance: FamilyEntrance
    ) async throws(Fault) {
        if entrance.isShifted || !machine.areAwaited(slots, inside: entrance.inside) {
            do throws(Fault) {
                return try await open(id, slots, entrance)
            } catch {
                guard error.code == .alreadyExists, !entrance.isShifted else { throw error }
            }
        }
        // Somebody may have asked for the same meanwhile, and have it.
        let now = relay.reachable(id, inside: entrance.inside)
        guard !slots.allSatisfy({ now.contains($0.key) }) else { return }
        relay.close(id, inside: entrance.inside)
        var shifted = entrance
        shifted.isShifted = true
        try await open(id, slots, shifted)
        tell(.shifted(id, inside: entrance.inside))
    }

    private func open(
        _ id: InstanceID, _ slots: [RelayedSlot], _ entrance: FamilyEntrance
    ) async throws(Fault) {
        for transport in [Transport.tcp, .udp] {
            let known = relay.reachable(id, inside: entrance.inside)
            var missing = slots.filter { $0.transport == transport && !known.contains($0.key) }
            while !missing.isEmpty {
                let batch = Array(missing.prefix(Self.listenersMax))
                missing.removeFirst(batch.count)
                let sockets = try await listeners(
                    inside: entrance.inside, transport, batch.map { entrance.endpoint(of: $0) })
                try lead(sockets, to: id, batch, entrance)
            }
        }
    }

    /// Sockets bound inside an instance, in the order of their endpoints; at most 16.
    func listeners(
        inside id: InstanceID, _ transport: Transport, _ endpoints: [IPv4Endpoint]
    ) async throws(Fault) -> Parcel {
        var request = OpenListenersRequest()
        request.instanceIDBytes = id.bytes
        request.transport = transport
        request.endpoints = endpoints.map {
            var endpoint = Endpoint()
            endpoint.address = $0.address
            endpoint.port = UInt32($0.port)
            return endpoint
        }
        return try await sandbox.openListeners(request, deadline: .seconds(5)).1
    }

    private func lead(
        _ sockets: Parcel, to id: InstanceID, _ slots: [RelayedSlot], _ entrance: FamilyEntrance
    ) throws(Fault) {
        for (index, slot) in slots.enumerated() {
            guard let socket = sockets.take(index) else {
                throw Fault(.internal, reason: .badDescriptor, subject: "OpenListeners")
            }
            do throws(Errno) {
                let target = RelayTarget.slot(id, slot.key)
                let made = try relay.lead(
                    socket, inside: entrance.inside, transport: slot.transport, to: target)
                guard made != nil else { throw .noEntry }
            } catch .noEntry {
                throw GatewayFault.noInstance(id.description)
            } catch {
                throw GatewayFault.internalError("listen: \(error.name)")
            }
        }
    }

    // MARK: Counts

    func countLater() {
        guard countAlarm == nil else { return }
        countAlarm = loop.schedule(after: Self.countPeriod) { [weak self] in
            self?.assumeIsolated {
                $0.countAlarm = nil
                $0.count()
                if !$0.machine.activities.isEmpty { $0.countLater() }
            }
        }
    }

    /// Tells the registry what passed until now.
    func count() {
        var counts: [InstanceID: [SlotCount]] = [:]
        for (id, record) in machine.records where machine.activities[id] == .serving {
            let now = relay.traffic(id)
            guard now != record.counts, now.contains(where: { $0.connections > 0 }) else {
                continue
            }
            counts[id] = now
        }
        if !counts.isEmpty { tell(.counted(counts)) }
    }
}

extension RegistryEvent {
    /// The instance whose processes are gone with this event: nothing more passes through its slots.
    var endsRelay: InstanceID? {
        switch self {
        case .observed(let id, let state) where state.phase == .ended: id
        case .watchLost(let id, let fault) where fault.code == .notFound: id
        case .stopFailed(let id, let fault) where fault.code == .notFound: id
        default: nil
        }
    }
}
