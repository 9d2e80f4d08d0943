import Channel
package import Interfaces
import Logging
import Syscalls

/// Tokens beside the first one of an instance, and clients.
extension GatewayService {
    package func identify(token: String) throws(Fault) -> GatewayCaller {
        guard let digest = TokenBook.digest(ofText: token), let grant = grants.find(digest),
            case .client(_, let number) = grant.kind
        else { throw GatewayFault.wrongToken() }
        return .client(number: number)
    }

    package func instance(token: String) throws(Fault) -> InstanceID {
        guard let digest = TokenBook.digest(ofText: token) else { throw GatewayFault.wrongToken() }
        if let grant = grants.find(digest), case .instance(let id, _) = grant.kind { return id }
        let id = try machine.find(.token(digest))
        guard !grants.isRevoked(id) else { throw GatewayFault.wrongToken() }
        return id
    }

    package func whoAmI(_ caller: GatewayCaller) throws(Fault) -> Identity {
        var identity = Identity()
        switch caller {
        case .user(let uid, let isMaintainer):
            identity.kind = isMaintainer ? .maintainer : .user
            identity.uid = uid
        case .client(let number):
            identity.kind = .client
            identity.uid = number
            identity.client = grants.client(number: number) ?? ""
        case .instance(let id):
            identity.kind = .instance
            identity.instanceIDBytes = id.bytes
        case .anyone:
            identity.kind = .anyone
        }
        return identity
    }

    package func grantToken(
        _ request: GrantTokenRequest, by caller: GatewayCaller
    ) async throws(Fault) -> GrantTokenReply {
        try checkKey(request.keyBytes)
        let scopes = try TokenScopes(request.scopes)
        // Only who has all can give a part of it.
        let instance = try find(request.instance, caller, .all)
        let grant = try await grant(
            .instance(instance, scopes), key: request.keyBytes, caller,
            content: [instance.bytes, [scopes.rawValue]])
        var reply = GrantTokenReply()
        reply.token = tokens.grantToken(of: grant.id)
        return reply
    }

    package func revokeToken(
        _ request: RevokeTokenRequest, by caller: GatewayCaller
    ) async throws(Fault) -> RevokeTokenReply {
        guard let digest = TokenBook.digest(ofText: request.token) else {
            throw GatewayFault.wrongToken()
        }
        if let grant = grants.find(digest) {
            try await keep(add: [], remove: [grant.id])
        } else if let left = grants.leaving(digest) {
            try await keep(add: [], remove: [left])
        } else if let id = try? machine.find(.token(digest)),
            !grants.isRevoked(id) || !grants.isStored(id)
        {
            let made = Grant(
                id: id, kind: .revoked(id), digest: digest, key: id.bytes, request: [],
                addedAt: moment.wallMilliseconds)
            try await keep(add: [made], remove: [])
        }
        return RevokeTokenReply()
    }

    package func addClient(
        _ request: AddClientRequest, by caller: GatewayCaller
    ) async throws(Fault) -> AddClientReply {
        guard caller.isMaintainer else { throw GatewayFault.forbidden("clients") }
        try checkKey(request.keyBytes)
        guard !request.name.isEmpty else { throw GatewayFault.missing("name") }
        try NameRule.check(request.name)
        let random = Random.bytes(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let grant = try await grant(
            .client(name: request.name, number: random | GrantBook.numberMin),
            key: request.keyBytes, caller, content: [Array(request.name.utf8)])
        var reply = AddClientReply()
        reply.client = grant.clientRecord
        reply.token = tokens.grantToken(of: grant.id)
        return reply
    }

    package func listClients(
        _ caller: GatewayCaller, items: Items<ClientRecord>
    ) async throws(Fault) {
        guard caller.isMaintainer else { throw GatewayFault.forbidden("clients") }
        for client in grants.clients.map(\.clientRecord).sorted(by: { $0.name < $1.name }) {
            try await items.send(client)
        }
    }

    package func revokeClient(
        _ request: RevokeClientRequest, by caller: GatewayCaller
    ) async throws(Fault) -> RevokeClientReply {
        guard caller.isMaintainer else { throw GatewayFault.forbidden("clients") }
        guard
            let client = grants.client(named: request.name)?.id
                ?? grants.leavingClient(named: request.name)
        else {
            throw GatewayFault.noInstance(request.name)
        }
        try await keep(add: [], remove: [client])
        return RevokeClientReply()
    }

    func checkKey(_ key: [UInt8]) throws(Fault) {
        guard GatewayLimits.keyBytes.contains(key.count) else {
            throw GatewayFault.badKey(bytes: key.count)
        }
    }

    /// The grant of a key, made if there is none yet.
    private func grant(
        _ kind: Grant.Kind, key: [UInt8], _ caller: GatewayCaller, content: [[UInt8]]
    ) async throws(Fault) -> Grant {
        let own = TokenBook.digest(ofParts: [Array("\(caller)".utf8), key])
        let request = TokenBook.digest(ofParts: content)
        if let known = try grants.made(key: own, request: request) {
            // Somebody asks again while the first answer waits for the disk.
            if !grants.isStored(known.id) { try await keep(add: [known], remove: []) }
            return known
        }
        try grants.check(kind)
        guard let id = InstanceID(Random.bytes(16)) else {
            throw GatewayFault.internalError("random")
        }
        let made = Grant(
            id: id, kind: kind, digest: tokens.grantDigest(of: id), key: own, request: request,
            addedAt: moment.wallMilliseconds)
        try await keep(add: [made], remove: [])
        return made
    }

    /// Nobody is told before it is durable.
    private func keep(add: [Grant], remove: [InstanceID]) async throws(Fault) {
        // Those of forgotten instances go with the next change.
        let orphans = grants.orphans { machine.records[$0] != nil }
        for id in remove + orphans { grants.remove(id) }
        for grant in add where !grants.isStored(grant.id) { grants.insert(grant) }
        let storage = storage
        do throws(StorageFailure) {
            try await loop.runBlocking { () throws(StorageFailure) in
                try storage.apply(add: add, remove: remove + orphans)
            }
            grants.stored(add: add, remove: remove + orphans)
        } catch {
            logger.error("a grant cannot be written: \(error)")
            grants.failed(add: add)
            throw error == .full
                ? GatewayFault.storageFull() : GatewayFault.internalError("registry")
        }
    }
}

extension Grant {
    fileprivate var clientRecord: ClientRecord {
        var record = ClientRecord()
        if case .client(let name, let number) = kind {
            record.name = name
            record.number = number
        }
        record.addedAtMs = addedAt
        return record
    }
}
