package import Interfaces

/// What a token opens of an instance.
package struct TokenScopes: OptionSet, Sendable, Hashable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    package static let stop = TokenScopes(rawValue: 1)
    package static let observe = TokenScopes(rawValue: 2)
    package static let tunnel = TokenScopes(rawValue: 4)
    package static let modify = TokenScopes(rawValue: 8)
    package static let all: TokenScopes = [.stop, .observe, .tunnel, .modify]

    /// - Throws: for none, and for one that is not known.
    package init(_ scopes: [TokenScope]) throws(Fault) {
        var all: TokenScopes = []
        for scope in scopes {
            switch scope {
            case .stop: all.insert(.stop)
            case .observe: all.insert(.observe)
            case .tunnel: all.insert(.tunnel)
            case .modify: all.insert(.modify)
            case .unspecified, .UNRECOGNIZED: throw GatewayFault.malformed("scopes")
            }
        }
        guard !all.isEmpty else { throw GatewayFault.missing("scopes") }
        self = all
    }

    /// As a fault names it.
    package var word: String {
        switch self {
        case .stop: "stop"
        case .observe: "observe"
        case .tunnel: "tunnel"
        case .modify: "modify"
        default: "all"
        }
    }
}

/// A token that was given out beside those of instances: its digest, never the token.
package struct Grant: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// Opens this much of one instance.
        case instance(InstanceID, TokenScopes)
        /// A client: its name, and the number that owns what it starts.
        case client(name: String, number: UInt32)
        /// Not a grant but its opposite: the first token of this instance opens nothing any more.
        case revoked(InstanceID)
    }

    /// Random, like an instance's id; the token is made from it.
    package let id: InstanceID
    package let kind: Kind
    package let digest: TokenDigest
    /// SHA-256 of who asked, with which key and for what: what a repetition is known by.
    package let request: [UInt8]
    package let key: [UInt8]
    package let addedAt: UInt64

    package init(
        id: InstanceID, kind: Kind, digest: TokenDigest, key: [UInt8], request: [UInt8],
        addedAt: UInt64
    ) {
        self.id = id
        self.kind = kind
        self.digest = digest
        self.key = key
        self.request = request
        self.addedAt = addedAt
    }

    package var instance: InstanceID? {
        switch kind {
        case .instance(let id, _), .revoked(let id): id
        case .client: nil
        }
    }
}

/// Where grants are written down; both durable when they return.
package protocol GrantStorage: Sendable {
    func loadGrants() throws(StorageFailure) -> [Grant]
    func apply(add: [Grant], remove: [InstanceID]) throws(StorageFailure)
}

/// Knows which tokens open what. Pure: a change is taken into account at once, so that two that come
/// together see each other, and `stored` or `failed` says afterwards what came of writing it down.
///
/// It keeps true: one grant per key; a client's name and number are its own; a removed token opens
/// nothing, also when it is asked for again with its key; it is known of every change whether it is
/// on the disk, so that nobody is told of one that is not.
package struct GrantBook: Sendable {
    // LIMIT: 1,000 clients and 64 tokens of an instance, in memory all the time.
    package static let clientsMax = 1_000
    package static let tokensPerInstanceMax = 64
    /// No user's uid is up here.
    package static let numberMin: UInt32 = 1 << 31

    private var grants: [InstanceID: Grant] = [:]
    private var digests: [TokenDigest: InstanceID] = [:]
    private var keys: [[UInt8]: InstanceID] = [:]
    private var revoked: Set<InstanceID> = []
    /// On the disk.
    private var durable: Set<InstanceID> = []
    /// Removed, and still on the disk.
    private var leaving: [InstanceID: Grant] = [:]

    package init() {}

    package init(_ stored: [Grant]) {
        for grant in stored {
            insert(grant)
            durable.insert(grant.id)
        }
    }

    // MARK: Changes

    /// Whoever is to hear of a grant that is not on the disk writes it down first, again if need be.
    package func isStored(_ id: InstanceID) -> Bool { durable.contains(id) }

    /// A change is on the disk.
    package mutating func stored(add: [Grant], remove: [InstanceID]) {
        for id in remove {
            leaving[id] = nil
            durable.remove(id)
        }
        for grant in add {
            // Another write of it may have failed before.
            if grants[grant.id] == nil, leaving[grant.id] == nil { insert(grant) }
            durable.insert(grant.id)
        }
    }

    /// It could not be written down. A removal stays in force until the next start: refusing is the
    /// safe side.
    package mutating func failed(add: [Grant]) {
        for grant in add where !durable.contains(grant.id) { forget(grant.id) }
    }

    /// The grant of a token that was removed and is still on the disk.
    package func leaving(_ digest: TokenDigest) -> InstanceID? {
        leaving.values.first { $0.digest == digest }?.id
    }

    /// The client of that name that was removed and is still on the disk.
    package func leavingClient(named name: String) -> InstanceID? {
        leaving.values.first { if case .client(name, _) = $0.kind { true } else { false } }?.id
    }

    package mutating func insert(_ grant: Grant) {
        grants[grant.id] = grant
        if case .revoked(let id) = grant.kind {
            revoked.insert(id)
        } else {
            digests[grant.digest] = grant.id
            keys[grant.key] = grant.id
        }
    }

    package mutating func remove(_ id: InstanceID) {
        guard let grant = grants[id] else { return }
        forget(id)
        leaving[id] = grant
    }

    private mutating func forget(_ id: InstanceID) {
        guard let grant = grants.removeValue(forKey: id) else { return }
        digests[grant.digest] = nil
        keys[grant.key] = nil
        if case .revoked(let instance) = grant.kind { revoked.remove(instance) }
    }

    /// The grant that was made for this key, if any.
    ///
    /// - Throws: `.invalid` where the key stood for another request.
    package func made(key: [UInt8], request: [UInt8]) throws(Fault) -> Grant? {
        guard let id = keys[key], let grant = grants[id] else { return nil }
        guard grant.request == request else { throw GatewayFault.keyReused() }
        return grant
    }

    /// - Throws: where a bound or a name stands against it.
    package func check(_ kind: Grant.Kind) throws(Fault) {
        switch kind {
        case .instance(let id, _):
            let count = grants.values.count { $0.instance == id }
            guard count < Self.tokensPerInstanceMax else {
                throw GatewayFault.limitReached("tokens", Self.tokensPerInstanceMax)
            }
        case .client(let name, let number):
            let clients = self.clients
            guard clients.count < Self.clientsMax else {
                throw GatewayFault.limitReached("clients", Self.clientsMax)
            }
            for case .client(let taken, let used) in clients.map(\.kind)
            where taken == name || used == number {
                throw GatewayFault.nameTaken(name)
            }
        case .revoked:
            break
        }
    }

    package func find(_ digest: TokenDigest) -> Grant? {
        digests[digest].flatMap { grants[$0] }
    }

    /// Whether the first token of an instance was revoked.
    package func isRevoked(_ id: InstanceID) -> Bool { revoked.contains(id) }

    package var clients: [Grant] {
        grants.values.filter { if case .client = $0.kind { true } else { false } }
    }

    package func client(named name: String) -> Grant? {
        clients.first { if case .client(name, _) = $0.kind { true } else { false } }
    }

    package func client(number: UInt32) -> String? {
        for case .client(let name, number) in grants.values.map(\.kind) { return name }
        return nil
    }

    /// Those of instances nobody remembers.
    package func orphans(isKnown: (InstanceID) -> Bool) -> [InstanceID] {
        grants.values.filter { $0.instance.map { !isKnown($0) } ?? false }.map(\.id)
    }
}
