import Channel
import FoundationEssentials
package import Interfaces
import Syscalls

/// What the maintainer sees of networks: what the policy says, who has which, and what answers.
extension GatewayService {
    // LIMIT: 5 s for a tested peer to take a connection.
    private static let testPatience = Duration.seconds(5)

    package func listNetworks(
        _ caller: GatewayCaller, items: Items<NetworkRecord>
    ) async throws(Fault) {
        guard caller.isMaintainer else { throw GatewayFault.forbidden("networks") }
        var records: [String: NetworkRecord] = [:]
        for network in networks.policy.named {
            var record = record(network.name)
            record.endpoints = network.endpoints.map(\.text)
            record.protocols = network.protocols
            records[network.name.lowercased()] = record
        }
        for (id, entry) in networks.entries.sorted(by: { $0.key < $1.key }) {
            for (index, network) in entry.member.networks.enumerated() {
                let given = UInt32(entry.grants.count { $0.network == index })
                for tag in network.tags {
                    var record = records[tag.lowercased()] ?? record(tag)
                    if record.instanceIds.last.map(Array.init) != id.bytes {
                        record.instanceIds.append(Data(id.bytes))
                    }
                    record.granted += given
                    records[tag.lowercased()] = record
                }
            }
        }
        for (_, record) in records.sorted(by: { $0.key < $1.key }) { try await items.send(record) }
    }

    private func record(_ tag: String) -> NetworkRecord {
        var record = NetworkRecord()
        record.name = tag
        (record.verdict, record.pattern) = said([tag])
        return record
    }

    private func said(_ tags: [String]) -> (NetworkVerdict, String) {
        switch networks.policy.verdict(tags) {
        case .denied(let pattern): (.denied, pattern)
        case .allowed(let tags):
            (
                .allowed,
                networks.policy.allow.first { glob in tags.contains(where: glob.matches) }?.text
                    ?? ""
            )
        // Answers to names are the node's own: nobody has to allow them.
        case .unnamed where tags.contains { NetworkTag.same($0, NetworkBook.namesTag) }:
            (.allowed, "")
        case .unnamed: (.unnamed, "")
        }
    }

    package func testNetwork(
        _ request: TestNetworkRequest, by caller: GatewayCaller
    ) async throws(Fault) -> TestNetworkReply {
        guard caller.isMaintainer else { throw GatewayFault.forbidden("networks") }
        try Self.check(request.tags)
        if !request.protocols.isEmpty { try Self.check(request.protocols) }
        var reply = TestNetworkReply()
        (reply.verdict, reply.pattern) = said(request.tags)
        let member = NetworkMember(
            networks: [
                NetworkMember.Membership(
                    tags: request.tags, protocols: request.protocols.map { [$0] })
            ], slots: [])
        guard let nobody = InstanceID([UInt8](repeating: 0, count: 16)) else { return reply }
        let entry = networks.joining(nobody, member) { machine.activities[$0] == .serving }
        for grant in entry.grants {
            if let peer = await tested(grant) { reply.peers.append(peer) }
        }
        return reply
    }

    private func tested(_ grant: NetworkGrant) async -> TestedPeer? {
        var peer = TestedPeer()
        peer.transport = grant.transport
        switch grant.peer {
        case .names: return nil
        case .slot(let id, let slot):
            peer.instanceIDBytes = id.bytes
            peer.slot = UInt32(slot.port)
        case .outside(let endpoint):
            peer.endpoint = endpoint.text
            var target = endpoint.address
            if target == nil {
                let host = endpoint.host
                let found = await loop.runBlocking { HostLookup.addresses(of: host) }
                target = found.first.map { IPv4Endpoint(address: $0, port: endpoint.hostPort) }
            }
            guard let target else {
                peer.failure = "no such name"
                return peer
            }
            peer.address = target.host
            guard grant.transport == .tcp else { return peer }
            let began = Clock.monotonicNanoseconds()
            if let failure = await connectionFailure(target) {
                peer.failure = failure.name
            } else {
                peer.connectUs = UInt32(
                    clamping: max(1, (Clock.monotonicNanoseconds() - began) / 1_000))
            }
        }
        return peer
    }

    /// - Returns: nil where a connection was taken.
    private func connectionFailure(_ target: IPv4Endpoint) async -> Errno? {
        do throws(Errno) {
            let socket = SharedDescriptor(try InternetSocket.make())
            if try InternetSocket.connect(socket.descriptor, to: target) { return nil }
            let patience = Self.testPatience
            return await suspend(starting: { asleep in
                Attempt(socket: socket, asleep: asleep, loop: loop).begin(patience)
            })
        } catch {
            return error
        }
    }

    /// A connection on its way; says once how it went.
    private final class Attempt {
        private let socket: SharedDescriptor
        private let loop: EventLoop
        private var asleep: Suspended<Errno?>?
        private var watch: WatchToken?
        private var alarm: TimerToken?

        init(
            socket: SharedDescriptor, asleep: Suspended<Errno?>, loop: EventLoop
        ) {
            self.socket = socket
            self.asleep = asleep
            self.loop = loop
        }

        func begin(_ patience: Duration) {
            alarm = loop.schedule(after: patience) { [self] in finish(.timedOut) }
            do throws(Errno) {
                watch = try loop.watch(socket.descriptor, .writable) { [self] _ in
                    finish(try? Socket.takeError(socket.descriptor))
                }
            } catch {
                finish(error)
            }
        }

        private func finish(_ outcome: Errno?) {
            if let watch { loop.unwatch(watch) }
            if let alarm { loop.cancel(alarm) }
            watch = nil
            alarm = nil
            asleep?.resume(outcome)
            asleep = nil
        }
    }
}
