import ServiceModel

/// A contract on a ledger as it is printed.
struct ContractReport: Encodable {
    /// The tags of its ledger.
    let ledger: [String]
    /// What finds it there; base64 where it is no text.
    let xattrs: [String: String]

    /// nil for bytes that are none.
    init?(_ bytes: [UInt8]) {
        guard let contract = try? Contract(decoding: bytes) else { return nil }
        ledger = contract.ledger?.tags ?? []
        var attributes: [String: String] = [:]
        for key in contract.xattrs.keys {
            let value = contract.xattrs[key] ?? []
            attributes[key] = String(validating: value, as: UTF8.self) ?? Base64.text(value[...])
        }
        xattrs = attributes
    }

    /// "bitcoin address=…". Whoever sent the box wrote it: nothing of it reaches the terminal but
    /// what is printed.
    var text: String {
        let attributes = xattrs.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return Words.printable(
            ([ledger.joined(separator: ",")] + attributes).joined(separator: " "))
    }
}
