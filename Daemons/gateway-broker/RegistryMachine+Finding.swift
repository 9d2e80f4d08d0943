package import Interfaces

/// How an instance is found, and whose it is.
extension RegistryMachine {
    /// Who asks, and what they show.
    package enum Claim: Sendable {
        case token(TokenDigest)
        /// A name, an id, or a prefix of one of at least 8 digits.
        case instance(String, GatewayCaller)
    }

    package func find(_ claim: Claim) throws(Fault) -> InstanceID {
        switch claim {
        case .token(let digest):
            // The table is keyed by the digest of the token, so that the time a look-up takes says
            // nothing about any token.
            guard let id = tokens[digest] else { throw GatewayFault.wrongToken() }
            return id
        case .instance(let text, let caller):
            return try find(text) { isOf($0, caller) }
        }
    }

    private func find(
        _ text: String, isMine mine: (InstanceID) -> Bool
    ) throws(Fault) -> InstanceID {
        if let id = names[text], mine(id) { return id }
        if let id = InstanceID(hexadecimal: text), records[id] != nil, mine(id) { return id }
        let named = endedInOrder.last { records[$0]?.name == text && mine($0) }
        if let named { return named }
        guard text.utf8.count >= 8, Hexadecimal.isText(text) else {
            throw GatewayFault.noInstance(text)
        }
        let matches = records.keys.filter { $0.description.hasPrefix(text) && mine($0) }
        guard let first = matches.first else { throw GatewayFault.noInstance(text) }
        guard matches.count == 1 else {
            throw GatewayFault.ambiguous(text, matches.sorted().map(\.description))
        }
        return first
    }

    /// Whether an instance is the caller's own: the maintainer has all, a user or client what it
    /// started and what that started, an instance its descendants and not itself.
    package func isOf(_ id: InstanceID, _ caller: GatewayCaller) -> Bool {
        switch caller {
        case .user(_, isMaintainer: true): true
        case .user(let uid, _): records[id]?.owner == uid
        case .client(let number): records[id]?.owner == number
        case .instance(let ancestor): isDescendant(id, of: ancestor)
        case .anyone: false
        }
    }

    func isDescendant(_ id: InstanceID, of ancestor: InstanceID) -> Bool {
        var parent = records[id]?.parent
        // Bounded by the depth of a family; an ended ancestor may be forgotten already.
        while let one = parent {
            if one == ancestor { return true }
            parent = records[one]?.parent
        }
        return false
    }
}
