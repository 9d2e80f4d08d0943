// What a description says of methods and of how a service is paid.

extension DescriptionObject {
    /// A format or a function: a tag, or tags, prose and formal.
    private func definition(
        _ value: JSONValue, _ path: String
    ) throws(DescriptionError) -> Definition {
        if case .string(let tag) = value { return Definition(tags: tag.isEmpty ? [] : [tag]) }
        var object = try DescriptionObject(value, path: path)
        let definition = Definition(
            tags: try object.names("tags"), prose: try object.text("prose") ?? "",
            formal: Array((try object.text("formal") ?? "").utf8))
        try object.finish()
        return definition
    }

    /// The definition under a key, if it is there.
    mutating func definition(_ key: String) throws(DescriptionError) -> Definition? {
        guard let value = take(key) else { return nil }
        return try definition(value, path(key))
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
            guard let ledger = try object.definition("ledger") else {
                throw DescriptionError(.missingKey, key: object.path("ledger"))
            }
            var contract = Contract()
            contract.ledger = ledger
            contract.xattrs = try object.attributes("xattrs")
            var rate = ContractRate()
            rate.contract = contract
            rate.muPerUnit = try object.amount("mu_per_unit")
            try object.finish()
            rates.append(rate)
        }
        return rates
    }
}
