// Networks: what the policy says, who is given which peer, and that nobody is given more.

import Interfaces
import ServiceModel
import Syscalls
import Testing
import gateway_broker

@Suite("The policy of networks") struct NetworkPolicyTests {
    @Test(
        "compares a tag with a pattern",
        arguments: [
            ("*", "anything", true), ("web", "web", true), ("web", "webs", false),
            ("WEB", "web", true), ("bitcoin-*", "bitcoin-mainnet", true),
            ("bitcoin-*", "bitcoin", false), ("*-testnet", "a-testnet", true),
            ("*-testnet", "a-testnet-b", false), ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false), ("w?b", "web", true), ("w?b", "wb", false),
            ("a**", "a", true), ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false),
        ])
    func globs(_ pattern: String, _ tag: String, _ expected: Bool) throws {
        #expect(try #require(Glob(pattern)).matches(tag) == expected)
    }

    @Test("gives nothing that no pattern allows, and nothing that one denies")
    func order() throws {
        var policy = NetworkPolicy()
        #expect(policy.verdict(["web"]) == .unnamed)
        policy.allow = [try #require(Glob("*"))]
        #expect(policy.verdict(["web", "x"]) == .allowed(["web", "x"]))
        policy.deny = [try #require(Glob("x"))]
        #expect(policy.verdict(["web", "x"]) == .denied("x"))
        policy.allow = [try #require(Glob("web"))]
        // Only what is allowed itself opens something.
        #expect(policy.verdict(["bank", "web"]) == .allowed(["web"]))
    }

    @Test(
        "reads an endpoint as it is written",
        arguments: [
            ("example.org:80", "example.org:80", "example.org", UInt16(80)),
            ("Example.org:80", "example.org:80=Example.org:80", "Example.org", 80),
            ("192.0.2.1:8333", "192.0.2.1:8333", "192.0.2.1", 8_333),
            ("ns:53/udp", "ns:53/udp", "ns", 53),
            ("a.b:80=127.0.0.1:8080", "a.b:80=127.0.0.1:8080", "127.0.0.1", 8_080),
        ])
    func endpoints(_ text: String, _ canonical: String, _ host: String, _ port: UInt16) throws {
        let endpoint = try #require(NetworkEndpoint(text))
        #expect(endpoint.text == canonical)
        #expect(endpoint.host == host && endpoint.hostPort == port)
        #expect(NetworkEndpoint(endpoint.text) == endpoint)
    }

    @Test(
        "takes nothing else for an endpoint",
        arguments: [
            "", "a", "a:", ":80", "a:0", "a:65536", "a:80/sctp", "a b:80", "a:80=b", "a:80=b:1=c:1",
            "-a:80", "a..b:80", "[::1]:80", "::1:80", "a:80 ",
        ])
    func badEndpoints(_ text: String) {
        #expect(NetworkEndpoint(text) == nil)
    }

    @Test("gives the endpoints of a named network to those who expect what is spoken there")
    func protocols() throws {
        var policy = NetworkPolicy()
        let endpoint = try #require(NetworkEndpoint("a:1"))
        policy.named = [NamedNetwork(name: "n", endpoints: [endpoint], protocols: ["HTTP"])]
        #expect(policy.endpoints(["N"], speaking: []) == [endpoint])
        #expect(policy.endpoints(["n"], speaking: [["spdy", "http"]]) == [endpoint])
        #expect(policy.endpoints(["n"], speaking: [["http"], ["tls"]]) == [])
        #expect(policy.endpoints(["m"], speaking: []) == [])
    }
}

@Suite("The book of networks") struct NetworkBookTests {
    static func id(_ number: UInt8) -> InstanceID { RegistryFixture.id(number) }

    static func policy(
        allow: [String] = ["*"], deny: [String] = [], _ endpoints: String...
    ) -> NetworkPolicy {
        var policy = NetworkPolicy()
        policy.allow = allow.compactMap { Glob($0) }
        policy.deny = deny.compactMap { Glob($0) }
        policy.named = [
            NamedNetwork(name: "web", endpoints: endpoints.compactMap { NetworkEndpoint($0) })
        ]
        return policy
    }

    static func member(
        _ tags: [String]..., slots: [UInt16] = [], protocols: [String] = [],
        expects: [[String]] = [], group: [UInt8] = []
    ) -> NetworkMember {
        NetworkMember(
            networks: tags.map {
                NetworkMember.Membership(tags: $0, protocols: expects, group: group)
            },
            slots: slots.map {
                ExposedSlot(
                    slot: RelayedSlot(port: $0, transport: .tcp), protocols: ["tcp"] + protocols)
            })
    }

    /// Joins and writes down.
    @discardableResult
    static func join(
        _ book: inout NetworkBook, _ number: UInt8, _ member: NetworkMember
    ) -> NetworkBook.Entry {
        let entry = book.joining(id(number), member) { _ in true }
        book.set(id(number), entry)
        return entry
    }

    @Test("gives an instance that declares nothing nothing, whatever the policy allows")
    func nothing() {
        var book = NetworkBook(policy: Self.policy("a:80"))
        #expect(Self.join(&book, 1, Self.member(slots: [80])).grants.isEmpty)
        #expect(throws: GatewayFault.undeclaredNetwork("web", declared: [])) {
            try book.resolving(["web"], for: Self.id(1)) { _ in true }
        }
    }

    @Test("gives each endpoint an address of its own inside, with the port it has")
    func outside() {
        var book = NetworkBook(policy: Self.policy("a:80", "b:443=127.0.0.1:8443"))
        let grants = Self.join(&book, 1, Self.member(["web"])).grants
        #expect(grants.map(\.inside.description) == ["10.66.0.1:80", "10.66.0.2:443"])
        #expect(grants.map(\.name) == ["a", "b"])
    }

    @Test("takes another port inside where the service declares the peer's as its own")
    func ownPort() {
        var book = NetworkBook(policy: Self.policy("a:80"))
        let grant = Self.join(&book, 1, Self.member(["web"], slots: [80])).grants[0]
        let other = grant.inside.port
        #expect(other != 80)
        let next = Self.join(&book, 2, Self.member(["web"], slots: [80, other])).grants[0]
        #expect(![80, other].contains(next.inside.port))
    }

    @Test("gives nothing without the policy's word, and says so where it is asked")
    func policyRules() {
        for policy in [Self.policy(allow: [], "a:80"), Self.policy(deny: ["w*"], "a:80")] {
            var book = NetworkBook(policy: policy)
            #expect(Self.join(&book, 1, Self.member(["web"])).grants.isEmpty)
            #expect(throws: GatewayFault.unsupported("network web")) {
                try book.resolving(["web"], for: Self.id(1)) { _ in true }
            }
        }
    }

    @Test("makes peers of instances that declare one network and speak what is expected")
    func peers() throws {
        var book = NetworkBook(policy: Self.policy())
        Self.join(&book, 1, Self.member(["x"], slots: [80, 81], protocols: ["p"]))
        Self.join(&book, 2, Self.member(["x"], slots: [82]))
        Self.join(&book, 3, Self.member(["y"], slots: [83], protocols: ["p"]))
        let entry = Self.join(&book, 4, Self.member(["X"], expects: [["p"]]))
        #expect(
            entry.grants.map(\.peer) == [
                .slot(Self.id(1), SlotKey(port: 80, transport: .tcp)),
                .slot(Self.id(1), SlotKey(port: 81, transport: .tcp)),
            ])
        // The first one hears of the second when it asks again; of itself never.
        let later = try book.resolving(["x"], for: Self.id(1)) { _ in true }
        #expect(later.grants.map(\.instance) == [Self.id(2)])
    }

    @Test("makes no peer of an instance that does not serve")
    func serving() {
        var book = NetworkBook(policy: Self.policy())
        Self.join(&book, 1, Self.member(["x"], slots: [80]))
        let entry = book.joining(Self.id(2), Self.member(["x"])) { $0 != Self.id(1) }
        #expect(entry.grants.isEmpty)
    }

    @Test("makes peers of those only whose value of the network's variable is the same")
    func groups() {
        var book = NetworkBook(policy: Self.policy())
        Self.join(&book, 1, Self.member(["x"], slots: [80], group: [1]))
        Self.join(&book, 2, Self.member(["x"], slots: [80], group: [2]))
        let grants = Self.join(&book, 3, Self.member(["x"], group: [1])).grants
        #expect(grants.map(\.instance) == [Self.id(1)])
    }

    @Test(
        "takes the ways to an instance away when it ends, and gives their addresses to nobody else")
    func ends() throws {
        var book = NetworkBook(policy: Self.policy())
        Self.join(&book, 1, Self.member(["x"], slots: [80]))
        let first = Self.join(&book, 2, Self.member(["x"])).grants[0].inside
        #expect(book.leave(Self.id(1)) == [Self.id(2)])
        Self.join(&book, 3, Self.member(["x"], slots: [80]))
        let later = try book.resolving(["x"], for: Self.id(2)) { _ in true }
        #expect(later.grants.count == 1)
        #expect(later.grants[0].inside != first)
    }

    @Test("answers names to those that declare them: of peers, and of networks for all their peers")
    func names() throws {
        var book = NetworkBook(policy: Self.policy("a.org:80", "b.org:80"))
        let grants = Self.join(&book, 1, Self.member(["web"], ["DNS"])).grants
        #expect(grants.last?.peer == .names)
        #expect(grants.last?.inside.description == "10.64.0.1:53")
        #expect(book.addresses(of: "b.org", for: Self.id(1)) == [0x0A42_0002])
        #expect(book.addresses(of: "web", for: Self.id(1)) == [0x0A42_0001, 0x0A42_0002])
        #expect(book.addresses(of: "c.org", for: Self.id(1)) == nil)
        #expect(book.addresses(of: "a.org", for: Self.id(2)) == nil)
        #expect(!Self.join(&book, 2, Self.member(["web"])).grants.contains { $0.peer == .names })
    }

    @Test("takes back after a restart what the policy allows no more")
    func tighter() throws {
        var book = NetworkBook(policy: Self.policy("a:80", "b:80"))
        let entry = Self.join(&book, 1, Self.member(["web"], ["dns"]))
        let read = try #require(NetworkText.entry(NetworkText.text(entry)))
        #expect(read == entry)
        var later = NetworkBook(policy: Self.policy("b:80"))
        later.restore(Self.id(1), read)
        #expect(later.entries[Self.id(1)]?.grants.compactMap(\.name) == ["b"])
        var closed = NetworkBook(policy: Self.policy(deny: ["*"]))
        closed.restore(Self.id(1), read)
        #expect(closed.entries[Self.id(1)]?.grants == [])
    }

    @Test("says in the configuration file which peers each network has, also where there are none")
    func resolutions() {
        var book = NetworkBook(policy: Self.policy("a:80"))
        let found = NetworkBook.resolutions(Self.join(&book, 1, Self.member(["web"], ["none"])))
        #expect(found.map(\.tags) == [["web"], ["none"]])
        #expect(found[0].peerInstances[0].uriSlots[0].uris == [Uri(ip: "10.66.0.1", port: 80)])
        #expect(found[1].peerInstances.isEmpty)
    }
}

