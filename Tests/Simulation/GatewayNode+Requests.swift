// What the gateway of a run answers.

import Channel
import Interfaces
import gateway_broker

extension GatewayNode {
    func answer(_ request: SimRequest) {
        let name = request.method.name
        do throws(Fault) {
            switch name {
            case "StartService": try startService(request)
            case "StopService": try stopService(request)
            case "WatchService": try watchService(request)
            case "OpenTunnel": try tunnel(request)
            case "GrantToken": try grantToken(request)
            case "RevokeToken": try revokeToken(request)
            default: throw Fault(.unknownMethod)
            }
        } catch {
            request.fault(error)
        }
    }

    /// Uids from here on are instances, by the number the node knows them by.
    static let instanceUIDs: UInt32 = 1 << 30

    private func caller(_ request: SimRequest) -> GatewayCaller {
        let uid = request.link.uid
        if uid >= Self.instanceUIDs, let bytes = node.host.family(uid),
            let id = InstanceID(bytes)
        {
            return .instance(id)
        }
        return .user(uid: uid, isMaintainer: false)
    }

    private func read<M>(_ message: M?) throws(Fault) -> M {
        guard let message else { throw .invalid(.malformed, subject: "request") }
        return message
    }

    // MARK: Start

    private func startService(_ request: SimRequest) throws(Fault) {
        let message: StartServiceRequest = try read(request.message())
        let caller = caller(request)
        let order = try order(message, caller)
        let (id, target) = try start(order, isMaintainer: false)
        let watcher = try addWatcher(id)
        world.say { "gateway: start \(order.key.prefix(2)) by \(request.link.uid) is \(id.short)" }
        request.onEnd = { [weak self] _ in self?.removeWatcher(id, watcher) }
        settle(target) { [self] in
            guard !request.isOver else { return }
            if let refusal = takeRefusal(id) {
                removeWatcher(id, watcher)
                return request.fault(refusal)
            }
            guard let seen = sightings[id] else {
                removeWatcher(id, watcher)
                return request.fault(Fault(.unavailable, subject: "gateway-broker"))
            }
            var item = StartServiceItem()
            item.accepted = seen.view
            node.judge.tellsAccepted(id)
            request.item(item)
            follow(request, id, watcher, seen)
        }
    }

    private func order(
        _ message: StartServiceRequest, _ caller: GatewayCaller
    ) throws(Fault) -> StartOrder {
        switch caller {
        case .instance(let parent):
            guard let record = machine.records[parent] else { throw Fault(.notFound) }
            return try StartCheck.order(
                message, owner: record.owner, parent: parent, id: freshID(isChild: true))
        case .user(let uid, _):
            return try StartCheck.order(message, owner: uid, parent: nil, id: freshID())
        default: throw Fault(.forbidden)
        }
    }

    private func follow(
        _ request: SimRequest, _ id: InstanceID, _ watcher: SimWatcher, _ first: Sighting
    ) {
        var last: Sighting?
        let see: (Sighting) -> Void = { [self] seen in
            guard !request.isOver, seen != last else { return }
            last = seen
            var item = StartServiceItem()
            switch seen.outcome {
            case .started, .ended:
                item.started.instance = seen.view
                item.started.token = tokens.token(of: id)
                node.judge.tellsStarted(id, seen.view)
                removeWatcher(id, watcher)
                request.item(item)
                request.end()
                if world.has(.answerTwice), world.random.below(4) == 0 {
                    // Whoever saw the end of the stream first said it, and the other says it, too.
                    request.endAgain()
                }
            case .failed(let fault):
                removeWatcher(id, watcher)
                request.fault(fault)
            case nil:
                // The last sixteen that nobody had room for are kept; here: the first.
                guard request.unsentCount < limits.unseenChanges else { return }
                item.changed = seen.view
                request.item(item)
            }
        }
        watcher.onNews = see
        watcher.onEnd = { [self] fault in
            removeWatcher(id, watcher)
            request.fault(fault)
        }
        last = first.outcome == nil ? first : nil
        if first.outcome != nil { see(first) }
    }

    // MARK: Stop and watch

    private func stopService(_ request: SimRequest) throws(Fault) {
        let message: StopServiceRequest = try read(request.message())
        let id = try find(message.instance, caller(request), .stop)
        let watcher = try addWatcher(id)
        request.onEnd = { [weak self] _ in self?.removeWatcher(id, watcher) }
        tell(.stopAsked(id, grace: message.graceMs))
        guard !life.isOver else { return }
        let see: (Sighting) -> Void = { [self] seen in
            guard seen.view.state.phase == .ended, !request.isOver else { return }
            removeWatcher(id, watcher)
            var reply = StopServiceReply()
            reply.instance = seen.view
            reply.refund = "0"
            node.judge.tellsEnded(id)
            request.reply(reply)
        }
        watcher.onNews = see
        watcher.onEnd = { [self] fault in
            removeWatcher(id, watcher)
            request.fault(fault)
        }
        guard let seen = sightings[id] else {
            removeWatcher(id, watcher)
            throw Fault(.notFound)
        }
        see(seen)
    }

