package import Interfaces
import Logging
import Syscalls

/// The operations. A door for another protocol is another adapter over these.
extension GatewayService: GatewayBrokerHandler {
    package func startService(
        _ request: StartServiceRequest, context: CallContext, items: ItemSink<StartServiceItem>
    ) async throws(Fault) {
        guard let fresh = InstanceID(Random.bytes(16)) else {
            throw GatewayFault.internalError("random")
        }
        let order = try StartCheck.order(request, owner: context.uid, id: fresh)
        let (id, step) = try machine.start(
            order, isMaintainer: context.role == .admin, now: moment)
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

    package func stopService(
        _ request: StopServiceRequest, context: CallContext
    ) async throws(Fault) -> StopServiceReply {
        let id = try find(request.instance, context)
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
        return reply
    }

    package func listServices(
        _ request: ListServicesRequest, context: CallContext, items: ItemSink<ServiceInstance>
    ) async throws(Fault) {
        let usage = await usageNow()
        let shown = sightings.values.map(\.view).filter { view in
            (context.role == .admin || view.ownerUid == context.uid)
                && (request.ended || view.state.phase != .ended)
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
    private func usageNow() async -> [InstanceID: Usage] {
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

    package func readServiceOutput(
        _ request: ReadServiceOutputRequest, context: CallContext, items: ItemSink<OutputItem>
    ) async throws(Fault) {
        let id = try find(request.instance, context)
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

    package func watchService(
        _ request: WatchServiceRequest, context: CallContext, items: ItemSink<ServiceInstance>
    ) async throws(Fault) {
        let id = try find(request.instance, context)
        let watcher = try addWatcher(id)
        defer { removeWatcher(id, watcher) }
        guard var seen = sightings[id] else { throw GatewayFault.noInstance(id.description) }
        while true {
            try await items.send(seen.view)
            if seen.view.state.phase == .ended { return }
            seen = try await watcher.next(after: seen)
        }
    }

    /// The instance a request is about, if the caller shows a right to it.
    private func find(
        _ reference: InstanceReference, _ context: CallContext
    ) throws(Fault) -> InstanceID {
        switch reference.reference {
        case .token(let text):
            guard let digest = TokenBook.digest(ofText: text) else {
                throw GatewayFault.wrongToken()
            }
            return try machine.find(.token(digest))
        case .instance(let text):
            return try machine.find(
                .instance(text, user: context.uid, isMaintainer: context.role == .admin))
        case nil:
            throw GatewayFault.missing("instance")
        }
    }
}
