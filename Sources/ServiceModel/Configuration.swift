// What a running instance has and is told: the file that the node writes into it as "/__config__".

/// Where an instance can be reached.
package struct Instance: ProtoMessage {
    package var api: Api?
    /// For each slot, the addresses that lead to it.
    package var uriSlots: [UriSlot] = []

    package init() {}

    package init(api: Api?, uriSlots: [UriSlot]) {
        self.api = api
        self.uriSlots = uriSlots
    }

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: try field.merge(into: &api)
        case 2: uriSlots.append(try field.message())
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.message(1, api)
        writer.messages(2, uriSlots)
    }
}

/// The addresses of one slot.
package struct UriSlot: ProtoMessage {
    /// The slot's declared port.
    package var internalPort: UInt32 = 0
    package var uris: [Uri] = []

    package init() {}

    package init(internalPort: UInt32, uris: [Uri]) {
        self.internalPort = internalPort
        self.uris = uris
    }

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: internalPort = UInt32(truncatingIfNeeded: try field.unsigned())
        case 2: uris.append(try field.message())
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.number(1, UInt64(internalPort))
        writer.messages(2, uris)
    }
}

/// An address as text and a port.
package struct Uri: ProtoMessage {
    package var ip: String = ""
    package var port: UInt32 = 0

    package init() {}

    package init(ip: String, port: UInt32) {
        self.ip = ip
        self.port = port
    }

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: ip = try field.text()
        case 2: port = UInt32(truncatingIfNeeded: try field.unsigned())
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.text(1, ip)
        writer.number(2, UInt64(port))
    }
}

/// What whoever starts an instance chooses for it.
package struct Configuration: ProtoMessage {
    package var environmentVariables: TextMap<[UInt8]> = [:]
    /// The slots that are wanted, by port; empty for all.
    package var specSlots: [UInt32] = []
    /// What it starts with.
    package var initialMu: Amount?

    package init() {}

    package init(
        environmentVariables: TextMap<[UInt8]>, specSlots: [UInt32] = [], initialMu: Amount? = nil
    ) {
        self.environmentVariables = environmentVariables
        self.specSlots = specSlots
        self.initialMu = initialMu
    }

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1:
            let (key, value) = try field.entry()
            environmentVariables[key] = Array(value)
        case 2: specSlots += try field.packedNumbers().map { UInt32(truncatingIfNeeded: $0) }
        case 3: try field.merge(into: &initialMu)
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.map(1, environmentVariables)
        if !specSlots.isEmpty {
            // proto3 packs repeated numbers.
            var packed = ProtoWriter()
            for slot in specSlots { packed.varint(UInt64(slot)) }
            writer.always(2, blob: packed.bytes)
        }
        writer.message(3, initialMu)
    }
}

/// The file "/__config__" of an instance.
package struct ConfigurationFile: ProtoMessage {
    /// How to reach the node.
    package var gateway: Instance?
    package var config: Configuration?
    /// The peers found for each network asked for.
    package var networkResolution: [NetworkResolution] = []
    package var initialSysresources: Sysresources?

    package init() {}

    package init(
        gateway: Instance?, config: Configuration?, networkResolution: [NetworkResolution] = [],
        initialSysresources: Sysresources?
    ) {
        self.gateway = gateway
        self.config = config
        self.networkResolution = networkResolution
        self.initialSysresources = initialSysresources
    }

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: try field.merge(into: &gateway)
        case 2: try field.merge(into: &config)
        case 3: networkResolution.append(try field.message())
        case 4: try field.merge(into: &initialSysresources)
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.message(1, gateway)
        writer.message(2, config)
        writer.messages(3, networkResolution)
        writer.message(4, initialSysresources)
    }
}

/// The peers found for a network.
package struct NetworkResolution: ProtoMessage {
    package var tags: [String] = []
    package var peerInstances: [Instance] = []

    package init() {}

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: tags.append(try field.text())
        case 2: peerInstances.append(try field.message())
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.texts(1, tags)
        writer.messages(2, peerInstances)
    }
}
