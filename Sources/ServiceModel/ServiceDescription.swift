/// What a developer writes about a service: `service.json` (celaut-wire-facts, "Project files").
///
/// Keeps true: every key is understood or refused by its path ("resources.at_init.mem_limit"); a
/// description that is accepted is honoured whole.
package struct ServiceDescription: Equatable, Sendable {
    package var service: Service
    /// The names to list the box under, not part of the service.
    package var tags: [String]
    /// Where opinions on the service stand. Not part of the service, and so not of its id: an opinion
    /// names the id (celaut-wire-facts: `Metadata.reputation_proofs`).
    package var reputationProofs: [Contract] = []
    /// What is said of the box's tree.
    package var terms = TreeTerms()

    // LIMIT: people write a few kilobytes; formal descriptions of protocols are larger.
    package static let bytesMax = 1 << 20

    // LIMIT: of each list in a description: slots, networks, protocols, variables. A slot is a
    // listener of the node.
    package static let listMax = 256
}

/// Why a description is refused.
package struct DescriptionError: Error, Equatable, Sendable {
    package enum Condition: Equatable, Sendable {
        case unknownKey, missingKey, wrongType, malformed, tooDeep, duplicateKey, badName
        case outOfRange, belowMinimum, tooLarge
        /// Understood, and not offered here.
        case unsupported
    }

    package var condition: Condition
    /// The path of the key at fault: "api[0].port".
    package var key: String
    /// The nearest bound that was passed; 0 when there is none.
    package var limit: UInt64
    /// What was found where `limit` applies; 0 for a value below zero.
    package var actual: UInt64
    /// What would have been accepted, where that is a short list.
    package var accepted: [String]

    package init(
        _ condition: Condition, key: String, limit: UInt64 = 0, actual: UInt64 = 0,
        accepted: [String] = []
    ) {
        self.condition = condition
        self.key = key
        self.limit = limit
        self.actual = actual
        self.accepted = accepted
    }
}

extension ServiceDescription {
    package static func read(_ bytes: [UInt8]) throws(DescriptionError) -> ServiceDescription {
        guard bytes.count <= bytesMax else {
            throw DescriptionError(
                .tooLarge, key: "service.json", limit: UInt64(bytesMax),
                actual: UInt64(bytes.count))
        }
        let document: JSONValue
        do throws(JSONError) {
            document = try JSONReader.read(bytes)
        } catch {
            switch error {
            case .malformed(let offset):
                throw DescriptionError(
                    .malformed, key: "service.json at byte \(offset)")
            case .tooDeep(let limit):
                throw DescriptionError(
                    .tooDeep, key: "service.json", limit: UInt64(limit))
            case .tooMany(let limit):
                throw DescriptionError(
                    .tooLarge, key: "service.json: values", limit: UInt64(limit),
                    actual: UInt64(limit) + 1)
            case .duplicateKey(let key): throw DescriptionError(.duplicateKey, key: key)
            }
        }
        var object = try DescriptionObject(document, path: "")
        let description = try ServiceDescription(&object)
        try object.finish()
        try description.service.checkFields()
        return description
    }

    private init(_ object: inout DescriptionObject) throws(DescriptionError) {
        service = Service()
        tags = try object.tags("tag")
        service.prose = try object.text("prose") ?? ""
        service.container.architecture = try object.architecture()
        service.container.initial = try object.entryPoint()
        service.container.resources = try object.resources()
        service.container.configDeclaration = try object.configDeclaration()
        service.container.nodeProtocolStack = try object.definitions("node_protocol_stack")
        service.container.environmentVariables = try object.variables("envs")
        service.api.slots = try object.slots()
        service.api.paymentContracts = try object.paymentContracts()
        service.networks = try object.networks()
        service.possibleEnvironmentWorkload = try object.scenarios()
        reputationProofs = try object.reputationProofs()
        terms.shares = try object.shares(used: [
            service.container.initial.entryPath, service.container.configDeclaration?.path ?? [],
        ])
        terms.isReadOnly = try object.isReadOnly()
    }
}

extension Service {
    /// - Throws: TOO_LARGE for more fields than a reader of it takes.
    fileprivate func checkFields() throws(DescriptionError) {
        var budget = FieldBudget(Self.fieldsMax)
        do throws(ProtoError) {
            _ = try Service(decoding: encoded()[...], &budget)
        } catch {
            throw DescriptionError(
                .tooLarge, key: "service.json: fields", limit: UInt64(Self.fieldsMax),
                actual: UInt64(Self.fieldsMax) + 1)
        }
    }
}

extension DescriptionObject {
    fileprivate mutating func tags(_ key: String) throws(DescriptionError) -> [String] {
        let tags: [String]
        switch take(key) {
        case nil: return []
        case .string(let tag): tags = [tag]
        case let value?: tags = try texts(value, path(key))
        }
        for tag in tags {
            if let refusal = ServiceDescription.refusal(ofTag: tag, at: path(key)) { throw refusal }
        }
        return tags
    }

    /// The usual names of what is known, each as the one that is written.
    private static let architectures = [
        "linux/amd64": "linux/amd64", "linux/x86_64": "linux/amd64", "amd64": "linux/amd64",
        "x86_64": "linux/amd64", "linux/arm64": "linux/arm64", "linux/aarch64": "linux/arm64",
        "arm64": "linux/arm64", "aarch64": "linux/arm64",
    ]

