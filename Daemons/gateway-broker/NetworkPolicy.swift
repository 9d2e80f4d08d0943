package import Syscalls

/// What the operator says about networks: which may be had at all, and where the peers of those with
/// a name are. Pure.
///
/// It keeps true: what no glob allows is not given; what a glob denies is not given whatever allows
/// it; a network is given by those of its tags only that are allowed themselves.
package struct NetworkPolicy: Sendable, Equatable {
    // LIMIT: globs in each list, networks with a name, and endpoints of one: what people write.
    package static let globsMax = 256
    package static let networksMax = 256
    package static let endpointsMax = 64

    package var allow: [Glob] = []
    package var deny: [Glob] = []
    package var named: [NamedNetwork] = []

    package init() {}

    /// Why a network is given or not.
    package enum Verdict: Sendable, Equatable {
        /// By this glob of `deny`.
        case denied(String)
        /// For these of its tags.
        case allowed([String])
        /// No glob says anything of it.
        case unnamed
    }

    package func verdict(_ tags: [String]) -> Verdict {
        for glob in deny where tags.contains(where: glob.matches) { return .denied(glob.text) }
        let allowed = tags.filter { tag in allow.contains { $0.matches(tag) } }
        return allowed.isEmpty ? .unnamed : .allowed(allowed)
    }

    /// The endpoints of the named networks among these tags whose peers speak what is expected. Where
    /// the operator names no protocols, it vouches for the endpoints itself.
    package func endpoints(
        _ tags: [String], speaking expected: [[String]]
    ) -> [NetworkEndpoint] {
        var endpoints: [NetworkEndpoint] = []
        for network in named where tags.contains(where: { NetworkTag.same($0, network.name) }) {
            guard network.protocols.isEmpty || NetworkTag.covers(network.protocols, expected) else {
                continue
            }
            for endpoint in network.endpoints where !endpoints.contains(endpoint) {
                endpoints.append(endpoint)
            }
        }
        return endpoints
    }
}

/// A network whose peers the operator names.
package struct NamedNetwork: Sendable, Equatable {
    package var name: String
    package var endpoints: [NetworkEndpoint]
    /// What is spoken there; empty where the operator does not say.
    package var protocols: [String]

    package init(name: String, endpoints: [NetworkEndpoint], protocols: [String] = []) {
        self.name = name
        self.endpoints = endpoints
        self.protocols = protocols
    }
}

/// Tags and names of protocols: compared without regard to case, as names of hosts are.
package enum NetworkTag {
    package static func same(_ one: String, _ other: String) -> Bool {
        one.lowercased() == other.lowercased()
    }

    /// Whether for each expected protocol one of its names is among those spoken.
    package static func covers(_ spoken: [String], _ expected: [[String]]) -> Bool {
        let names = Set(spoken.map { $0.lowercased() })
        return expected.allSatisfy { $0.isEmpty || $0.contains { names.contains($0.lowercased()) } }
    }
}

/// A pattern of tags: "*" for any characters, "?" for one, all else for itself.
package struct Glob: Sendable, Equatable {
    // LIMIT: 128 bytes, as a tag: matching takes at most their product.
    package static let bytesMax = 128

    package let text: String
    private let pattern: [UInt8]

    package init?(_ text: String) {
        guard !text.isEmpty, text.utf8.count <= Self.bytesMax else { return nil }
        self.text = text
        pattern = Array(text.lowercased().utf8)
    }

    /// Goes back to the last "*" only: earlier ones cannot do better.
    package func matches(_ tag: String) -> Bool {
        let bytes = Array(tag.lowercased().utf8)
        var place = 0
        var index = 0
        var star: (pattern: Int, bytes: Int)?
        while index < bytes.count {
            if place < pattern.count, pattern[place] == UInt8(ascii: "*") {
                star = (place, index)
                place += 1
            } else if place < pattern.count,
                pattern[place] == bytes[index] || pattern[place] == UInt8(ascii: "?")
            {
                place += 1
                index += 1
            } else if let last = star {
                star = (last.pattern, last.bytes + 1)
                place = last.pattern + 1
                index = last.bytes + 1
            } else {
                return false
            }
        }
        return pattern[place...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}

/// A peer outside: the name and port that an instance sees, and where that really is.
package struct NetworkEndpoint: Sendable, Hashable {
    package enum Kind: String, Sendable { case tcp, udp }

    /// What the instance calls it: a host name, or an address.
    package let name: String
    package let port: UInt16
    package let kind: Kind
    /// A host name, looked up on this host, or an address.
    package let host: String
    package let hostPort: UInt16

    package init(
        name: String, port: UInt16, kind: Kind = .tcp, host: String? = nil, hostPort: UInt16? = nil
    ) {
        self.name = name
        self.port = port
        self.kind = kind
        self.host = host ?? name
        self.hostPort = hostPort ?? port
    }

    /// Reads "name:port", "name:port/udp", and "name:port=host:port" for a peer that is somewhere
    /// else than its name says; nil for anything else. Names and IPv4 addresses.
    package init?(_ text: String) {
        var rest = text[...]
        var kind = Kind.tcp
        for known in [Kind.tcp, .udp] where rest.hasSuffix("/\(known.rawValue)") {
            kind = known
            rest = rest.dropLast(4)
        }
        let sides = rest.split(separator: "=", omittingEmptySubsequences: false)
        guard (1...2).contains(sides.count), let near = Self.place(sides[0]),
            let far = Self.place(sides[sides.count - 1])
        else { return nil }
        self.init(
            name: near.host.lowercased(), port: near.port, kind: kind, host: far.host,
            hostPort: far.port)
    }

    private static func place(_ text: Substring) -> (host: String, port: UInt16)? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let port = UInt16(parts[1]), port != 0,
            HostName.isValid(String(parts[0]))
        else { return nil }
        return (String(parts[0]), port)
    }

    package var text: String {
        let near = "\(name):\(port)"
        let isElsewhere = host != name || hostPort != port
        return (isElsewhere ? "\(near)=\(host):\(hostPort)" : near)
            + (kind == .udp ? "/udp" : "")
    }

    /// nil where the host is a name.
    package var address: IPv4Endpoint? { IPv4Endpoint(host, port: hostPort) }
}

/// Names of hosts (RFC 1123), and addresses, which look like them.
package enum HostName {
    // LIMIT: RFC 1035 §2.3.4: 63 bytes of a label, 253 of a name in text.
    package static let labelBytesMax = 63
    package static let bytesMax = 253

    package static func isValid(_ text: String) -> Bool {
        guard !text.isEmpty, text.utf8.count <= bytesMax else { return false }
        return text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            !label.isEmpty && label.utf8.count <= labelBytesMax && label.utf8.first != 0x2D
                && label.utf8.last != 0x2D && label.utf8.allSatisfy(isAllowed)
        }
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
