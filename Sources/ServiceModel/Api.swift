/// The API of a service: where it answers, in which protocols, and what it costs.
package struct Api: ProtoMessage {
    /// The ports on which it answers.
    package var slots: [Slot] = []
    /// The contracts it can be paid through. Where opinions on it stand is in its `Metadata`.
    package var paymentContracts: [ContractRate] = []

    package init() {}

    package init(slots: [Slot], paymentContracts: [ContractRate] = []) {
        self.slots = slots
        self.paymentContracts = paymentContracts
    }

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: slots.append(try field.message())
        case 2: paymentContracts.append(try field.message())
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.messages(1, slots)
        writer.messages(2, paymentContracts)
    }
}

/// A port on which a service answers.
package struct Slot: ProtoMessage {
    /// 1 to 65,535. What a foreign service says is kept as it is and refused where it is used.
    package var port: UInt32 = 0
    /// How bytes travel: a tag "tcp" or "udp".
    package var transport = ProtocolDefinition()
    /// What is spoken over it, lowest first.
    package var protocolStack: [ProtocolDefinition] = []
    /// The price of each declared method.
    package var muPerCall: TextMap<Amount> = [:]

    package init() {}

    package init(
        port: UInt32, transport: ProtocolDefinition, protocolStack: [ProtocolDefinition] = [],
        muPerCall: TextMap<Amount> = [:]
    ) {
        self.port = port
        self.transport = transport
        self.protocolStack = protocolStack
        self.muPerCall = muPerCall
    }

    /// "tcp" or "udp"; nil for a transport that is not known here.
    package var transportName: String? {
        for tag in transport.tags {
            let name = tag.lowercased()
            if name == "tcp" || name == "udp" { return name }
        }
        return nil
    }

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: port = UInt32(truncatingIfNeeded: try field.unsigned())
        case 2: try field.merge(into: &transport)
        case 3: protocolStack.append(try field.message())
        case 4:
            let (key, value) = try field.entry()
            muPerCall[key] = try field.message(in: value)
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.number(1, UInt64(port))
        writer.spoken(2, transport)
        writer.messages(3, protocolStack)
        writer.map(4, muPerCall) { $0.encoded() }
    }
}

/// The NET of a service: peers it asks its node for.
package struct Network: ProtoMessage {
    /// Which peers: the same three ways of saying as everywhere.
    package var definition = Definition()
    /// What the peers are expected to speak.
    package var protocolStack: [ProtocolDefinition] = []
    /// Only peers whose value of this environment variable is the same; empty for all.
    package var environmentVariable: String = ""

    package init() {}

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1...3: try definition.take(&field)
        case 4: protocolStack.append(try field.message())
        case 5: environmentVariable = try field.text()
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        definition.write(to: &writer)
        writer.messages(4, protocolStack)
        writer.text(5, environmentVariable)
    }
}