    /// The first tag is the machine; others, prose and a formal description may say more of it.
    fileprivate mutating func architecture() throws(DescriptionError) -> Architecture {
        guard var architecture = try definition("architecture") else {
            throw DescriptionError(.missingKey, key: path("architecture"))
        }
        let name = architecture.tags.first ?? ""
        guard let known = Self.architectures[name] else {
            throw DescriptionError(
                .unsupported, key: "\(path("architecture")) \(name)",
                accepted: ["linux/amd64", "linux/arm64"])
        }
        architecture.tags[0] = known
        return architecture
    }

    fileprivate mutating func entryPoint() throws(DescriptionError) -> EntryPoint {
        var segments: [String]
        var where_ = path("init.entry_path")
        var xattrs: TextMap<[UInt8]> = [:]
        if var initial = try object("init") {
            guard let value = initial.take("entry_path") else {
                throw DescriptionError(.missingKey, key: initial.path("entry_path"))
            }
            segments = try initial.segments(value, initial.path("entry_path"))
            xattrs = try initial.attributes("xattrs")
            try initial.finish()
        } else if let value = take("entrypoint") {
            where_ = path("entrypoint")
            segments = try self.segments(value, where_)
        } else {
            throw DescriptionError(.missingKey, key: where_)
        }
        guard !segments.isEmpty else { throw DescriptionError(.missingKey, key: where_) }
        return EntryPoint(entryPath: segments, xattrs: xattrs)
    }

    fileprivate mutating func configDeclaration() throws(DescriptionError) -> ConfigDeclaration {
        var segments = ["__config__"]
        var format = DataFormat()
        if var declaration = try object("config_declaration") {
            if let value = declaration.take("path") {
                segments = try declaration.segments(value, declaration.path("path"))
                guard !segments.isEmpty else {
                    throw DescriptionError(.badName, key: declaration.path("path"))
                }
            }
            format = try declaration.definition("format") ?? format
            try declaration.finish()
        }
        return ConfigDeclaration(path: segments, format: format)
    }

    fileprivate mutating func resources() throws(DescriptionError) -> Resources {
        var initial = Sysresources.standard
        var most: Sysresources?
        if var resources = try object("resources") {
            if var given = try resources.object("at_init") {
                initial = try given.sysresources()
                try given.finish()
            }
            if var given = try resources.object("at_most") {
                most = try given.sysresources()
                try given.finish()
            }
            try resources.finish()
        }
        // at_most is the larger of both, whatever is written (celaut-wire-facts).
        return Resources(atInit: initial, atMost: most.map(initial.maximum) ?? initial)
    }

    /// - Parameter values: of what is not said.
    mutating func sysresources(
        over values: Sysresources = .standard
    ) throws(DescriptionError) -> Sysresources {
        var values = values
        if let bytes = try natural("mem_limit") {
            try atLeast(Sysresources.memoryBytesMin, bytes, "mem_limit")
            values.memLimit = bytes
        }
        if let bytes = try natural("disk_space") {
            try atLeast(Sysresources.diskBytesMin, bytes, "disk_space")
            values.diskSpace = bytes
        }
        if let period = try natural("cpu_period") {
            try within(1_000...1_000_000, period, "cpu_period", orZero: true)
            values.cpuPeriod = period
        }
        if let quota = try natural("cpu_quota") {
            // Less than a millisecond per period is not scheduled.
            try within(1_000...1_000_000_000, quota, "cpu_quota", orZero: true)
            values.cpuQuota = quota
        }
        if let weight = try natural("blkio_weight") {
            try within(10...1_000, weight, "blkio_weight", orZero: true)
            values.blkioWeight = weight
        }
        return values
    }

    fileprivate mutating func slots() throws(DescriptionError) -> [Slot] {
        var slots: [Slot] = []
        for (value, path) in try list("api") {
            var object = try DescriptionObject(value, path: path)
            guard let port = try object.integer("port") else {
                throw DescriptionError(.missingKey, key: object.path("port"))
            }
            guard (1...65_535).contains(port) else {
                throw DescriptionError(
                    .outOfRange, key: object.path("port"), limit: port < 1 ? 1 : 65_535,
                    actual: UInt64(clamping: port))
            }
            let transport = try object.transport()
            var stack = try object.definitions("protocol")
            let prices = try object.prices("mu_per_call")
            if let app = try object.appProtocol() {
                let known = app.methods
                if !known.isEmpty, let name = prices.keys.first(where: { known[$0] == nil }) {
                    throw DescriptionError(
                        .unknownKey, key: "\(object.path("mu_per_call")).\(name)")
                }
                stack.append(ProtocolDefinition(tags: [AppProtocol.tag], formal: app.encoded()))
            }
            try object.finish()
            if slots.contains(where: {
                $0.port == UInt32(port) && $0.transport.tags.first == transport.tags.first
            }) {
                throw DescriptionError(.duplicateKey, key: object.path("port"))
            }
            slots.append(
                Slot(
                    port: UInt32(port), transport: transport, protocolStack: stack,
                    muPerCall: prices))
        }
        return slots
    }

    fileprivate mutating func networks() throws(DescriptionError) -> [Network] {
        var networks: [Network] = []
        for (value, path) in try list("network") {
            var object = try DescriptionObject(value, path: path)
            var network = Network()
            network.definition = try object.definition()
            network.protocolStack = try object.definitions("protocol_stack")
            network.environmentVariable = try object.text("environment_variable") ?? ""
            try object.finish()
            guard !network.definition.tags.isEmpty else {
                throw DescriptionError(.missingKey, key: object.path("tags"))
            }
            networks.append(network)
        }
        return networks
    }

    fileprivate mutating func isReadOnly() throws(DescriptionError) -> Bool {
        switch take("read_only_filesystem") {
        case nil, .null: return false
        case .bool(let flag): return flag
        default: throw DescriptionError(.wrongType, key: path("read_only_filesystem"))
        }
    }
}
