package import Interfaces
import Logging
import Syscalls

/// Starting, stopping and looking, as every door offers it.
extension GatewayService: GatewayOperations {
    package func start(
        _ request: StartServiceRequest, by caller: GatewayCaller, items: Items<StartServiceItem>
    ) async throws(Fault) {
        let starter = try starter(caller, request)
        guard let fresh = InstanceID(Random.bytes(16)) else {
            throw GatewayFault.internalError("random")
        }
        let order = try StartCheck.order(
            request, owner: starter.owner, parent: starter.parent,
            isAskedByParent: caller.isInstance, id: fresh)
        let (id, step) = try machine.start(
            order, isMaintainer: caller.isMaintainer, now: moment)
        let target = submit(step)
        let watcher = try addWatcher(id)
        defer { removeWatcher(id, watcher) }
        await settle(target)
        if let refusal = takeRefusal(id) { throw refusal }
        guard var seen = sightings[id] else { throw GatewayFault.stopping() }
        var item = StartServiceItem()
        item.accepted = seen.view
        try await items.send(item)
        while true {
            switch seen.outcome {
            case .started, .ended:
                item.started.instance = seen.view
                item.started.token = tokens.token(of: id)
                return try await items.send(item)
            case .failed(let fault):
                throw fault
            case nil:
                break
            }
            seen = try await watcher.next(after: seen)
            if seen.outcome == nil {
                item.changed = seen.view
                try await items.send(item)
            }
        }
    }

    package func stop(
        _ request: StopServiceRequest, by caller: GatewayCaller
    ) async throws(Fault) -> StopServiceReply {
        let id = try find(request.instance, caller, .stop)
        guard request.graceMs <= GatewayLimits.graceMax else {
            throw GatewayFault.outOfRange(
                "grace_ms", limit: UInt64(GatewayLimits.graceMax), actual: UInt64(request.graceMs))
        }
        let watcher = try addWatcher(id)
        defer { removeWatcher(id, watcher) }
        tell(.stopAsked(id, grace: request.graceMs))
        guard var seen = sightings[id] else { throw GatewayFault.noInstance(id.description) }
        while seen.view.state.phase != .ended { seen = try await watcher.next() }
        var reply = StopServiceReply()
        reply.instance = seen.view
        reply.refund = "0"
        reply.traffic = traffic(id, hasEnded: true)
        return reply
    }

    package func list(
        _ request: ListServicesRequest, by caller: GatewayCaller, items: Items<ServiceInstance>
    ) async throws(Fault) {
        let usage = await usageNow()
        let shown = sightings.values.map(\.view).filter { view in
            (request.ended || view.state.phase != .ended)
                && InstanceID(view.instanceIDBytes).map { machine.isOf($0, caller) } ?? false
        }
        let sorted = shown.sorted {
            ($0.state.acceptedAtMs, $0.name) < ($1.state.acceptedAtMs, $1.name)
        }
        for var view in sorted {
            if view.state.phase != .ended, let id = InstanceID(view.instanceIDBytes),
                let now = usage[id]
            {
                view.state.usage = now
            }
            try await items.send(view)
        }
    }

    /// What live instances use at this moment, as the supervisor says; nothing where it is away.
    func usageNow() async -> [InstanceID: Usage] {
        guard !machine.activities.isEmpty else { return [:] }
        var usage: [InstanceID: Usage] = [:]
        do throws(Fault) {
            let stream = try await sandbox.listInstances(
                ListInstancesRequest(), deadline: .seconds(2))
            while let state = try await stream.next() {
                guard let id = InstanceID(state.instanceIDBytes), machine.activities[id] != nil
                else { continue }
                usage[id] = state.usage
            }
        } catch {
            logger.debug("the supervisor does not list: \(error)")
        }
        return usage
    }

    package func readOutput(
        _ request: ReadServiceOutputRequest, by caller: GatewayCaller, items: Items<OutputItem>
    ) async throws(Fault) {
        let id = try find(request.instance, caller, .observe)
        var read = ReadOutputRequest()
        read.instanceIDBytes = id.bytes
        read.tailLines = request.tailLines
        read.follow = request.follow
        do throws(Fault) {
            let lane = try readers.take()
            defer { readers.giveBack(lane) }
            let stream = try await readers.client(lane).readOutput(read)
            // One item is taken when the one before was: the caller's credit is the supervisor's.
            while let item = try await stream.next() { try await items.send(item) }
        } catch {
            // An instance the supervisor does not have yet, or has no more, said nothing.
            guard error.code == .notFound else { throw error }
        }
    }

    package func watch(
        _ request: WatchServiceRequest, by caller: GatewayCaller, items: Items<ServiceInstance>
    ) async throws(Fault) {
        let id = try find(request.instance, caller, .observe)
        let watcher = try addWatcher(id)
        defer { removeWatcher(id, watcher) }
        guard var seen = sightings[id] else { throw GatewayFault.noInstance(id.description) }
        while true {
            try await items.send(seen.view)
            if seen.view.state.phase == .ended { return }
            seen = try await watcher.next(after: seen)
        }
    }

    /// The instance a request is about, if the caller shows a right to it that goes so far.
    func find(
        _ reference: InstanceReference, _ caller: GatewayCaller, _ scope: TokenScopes
    ) throws(Fault) -> InstanceID {
        switch reference.reference {
        case .token(let text):
            guard let digest = TokenBook.digest(ofText: text) else {
                throw GatewayFault.wrongToken()
            }
            if let grant = grants.find(digest), case .instance(let id, let scopes) = grant.kind {
                guard scopes.isSuperset(of: scope) else { throw GatewayFault.outOfScope(scope) }
                return id
            }
            let id = try machine.find(.token(digest))
            guard !grants.isRevoked(id) else { throw GatewayFault.wrongToken() }
            return id
        case .instance(let text):
            return try machine.find(.instance(text, caller))
        case nil:
            throw GatewayFault.missing("instance")
        }
    }

    /// Who owns what this caller starts, and which instance is its parent.
    private func starter(
        _ caller: GatewayCaller, _ request: StartServiceRequest
    ) throws(Fault) -> (owner: UInt32, parent: InstanceID?) {
        if request.hasParent {
            let id = try find(request.parent, caller, .all)
            guard let record = machine.records[id] else {
                throw GatewayFault.noInstance(id.description)
            }
            return (record.owner, id)
        }
        switch caller {
        case .user(let uid, _): return (uid, nil)
        case .client(let number): return (number, nil)
        case .instance(let id):
            guard let record = machine.records[id] else {
                throw GatewayFault.noInstance(id.description)
            }
            return (record.owner, id)
        case .anyone: throw GatewayFault.forbidden("start")
        }
    }
}

extension GatewayCaller {
    var isInstance: Bool {
        if case .instance = self { true } else { false }
    }

    var isMaintainer: Bool {
        if case .user(_, true) = self { true } else { false }
    }
}
