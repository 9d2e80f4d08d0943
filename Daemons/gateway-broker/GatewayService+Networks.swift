import Channel
package import Interfaces
import Logging
import Syscalls

/// Networks: what a new instance is given, what one asks for later, and the ways there.
extension GatewayService {
    // LIMIT: names of hosts are looked up again every 30 s while a way leads to them; ways that could
    // not be opened are tried again as often.
    private static let lookUpPeriod = Duration.seconds(30)
    // LIMIT: 16 tags of at most 128 bytes in a question.
    private static let tagsMax = 16

    // MARK: Giving

    /// What a new instance is given, durable before its configuration file says so.
    func join(_ record: InstanceRecord, _ terms: BoxTerms) async throws(Fault) -> NetworkBook.Entry
    {
        let member = NetworkMember(
            terms, environment: record.wishes?.environment ?? [],
            within: networks.ceiling(of: record.parent)
        ) { TokenBook.digest(ofParts: [Array("celaut network group".utf8), $0]) }
        let entry = networks.joining(record.id, member) { machine.activities[$0] == .serving }
        // Who asks for nothing is nobody's peer, and its children have nothing.
        guard !member.networks.isEmpty else { return entry }
        networks.set(record.id, entry)
        do throws(Fault) {
            try await keepNetworks([record.id])
        } catch {
            leaveNetworks(record.id)
            throw error
        }
        // Over meanwhile: nobody else takes it out.
        if machine.activities[record.id] == nil { leaveNetworks(record.id) }
        return entry
    }

    /// Writes down what the book says of these, and forgets whom it knows no more.
    private func keepNetworks(_ ids: [InstanceID]) async throws(Fault) {
        let put = networks.entries.filter { ids.contains($0.key) }
        let remove = Array(networksLeft)
        networksLeft = []
        let storage = storage
        do throws(StorageFailure) {
            try await loop.runBlocking { () throws(StorageFailure) in
                try storage.apply(put: put, remove: remove)
            }
        } catch {
            networksLeft.formUnion(remove)
            logger.error("the networks cannot be written: \(error)")
            throw error == .full
                ? GatewayFault.storageFull() : GatewayFault.internalError("networks")
        }
    }

    /// Takes up what was written down.
    func restoreNetworks() throws(StorageFailure) {
        for (id, entry) in try storage.loadNetworks() {
            guard machine.activities[id] != nil else {
                networksLeft.insert(id)
                continue
            }
            var entry = entry
            entry.grants.removeAll { grant in
                grant.instance.map { machine.activities[$0] == nil } ?? false
            }
            networks.restore(id, entry)
        }
    }

    /// An instance is over: what led from it and to it is gone.
    func leaveNetworks(_ id: InstanceID) {
        if networks.entries[id] != nil { networksLeft.insert(id) }
        for other in networks.leave(id) {
            guard var known = ways.ways[other] else { continue }
            let left = networks.entries[other]?.grants ?? []
            known.entrances = known.entrances.filter { left.contains($0.key) }
            ways.ways[other] = known
        }
        let known = ways.ways.removeValue(forKey: id)
        known?.names?.close()
        for waiter in known?.waiters ?? [] { waiter.resume() }
    }

    package func resolve(
        _ request: ResolveNetworkRequest, by caller: GatewayCaller
    ) async throws(Fault) -> ResolveNetworkReply {
        let id = try asker(request, caller)
        try Self.check(request.tags)
        guard machine.activities[id] != nil else { throw GatewayFault.noInstance(id.description) }
        let before = networks.entries[id]
        let (entry, found) = try networks.resolving(request.tags, for: id) {
            machine.activities[$0] == .serving
        }
        if entry != before {
            networks.set(id, entry)
            try await keepNetworks([id])
        }
        await openWays(id)
        var reply = ResolveNetworkReply()
        for grant in found where ways.isOpen(grant, id) {
            var peer = NetworkPeer()
            peer.host = grant.inside.host
            peer.port = UInt32(grant.inside.port)
            peer.transport = grant.transport
            peer.name = grant.name ?? ""
            reply.peers.append(peer)
        }
        return reply
    }

    /// Whom a question is for: an instance asks for itself, and for its descendants as their owner.
    private func asker(
        _ request: ResolveNetworkRequest, _ caller: GatewayCaller
    ) throws(Fault) -> InstanceID {
        if case .instance(let id) = caller, request.instance.reference == nil { return id }
        return try find(request.instance, caller, .modify)
    }

