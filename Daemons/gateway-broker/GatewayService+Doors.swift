import Interfaces
import Logging
import Syscalls

/// The HTTP door inside each instance, at the address its configuration file names.
extension GatewayService {
    /// To be called before requests are taken.
    package func use(_ door: HTTPDoor) {
        self.door = door
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
        guard let door else { return }
        let here = IPv4Endpoint(address: GatewayAddress.address, port: GatewayAddress.port)
        do {
            guard let socket = try await listeners(inside: id, .tcp, [here]).take(0) else { return }
            try await door.open(.inside(id), socket)
        } catch {
            logger.notice("\(id) has no door: \(error)")
        }
        // Over meanwhile: nobody else closes it.
        if machine.activities[id] == nil { door.close(.inside(id)) }
    }
}
