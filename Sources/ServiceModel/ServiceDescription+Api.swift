// What a description says of methods and of how a service is paid.

extension DescriptionObject {
    /// What is said three ways: a tag, or tags, prose and formal.
    private func definition(
        _ value: JSONValue, _ path: String
    ) throws(DescriptionError) -> Definition {
        if case .string(let tag) = value { return Definition(tags: tag.isEmpty ? [] : [tag]) }
        var object = try DescriptionObject(value, path: path)
        let definition = try object.definition()
        try object.finish()
        return definition
    }

    /// The three ways, among other keys of this object.
    mutating func definition() throws(DescriptionError) -> Definition {
        Definition(
            tags: try names("tags"), prose: try text("prose") ?? "",
            formal: try bytes("formal") ?? [])
    }

    /// The definition under a key, if it is there.
    mutating func definition(_ key: String) throws(DescriptionError) -> Definition? {
        guard let value = take(key) else { return nil }
        return try definition(value, path(key))
    }

    /// One definition or a list of them, lowest first; a tag is a definition. Each says something.
    mutating func definitions(_ key: String) throws(DescriptionError) -> [Definition] {
        guard let value = take(key) else { return [] }
        guard case .array(let elements) = value else { return [try saying(value, path(key))] }
        try bounded(elements.count, path(key))
        var definitions: [Definition] = []
        for (index, element) in elements.enumerated() {
            definitions.append(try saying(element, "\(path(key))[\(index)]"))
        }
        return definitions
    }

    private func saying(
        _ value: JSONValue, _ path: String
    ) throws(DescriptionError) -> Definition {
        let definition = try definition(value, path)
        guard definition != Definition() else {
            throw DescriptionError(.missingKey, key: "\(path).tags")
        }
        return definition
    }

    /// How bytes travel over a slot: "tcp" where nothing is said.
    mutating func transport() throws(DescriptionError) -> ProtocolDefinition {
        // A list too, as existing projects write it; a slot has one transport.
        let said = try definitions("transport")
        guard said.count <= 1 else {
            throw DescriptionError(.wrongType, key: path("transport"))
        }
        guard var transport = said.first else { return ProtocolDefinition(tags: ["tcp"]) }
        let name = transport.tags.first ?? ""
        guard ["tcp", "udp"].contains(name.lowercased()) else {
            throw DescriptionError(
                .unsupported, key: "\(path("transport")) \(name)", accepted: ["tcp", "udp"])
        }
        transport.tags[0] = name.lowercased()
        return transport
    }

    /// The methods of a slot and its cost function; nil where neither is said.
    mutating func appProtocol() throws(DescriptionError) -> AppProtocol? {
        var made = AppProtocol()
        if let methods = try object("methods") {
            try bounded(methods.members.count, path("methods"))
            for (name, value) in methods.members {
                var said = try DescriptionObject(value, path: methods.path(name))
                made.methods[name] = Method(
                    input: try said.definition("input"), output: try said.definition("output"))
                try said.finish()
            }
        }
        made.costFunction = try definition("cost_function")
        return made == AppProtocol() ? nil : made
    }

    /// The contracts a service is paid through: where each stands, what finds it there, and what one
    /// unit of it is worth.
    mutating func paymentContracts() throws(DescriptionError) -> [ContractRate] {
        var rates: [ContractRate] = []
        for (value, path) in try list("payment_contracts") {
            var object = try DescriptionObject(value, path: path)
            let contract = try object.contract()
            var rate = ContractRate()
            rate.contract = contract
            rate.muPerUnit = try object.amount("mu_per_unit")
            try object.finish()
            rates.append(rate)
        }
        return rates
    }

    /// Where opinions on the service stand: each a ledger, and what finds it there.
    mutating func reputationProofs() throws(DescriptionError) -> [Contract] {
        var proofs: [Contract] = []
        for (value, path) in try list("reputation_proofs") {
            var object = try DescriptionObject(value, path: path)
            let proof = try object.contract()
            try object.finish()
            guard !proofs.contains(proof) else { throw DescriptionError(.duplicateKey, key: path) }
            proofs.append(proof)
        }
        return proofs
    }

    private mutating func contract() throws(DescriptionError) -> Contract {
        guard let ledger = try definition("ledger") else {
            throw DescriptionError(.missingKey, key: path("ledger"))
        }
        var contract = Contract()
        contract.ledger = ledger
        contract.xattrs = try attributes("xattrs")
        return contract
    }
}
