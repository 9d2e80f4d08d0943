import Interfaces

/// Connections to the supervisor for what lasts: watches, stops with their grace time, readers of
/// output. A connection carries a bounded number of requests, so there are several; starts and
/// sockets have one of their own, which nothing that lasts can fill.
final class SupervisorLanes {
    // LIMIT: 200 of the 256 requests a connection may have open (WIRE.md §9).
    private static let perLaneMax = 200

    private let lanesMax: Int
    private let make: @Sendable () -> SandboxSupervisorClient
    private var lanes: [(client: SandboxSupervisorClient, count: Int)] = []

    init(max: Int, _ make: @escaping @Sendable () -> SandboxSupervisorClient) {
        lanesMax = max
        self.make = make
    }

    /// A place on a connection, by its number.
    func take() throws(Fault) -> Int {
        if let index = lanes.firstIndex(where: { $0.count < Self.perLaneMax }) {
            lanes[index].count += 1
            return index
        }
        guard lanes.count < lanesMax else {
            throw GatewayFault.limitReached("supervisor-requests", lanesMax * Self.perLaneMax)
        }
        lanes.append((make(), 1))
        return lanes.count - 1
    }

    func giveBack(_ lane: Int) {
        lanes[lane].count -= 1
    }

    func client(_ lane: Int) -> SandboxSupervisorClient {
        lanes[lane].client
    }
}
