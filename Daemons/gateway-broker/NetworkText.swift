import Interfaces
import ServiceModel
import Syscalls

/// An entry of the book as a column: JSON, readable with any SQLite shell.
///
/// Keeps true: what is read gives the same entry; what is no entry is nil.
package enum NetworkText {
    package static func text(_ entry: NetworkBook.Entry) -> String {
        let value: JSONValue = .object([
            ("networks", .array(entry.member.networks.map(value))),
            ("slots", .array(entry.member.slots.map(value))),
            ("grants", .array(entry.grants.map(value))),
            ("given", .integer(Int64(entry.given))),
        ])
        return String(decoding: JSONWriter.bytes(value), as: UTF8.self)
    }

    private static func value(_ network: NetworkMember.Membership) -> JSONValue {
        .object([
            ("tags", texts(network.tags)),
            ("protocols", .array(network.protocols.map(texts))),
            ("group", .string(Hexadecimal.text(network.group))),
            ("withheld", texts(network.withheld)),
        ])
    }

    private static func value(_ exposed: ExposedSlot) -> JSONValue {
        .object([
            ("slot", .string(SlotText.text([exposed.slot]))),
            ("protocols", texts(exposed.protocols)),
        ])
    }

    private static func value(_ grant: NetworkGrant) -> JSONValue {
        var members: [(key: String, value: JSONValue)] = [
            ("network", .integer(Int64(grant.network))),
            ("inside", .string(grant.inside.description)),
            ("transport", .string(grant.transport == .udp ? "udp" : "tcp")),
        ]
        switch grant.peer {
        case .outside(let endpoint): members.append(("endpoint", .string(endpoint.text)))
        case .slot(let id, let slot):
            members.append(("instance", .string(id.description)))
            members.append(("port", .integer(Int64(slot.port))))
        case .names: members.append(("names", .bool(true)))
        }
        return .object(members)
    }

    private static func texts(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }

    // MARK: Reading

    package static func entry(_ text: String) -> NetworkBook.Entry? {
        guard let document = try? JSONReader.read(Array(text.utf8)) else { return nil }
        let object = Object(document)
        guard let networks = object.list("networks")?.map(membership),
            let slots = object.list("slots")?.map(exposed),
            let grants = object.list("grants")?.map(grant),
            let given = object.integer("given").flatMap({ UInt32(exactly: $0) }),
            let known = all(networks), let open = all(slots), let given_ = all(grants)
        else { return nil }
        return NetworkBook.Entry(
            member: NetworkMember(networks: known, slots: open), grants: given_, given: given)
    }

    private static func all<Value>(_ values: [Value?]) -> [Value]? {
        let there = values.compactMap { $0 }
        return there.count == values.count ? there : nil
    }

    private static func membership(_ value: JSONValue) -> NetworkMember.Membership? {
        let object = Object(value)
        guard let tags = object.texts("tags"), let withheld = object.texts("withheld"),
            let protocols = object.list("protocols").flatMap({ all($0.map { Self.texts($0) }) }),
            let group = object.text("group").flatMap({ $0.isEmpty ? [] : Hexadecimal.bytes($0) })
        else { return nil }
        return NetworkMember.Membership(
            tags: tags, protocols: protocols, group: group, withheld: withheld)
    }

    private static func exposed(_ value: JSONValue) -> ExposedSlot? {
        let object = Object(value)
        guard let slot = object.text("slot").flatMap(SlotText.slots)?.first,
            let protocols = object.texts("protocols")
        else { return nil }
        return ExposedSlot(slot: slot, protocols: protocols)
    }

    private static func grant(_ value: JSONValue) -> NetworkGrant? {
        let object = Object(value)
        guard let network = object.integer("network").flatMap({ Int(exactly: $0) }),
            let inside = object.text("inside").flatMap(place),
            let word = object.text("transport"), word == "tcp" || word == "udp"
        else { return nil }
        let transport: Transport = word == "udp" ? .udp : .tcp
        let peer: NetworkGrant.Peer
        if let endpoint = object.text("endpoint").flatMap({ NetworkEndpoint($0) }) {
            peer = .outside(endpoint)
        } else if let id = object.text("instance").flatMap({ InstanceID(hexadecimal: $0) }),
            let port = object.integer("port").flatMap({ UInt16(exactly: $0) })
        {
            peer = .slot(id, SlotKey(port: port, transport: transport))
        } else if object.value("names") == .bool(true) {
            peer = .names
        } else {
            return nil
        }
        return NetworkGrant(network: network, peer: peer, inside: inside, transport: transport)
    }

    private static func place(_ text: String) -> IPv4Endpoint? {
        let parts = text.split(separator: ":")
        guard parts.count == 2, let port = UInt16(parts[1]) else { return nil }
        return IPv4Endpoint(String(parts[0]), port: port)
    }

    private static func texts(_ value: JSONValue) -> [String]? {
        guard case .array(let elements) = value else { return nil }
        return all(elements.map { if case .string(let text) = $0 { text } else { nil } })
    }

    /// Members by their keys.
    private struct Object {
        private let members: [(key: String, value: JSONValue)]

        init(_ value: JSONValue) {
            if case .object(let members) = value { self.members = members } else { members = [] }
        }

        func value(_ key: String) -> JSONValue? { members.first { $0.key == key }?.value }

        func list(_ key: String) -> [JSONValue]? {
            if case .array(let elements)? = value(key) { elements } else { nil }
        }

        func texts(_ key: String) -> [String]? { value(key).flatMap { NetworkText.texts($0) } }

        func text(_ key: String) -> String? {
            if case .string(let text)? = value(key) { text } else { nil }
        }

        func integer(_ key: String) -> Int64? {
            if case .integer(let number)? = value(key) { number } else { nil }
        }
    }
}