    private func watchService(_ request: SimRequest) throws(Fault) {
        let message: WatchServiceRequest = try read(request.message())
        let id = try find(message.instance, caller(request), .observe)
        guard let first = sightings[id] else { throw Fault(.notFound) }
        let watcher = try addWatcher(id)
        request.onEnd = { [weak self] _ in self?.removeWatcher(id, watcher) }
        var last: Sighting?
        let see: (Sighting) -> Void = { [self] seen in
            guard seen != last, !request.isOver else { return }
            last = seen
            let isEnd = seen.view.state.phase == .ended
            guard isEnd || request.unsentCount < limits.unseenChanges else { return }
            request.item(seen.view)
            guard isEnd else { return }
            removeWatcher(id, watcher)
            request.end()
        }
        watcher.onNews = see
        watcher.onEnd = { [self] fault in
            removeWatcher(id, watcher)
            request.fault(fault)
        }
        see(first)
    }

    private func tunnel(_ request: SimRequest) throws(Fault) {
        let message: OpenTunnelRequest = try read(request.message())
        let id = try find(message.instance, caller(request), .tunnel)
        guard let end = openTunnel(id) else { throw Fault(.notFound) }
        request.reply(OpenTunnelReply(), descriptors: [end])
    }

    // MARK: Tokens

    func find(
        _ reference: InstanceReference, _ caller: GatewayCaller, _ scope: TokenScopes
    ) throws(Fault) -> InstanceID {
        switch reference.reference {
        case .token(let text):
            guard let digest = TokenBook.digest(ofText: text) else { throw Fault(.forbidden) }
            if let grant = grants.find(digest), case .instance(let id, let scopes) = grant.kind {
                guard scopes.isSuperset(of: scope) else { throw Fault(.forbidden) }
                return id
            }
            let id = try machine.find(.token(digest))
            guard !grants.isRevoked(id) else { throw Fault(.forbidden) }
            return id
        case .instance(let text): return try machine.find(.instance(text, caller))
        case nil: throw Fault(.invalid)
        }
    }

    private func grantToken(_ request: SimRequest) throws(Fault) {
        let message: GrantTokenRequest = try read(request.message())
        let scopes = try TokenScopes(message.scopes)
        let caller = caller(request)
        let id = try find(message.instance, caller, .all)
        let key = TokenBook.digest(ofParts: [Array("\(request.link.uid)".utf8), message.keyBytes])
        let content = TokenBook.digest(ofParts: [id.bytes, [scopes.rawValue]])
        var reply = GrantTokenReply()
        let done: (Fault?) -> Void = { fault in
            if let fault { request.fault(fault) } else { request.reply(reply) }
        }
        if let known = try grants.made(key: key, request: content) {
            reply.token = tokens.grantToken(of: known.id)
            if grants.isStored(known.id) { return done(nil) }
            return keep(add: [known], remove: [], done)
        }
        let kind = Grant.Kind.instance(id, scopes)
        try grants.check(kind)
        let fresh = freshID()
        let made = Grant(
            id: fresh, kind: kind, digest: tokens.grantDigest(of: fresh), key: key,
            request: content, addedAt: world.wallMilliseconds)
        reply.token = tokens.grantToken(of: fresh)
        keep(add: [made], remove: [], done)
    }

    private func revokeToken(_ request: SimRequest) throws(Fault) {
        let message: RevokeTokenRequest = try read(request.message())
        guard let digest = TokenBook.digest(ofText: message.token) else {
            throw Fault(.forbidden)
        }
        let done: (Fault?) -> Void = { fault in
            if let fault { request.fault(fault) } else { request.reply(RevokeTokenReply()) }
        }
        if let grant = grants.find(digest) {
            keep(add: [], remove: [grant.id], done)
        } else if let left = grants.leaving(digest) {
            keep(add: [], remove: [left], done)
        } else if let id = try? machine.find(.token(digest)),
            !grants.isRevoked(id) || !grants.isStored(id)
        {
            let made = Grant(
                id: id, kind: .revoked(id), digest: digest, key: id.bytes, request: [],
                addedAt: world.wallMilliseconds)
            keep(add: [made], remove: [], done)
        } else {
            done(nil)
        }
    }

    private func keep(add: [Grant], remove: [InstanceID], _ done: @escaping (Fault?) -> Void) {
        let orphans = grants.orphans { machine.records[$0] != nil }.sorted()
        for id in remove + orphans { grants.remove(id) }
        for grant in add where !grants.isStored(grant.id) { grants.insert(grant) }
        let gone = (remove + orphans).map { SimTable<InstanceID, Grant>.Operation.delete($0) }
        let made = add.map { SimTable<InstanceID, Grant>.Operation.put($0.id, $0) }
        grantStore.apply(gone + made, life) { [self] failure in
            guard failure != nil else {
                grants.stored(add: add, remove: remove + orphans)
                return done(nil)
            }
            grants.failed(add: add)
            done(Fault(.storageFull))
        }
    }
}
