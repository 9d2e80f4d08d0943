import Channel
import Interfaces
import Logging
import Syscalls

/// The HTTP door inside each instance, at the address its configuration file names.
extension GatewayService {
    /// To be called before requests are taken.
    package func use(_ door: HTTPDoor) {
        self.door = door
    }

    // LIMIT: 16 sockets that listen before the entrypoint begins: what the supervisor takes. The door is
    // the first; peers past them listen some milliseconds later.
    private static let listenersMax = 16

    /// What an instance's configuration file tells it of: its first instruction may connect there.
    /// Nothing of it is at a port of the instance's own slots.
    func listenersAtStart(_ id: InstanceID, slots: [RelayedSlot]) -> [InstanceListener] {
        var places: [(IPv4Endpoint, Transport)] = []
        if door != nil {
            let port = GatewayAddress.port(besides: slots)
            places.append((IPv4Endpoint(address: GatewayAddress.address, port: port), .tcp))
        }
        for grant in networks.entries[id]?.grants ?? [] {
            places += grant.ends.map { ($0, grant.transport) }
        }
        return places.prefix(Self.listenersMax).map { place, transport in
            var listener = InstanceListener()
            listener.endpoint.address = place.address
            listener.endpoint.port = UInt32(place.port)
            listener.transport = transport
            return listener
        }
    }

    /// The supervisor says that an instance has its namespaces: a door can be there.
    func openDoor(_ id: InstanceID, _ phase: Phase) {
        guard phase == .starting || phase == .ready, let door, !door.isOpen(.inside(id)),
            doorsOnTheirWay.insert(id).inserted
        else { return }
        begin(.openDoor(id))
    }

    func openDoor(_ id: InstanceID) async {
        defer { doorsOnTheirWay.remove(id) }
        guard let door, let record = machine.records[id] else { return }
        let here = IPv4Endpoint(
            address: GatewayAddress.address, port: GatewayAddress.port(besides: record.slots))
        do {
            guard let socket = try await listeners(inside: id, .tcp, [here]).take(0) else { return }
            try await door.open(.inside(id), socket)
        } catch {
            logger.notice("\(id) has no door: \(error)")
            if let fault = error as? Fault, GatewayFault.isTransient(fault) { openDoorLater(id) }
        }
        // Over meanwhile: nobody else closes it.
        if machine.activities[id] == nil { door.close(.inside(id)) }
    }

    // LIMIT: 1 s between two attempts while the supervisor is away or busy. Its next word on the instance
    // may have come while the first one was under way, and no other comes before the end.
    private static let doorPause = Duration.seconds(1)

    private func openDoorLater(_ id: InstanceID) {
        _ = loop.schedule(after: Self.doorPause) { [weak self] in
            self?.assumeIsolated { service in
                guard service.machine.activities[id] != nil else { return }
                service.openDoor(id, .ready)
            }
        }
    }
}