@Suite("Networks in a family") struct NetworkFamilyTests {
    private func terms(_ tags: [String]...) -> BoxTerms {
        var terms = BoxTerms()
        terms.networks = tags.map { DeclaredNetwork(tags: $0) }
        return terms
    }

    private func member(_ terms: BoxTerms, within allowed: [String]?) -> NetworkMember {
        NetworkMember(terms, environment: [], within: allowed) { $0 }
    }

    @Test("a child has of its networks what every ancestor declared, and hears why not the rest")
    func ceiling() throws {
        var book = NetworkBook(policy: NetworkBookTests.policy("a:80"))
        let id = NetworkBookTests.id
        book.set(
            id(1), book.joining(id(1), member(terms(["other"]), within: nil)) { _ in true })
        book.set(
            id(2),
            book.joining(id(2), member(terms(["web"], ["other"]), within: book.ceiling(of: id(1))))
            { _ in true })
        #expect(book.entries[id(2)]?.grants.isEmpty == true)
        #expect(throws: GatewayFault.forbidden("family.network web")) {
            try book.resolving(["web"], for: id(2)) { _ in true }
        }
        // And so a grandchild: what its parent was not given it has not, either.
        book.set(
            id(3),
            book.joining(id(3), member(terms(["web"]), within: book.ceiling(of: id(2)))) { _ in
                true
            })
        #expect(book.entries[id(3)]?.grants.isEmpty == true)
        // A parent nobody remembers declared nothing.
        #expect(book.ceiling(of: id(9)) == [])
    }

    @Test("nobody in any family ever has a peer in a network that an ancestor did not declare")
    func anyFamily() throws {
        var numbers = SeededGenerator(seed: 0xFA31)
        let all = ["web", "x", "y", "z", "dns"]
        for _ in 0..<300 {
            var book = NetworkBook(policy: NetworkBookTests.policy(deny: ["z"], "a:80"))
            var declared: [UInt8: Set<String>] = [:]
            var parents: [UInt8: UInt8] = [:]
            for number in UInt8(1)...12 {
                let parent = number == 1 ? nil : UInt8.random(in: 0..<number, using: &numbers)
                let tags = all.filter { _ in Bool.random(using: &numbers) }
                declared[number] = Set(tags)
                if let parent, parent != 0 { parents[number] = parent }
                var terms = BoxTerms()
                terms.networks = tags.map { DeclaredNetwork(tags: [$0]) }
                terms.exposed = [
                    ExposedSlot(slot: RelayedSlot(port: 80, transport: .tcp), protocols: ["tcp"])
                ]
                let id = NetworkBookTests.id(number)
                let member = member(
                    terms, within: book.ceiling(of: parents[number].map(NetworkBookTests.id)))
                book.set(id, book.joining(id, member) { _ in true })
            }
            for (number, own) in declared {
                var allowed = own.subtracting(["z"])
                var ancestor = parents[number]
                while let one = ancestor {
                    allowed.formIntersection(declared[one] ?? [])
                    ancestor = parents[one]
                }
                let entry = try #require(book.entries[NetworkBookTests.id(number)])
                for grant in entry.grants {
                    #expect(!allowed.isDisjoint(with: entry.member.networks[grant.network].tags))
                }
                #expect(Set(entry.grants.map(\.inside)).count == entry.grants.count)
            }
        }
    }
}
