package import Interfaces
package import ServiceModel

/// A network a specification asks for.
package struct DeclaredNetwork: Sendable, Equatable {
    package var tags: [String]
    /// What the peers must speak: each protocol by its names.
    package var protocols: [[String]]
    /// Peers must have the same value of this variable; empty for all.
    package var variable: String

    package init(tags: [String], protocols: [[String]] = [], variable: String = "") {
        self.tags = tags
        self.protocols = protocols
        self.variable = variable
    }

    package init(_ network: Network) {
        self.init(
            tags: network.definition.tags, protocols: network.protocolStack.map(\.tags),
            variable: network.environmentVariable)
    }
}

/// A slot as peers see it: where it is and what is spoken there.
package struct ExposedSlot: Sendable, Equatable {
    package let slot: RelayedSlot
    package let protocols: [String]

    package init(slot: RelayedSlot, protocols: [String]) {
        self.slot = slot
        self.protocols = protocols
    }
}

/// What networks have to do with an instance: those it may ask for and what it offers in them.
package struct NetworkMember: Sendable, Equatable {
    package struct Membership: Sendable, Equatable {
        /// The declared tags that every ancestor declared, too.
        package var tags: [String]
        package var protocols: [[String]]
        /// Stands for the value that peers must share; empty where all are peers.
        package var group: [UInt8]
        /// The declared tags that some ancestor did not declare.
        package var withheld: [String]

        package init(
            tags: [String], protocols: [[String]] = [], group: [UInt8] = [],
            withheld: [String] = []
        ) {
            self.tags = tags
            self.protocols = protocols
            self.group = group
            self.withheld = withheld
        }
    }

    package var networks: [Membership]
    package var slots: [ExposedSlot]

    package init(networks: [Membership], slots: [ExposedSlot]) {
        self.networks = networks
        self.slots = slots
    }

    /// - Parameters:
    ///   - allowed: the tags an ancestor has, all of which every ancestor has; nil without a parent.
    ///   - digest: stands for a value of a variable, so that the value is not kept.
    package init(
        _ terms: BoxTerms, environment: [EnvironmentVariable], within allowed: [String]?,
        digest: ([UInt8]) -> [UInt8]
    ) {
        networks = terms.networks.map { declared in
            let isGiven = { (tag: String) in
                allowed.map { $0.contains { NetworkTag.same($0, tag) } } ?? true
            }
            var membership = Membership(
                tags: declared.tags.filter(isGiven), protocols: declared.protocols,
                withheld: declared.tags.filter { !isGiven($0) })
            if !declared.variable.isEmpty {
                let given = environment.first { $0.name == declared.variable }
                membership.group = digest(given?.valueBytes ?? [])
            }
            return membership
        }
        slots = terms.exposed
    }

    /// All tags it has a right to.
    package var tags: [String] { networks.flatMap(\.tags) }

    /// Its places among the networks with any of these tags.
    func memberships(_ tags: [String]) -> [Membership] {
        networks.filter { network in
            network.tags.contains { own in tags.contains { NetworkTag.same($0, own) } }
        }
    }

    /// Its slots that speak what is expected of peers.
    func slots(speaking expected: [[String]]) -> [ExposedSlot] {
        slots.filter { NetworkTag.covers($0.protocols, expected) }
    }
}
