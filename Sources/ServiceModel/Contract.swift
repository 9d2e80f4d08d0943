/// An amount of money in monetary units, as decimal text: balances have no upper bound.
package struct Amount: ProtoMessage {
    /// Decimal digits, without a sign.
    package var n: String = ""

    package init() {}

    package init(n: String) {
        self.n = n
    }

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        if field.number == 1 { n = try field.text() }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.text(1, n)
    }
}

/// A payment contract or a reputation proof on a ledger.
package struct Contract: ProtoMessage {
    /// Where it stands; nil where that is not said.
    package var ledger: Ledger?
    /// What finds the contract on its ledger: an address, a token id.
    package var xattrs: TextMap<[UInt8]> = [:]

    package init() {}

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: try field.merge(into: &ledger)
        case 2:
            let (key, value) = try field.entry()
            xattrs[key] = Array(value)
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.message(1, ledger)
        writer.map(2, xattrs)
    }
}

/// What one unit of a contract is worth in monetary units.
package struct ContractRate: ProtoMessage {
    /// What is paid with.
    package var contract: Contract?
    /// Monetary units for one unit of it.
    package var muPerUnit: Amount?

    package init() {}

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: try field.merge(into: &contract)
        case 2: try field.merge(into: &muPerUnit)
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.message(1, contract)
        writer.message(2, muPerUnit)
    }
}