    static func check(_ tags: [String]) throws(Fault) {
        guard !tags.isEmpty else { throw GatewayFault.missing("tags") }
        guard tags.count <= tagsMax else {
            throw GatewayFault.tooLarge("tags", limit: tagsMax, actual: tags.count)
        }
        for tag in tags where tag.utf8.count > Glob.bytesMax {
            throw GatewayFault.nameTooLong("tags", limit: Glob.bytesMax, actual: tag.utf8.count)
        }
    }

    // MARK: Ways

    /// The supervisor says that an instance has its namespaces: its ways can be opened.
    func reachOut(_ id: InstanceID, _ phase: Phase) {
        guard phase == .starting || phase == .ready, let entry = networks.entries[id],
            !ways.missing(entry.grants, id).isEmpty
        else { return }
        begin(.openWays(id))
    }

    /// Opens what the book says and is not open; one after the other for each instance.
    func openWays(_ id: InstanceID) async {
        while ways.ways[id]?.isOpening == true {
            await suspend(
                unless: { ways.ways[id]?.isOpening != true },
                keep: { ways.ways[id]?.waiters.append($0) })
        }
        guard let entry = networks.entries[id] else { return }
        let missing = ways.missing(entry.grants, id)
        guard !missing.isEmpty else { return }
        ways.ways[id, default: NetworkWays.Ways()].isOpening = true
        await lookUp(NetworkWays.names(missing).subtracting(ways.addresses.keys))
        for grant in missing { await openWay(grant, id) }
        ways.ways[id]?.isOpening = false
        let waiters = ways.ways[id]?.waiters ?? []
        ways.ways[id]?.waiters = []
        for waiter in waiters { waiter.resume() }
        keepLooking()
    }

    private func openWay(_ grant: NetworkGrant, _ id: InstanceID) async {
        let target = ways.target(grant)
        guard target != nil || grant.peer == .names else { return }
        do throws(Fault) {
            let sockets = try await listeners(inside: id, grant.transport, grant.ends)
            guard networks.entries[id]?.grants.contains(grant) == true else { return }
            try lead(grant, id, sockets, target)
        } catch {
            logger.notice("\(id) has no way to \(grant.inside): \(error)")
            if error.code == .alreadyExists { ways.ways[id]?.refused.insert(grant) }
        }
    }

    private func lead(
        _ grant: NetworkGrant, _ id: InstanceID, _ sockets: Parcel, _ target: RelayTarget?
    ) throws(Fault) {
        do throws(Errno) {
            guard let target else {
                let server = NameServer(loop: loop, shop: relay.shop) { [weak self] name in
                    self?.assumeIsolated { $0.networks.addresses(of: name, for: id) }
                }
                for index in 0..<sockets.count {
                    if let socket = sockets.take(index) { try server.listen(socket) }
                }
                ways.ways[id]?.names = server
                return
            }
            guard let socket = sockets.take(0) else { throw .noEntry }
            let entrance = try relay.lead(
                socket, inside: id, transport: grant.transport, to: target)
            ways.ways[id]?.entrances[grant] = entrance
        } catch {
            throw GatewayFault.internalError("way: \(error.name)")
        }
    }

    // MARK: Names

    /// Asks the machine's resolver, and remembers the first address of each.
    private func lookUp(_ names: Set<String>) async {
        for name in names.sorted() {
            let found = await loop.runBlocking { HostLookup.addresses(of: name) }
            // One that cannot be looked up now stays where it was.
            if let first = found.first { ways.addresses[name] = first }
        }
    }

    private func keepLooking() {
        guard ways.alarm == nil, networks.entries.values.contains(where: { !$0.grants.isEmpty })
        else { return }
        ways.alarm = loop.schedule(after: Self.lookUpPeriod) { [weak self] in
            self?.assumeIsolated {
                $0.ways.alarm = nil
                $0.begin(.lookAgain)
            }
        }
    }

    /// Peers move, and what could not be opened perhaps can.
    func lookAgain() async {
        let grants = networks.entries.values.flatMap(\.grants)
        let names = NetworkWays.names(grants)
        await lookUp(names)
        ways.addresses = ways.addresses.filter { names.contains($0.key) }
        for (id, known) in ways.ways {
            for (grant, entrance) in known.entrances {
                if case .outside(let endpoint)? = ways.target(grant) { entrance.move(to: endpoint) }
            }
            if let entry = networks.entries[id], !ways.missing(entry.grants, id).isEmpty {
                begin(.openWays(id))
            }
        }
        keepLooking()
    }
}
