// What is read of networks from outside (the configuration file, the registry) and of the file inside
// an instance: any bytes are an error or a value that keeps its promises, and never a trap.

import Chassis
import ServiceModel
import Syscalls
import Testing
import gateway_broker

@Suite("What is read of networks") struct NetworkFuzzTests {
    /// A text with some bytes replaced, removed or doubled.
    private static func mutated(_ text: String, _ numbers: inout SeededGenerator) -> [UInt8] {
        var bytes = Array(text.utf8)
        for _ in 0..<Int.random(in: 1...4, using: &numbers) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &numbers)
            switch Int.random(in: 0..<4, using: &numbers) {
            case 0: bytes.remove(at: place)
            case 1: bytes.insert(bytes[place], at: place)
            case 2: bytes[place] = UInt8.random(in: 0x20...0x7E, using: &numbers)
            default: bytes[place] = UInt8.random(in: 0...255, using: &numbers)
            }
        }
        return bytes
    }

    private static func mutated(text: String, _ numbers: inout SeededGenerator) -> String {
        String(decoding: mutated(text, &numbers), as: UTF8.self)
    }

    @Test("an endpoint that is read can be written and read again")
    func endpoints() {
        var numbers = SeededGenerator(seed: 11)
        let samples = ["a.example:80=127.0.0.1:8080/udp", "192.0.2.1:1", "x-y.z:65535/tcp"]
        for round in 0..<20_000 {
            let text = Self.mutated(text: samples[round % samples.count], &numbers)
            guard let endpoint = NetworkEndpoint(text) else { continue }
            #expect(NetworkEndpoint(endpoint.text) == endpoint)
            #expect(HostName.isValid(endpoint.name) && HostName.isValid(endpoint.host))
            #expect(endpoint.port != 0 && endpoint.hostPort != 0)
        }
    }

    @Test("an entry of the registry is the one that was written, or none")
    func entries() throws {
        var numbers = SeededGenerator(seed: 12)
        var book = NetworkBook(policy: NetworkBookTests.policy("a.org:80", "b.org:1=127.0.0.1:2"))
        NetworkBookTests.join(&book, 1, NetworkBookTests.member(["x"], slots: [80]))
        let entry = NetworkBookTests.join(
            &book, 2, NetworkBookTests.member(["x", "web"], ["dns"], group: [1, 2]))
        let text = NetworkText.text(entry)
        #expect(NetworkText.entry(text) == entry)
        for _ in 0..<20_000 {
            guard let read = NetworkText.entry(Self.mutated(text: text, &numbers)) else { continue }
            #expect(NetworkText.entry(NetworkText.text(read)) == read)
            // Whatever it says, restoring it gives nothing that the policy does not allow.
            var later = NetworkBook()
            later.restore(NetworkBookTests.id(2), read)
            #expect(
                later.entries[NetworkBookTests.id(2)]?.grants.allSatisfy { $0.peer == .names }
                    == true)
        }
    }

    private static let policy = """
        [networks]
        allow = ["web", "bitcoin-*"]
        deny = ["*-testnet"]
        [networks.named.web]
        endpoints = ["www.example.org:80", "site.example:80=127.0.0.1:8000"]
        protocols = ["http"]
        """

    private static func read(_ text: String) throws(ConfigurationError) -> NetworkPolicy {
        let reader = try ConfigurationReader(text: text, file: "gateway-broker.toml")
        let configuration = try GatewayConfiguration(reader)
        try reader.finish()
        return configuration.networks
    }

    @Test("the policy is read as it is written, and a key that is not known is refused")
    func policies() throws {
        let policy = try Self.read(Self.policy)
        #expect(policy.allow.map(\.text) == ["web", "bitcoin-*"])
        #expect(policy.named.map(\.name) == ["web"] && policy.named[0].endpoints.count == 2)
        for (bad, key) in [
            ("[networks]\nallowed = []", "networks.allowed"),
            ("[networks]\nallow = [\"\"]", "networks.allow"),
            ("[networks]\nallow = \"web\"", "networks.allow"),
            ("[networks.named.x]\nendpoints = [\"x\"]", "networks.named.x.endpoints"),
            ("[networks.named.x]\nendpoints = [\"[::1]:80\"]", "networks.named.x.endpoints"),
            ("[networks.named.x]\nendpoint = []", "networks.named.x.endpoint"),
        ] {
            let error = #expect(throws: ConfigurationError.self) { try Self.read(bad) }
            #expect(error?.key == key)
        }
    }

    @Test("any configuration is read or refused")
    func anyPolicy() {
        var numbers = SeededGenerator(seed: 13)
        for _ in 0..<3_000 {
            guard let policy = try? Self.read(Self.mutated(text: Self.policy, &numbers)) else {
                continue
            }
            #expect(policy.allow.count <= NetworkPolicy.globsMax)
            #expect(policy.verdict(["a-testnet", "web"]) != .allowed(["a-testnet"]))
        }
    }

    @Test("any bytes are a configuration file of an instance, or none, in both formats")
    func files() throws {
        var numbers = SeededGenerator(seed: 14)
        let plan = try InstancePlanTests.plan()
        var book = NetworkBook(policy: NetworkBookTests.policy("a.org:80"))
        let entry = NetworkBookTests.join(&book, 1, NetworkBookTests.member(["web"], ["dns"]))
        let bytes = try ConfigurationContent.bytes(
            plan, resolutions: NetworkBook.resolutions(entry))
        let json = JSONWriter.bytes(try ProtoSchema.configurationFile.json(bytes[...]))
        for _ in 0..<10_000 {
            var changed = bytes
            changed[Int.random(in: 0..<bytes.count, using: &numbers)] =
                UInt8.random(in: 0...255, using: &numbers)
            changed.removeLast(Int.random(in: 0...bytes.count, using: &numbers) / 2)
            if let file = try? ConfigurationFile(decoding: changed) {
                #expect(try ConfigurationFile(decoding: file.encoded()) == file)
            }
            let text = Self.mutated(String(decoding: json, as: UTF8.self), &numbers)
            guard let document = try? JSONReader.read(text),
                let read = try? ProtoSchema.configurationFile.bytes(document)
            else { continue }
            #expect(throws: Never.self) { try ConfigurationFile(decoding: read) }
        }
    }
}
