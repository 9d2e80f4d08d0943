// `service.json` is read strictly: what is not understood is refused by the path of its key.

import ServiceModel
import Testing

@Suite("A service description")
struct DescriptionTests {
    private static let minimal =
        #""architecture": "linux/amd64", "init": {"entry_path": ["bin", "x"]}"#

    private func refusal(_ text: String) -> DescriptionError? {
        do throws(DescriptionError) {
            _ = try ServiceDescription.read(Array(text.utf8))
            return nil
        } catch {
            return error
        }
    }

    @Test("a minimal one gets the defaults of existing nodes")
    func defaults() throws {
        let description = try ServiceDescription.read(Array("{\(Self.minimal)}".utf8))
        let container = description.service.container
        #expect(container.architecture.tags == ["linux/amd64"])
        #expect(container.initial.path == "/bin/x")
        #expect(container.configDeclaration?.path == ["__config__"])
        #expect(container.resources?.atInit.memLimit == 10_000_000)
        #expect(container.resources?.atMost.diskSpace == 2_000_000_000)
        #expect(description.tags.isEmpty && description.service.api.slots.isEmpty)
    }

    @Test(
        "is refused by the key at fault",
        arguments: [
            (#""colour": 1"#, DescriptionError.Condition.unknownKey, "colour"),
            (#""resources": {"at_init": {"mem": 1}}"#, .unknownKey, "resources.at_init.mem"),
            (#""api": {}"#, .wrongType, "api"),
            (#""api": [{"transport": "tcp"}]"#, .missingKey, "api[0].port"),
            (#""api": [{"port": 65536}]"#, .outOfRange, "api[0].port"),
            (#""api": [{"port": 80}, {"port": 80}]"#, .duplicateKey, "api[1].port"),
            (
                #""resources": {"at_init": {"mem_limit": 1}}"#, .belowMinimum,
                "resources.at_init.mem_limit"
            ),
            (
                #""resources": {"at_most": {"blkio_weight": 9}}"#, .outOfRange,
                "resources.at_most.blkio_weight"
            ),
            (#""read_only_filesystem": 1"#, .wrongType, "read_only_filesystem"),
            (#""envs": ["A=B"]"#, .badName, "envs.A=B"),
            (#""config_declaration": {"path": [".."]}"#, .badName, "config_declaration.path"),
            (#""tag": "two words""#, .badName, "tag"),
            (#""tag": "\#(String(repeating: "ab", count: 32))""#, .badName, "tag"),
            (#""tag": ["a", "\#(String(repeating: "AB", count: 32))"]"#, .badName, "tag"),
            (
                #""api": [{"port": 1, "mu_per_call": {"g": 1}, "methods": {"f": {}}}]"#,
                .unknownKey, "api[0].mu_per_call.g"
            ),
            (
                #""api": [{"port": 1, "methods": {"f": {"in": 1}}}]"#, .unknownKey,
                "api[0].methods.f.in"
            ),
            (#""payment_contracts": [{}]"#, .missingKey, "payment_contracts[0].ledger"),
            (#""reputation_proofs": {}"#, .wrongType, "reputation_proofs"),
            (#""reputation_proofs": [{}]"#, .missingKey, "reputation_proofs[0].ledger"),
            (
                #""reputation_proofs": [{"ledger": "l", "mu_per_unit": 1}]"#, .unknownKey,
                "reputation_proofs[0].mu_per_unit"
            ),
            (
                #""reputation_proofs": [{"ledger": "l"}, {"ledger": "l"}]"#, .duplicateKey,
                "reputation_proofs[1]"
            ),
            (
                #""node_protocol_stack": [{"formal": {"base64": "!"}}]"#, .malformed,
                "node_protocol_stack[0].formal.base64"
            ),
            (
                #""node_protocol_stack": [{"formal": {}}]"#, .missingKey,
                "node_protocol_stack[0].formal.base64"
            ),
            (#""node_protocol_stack": [{"tag": "x"}]"#, .unknownKey, "node_protocol_stack[0].tag"),
            (#""api": [{"port": 1, "transport": ["tcp", "udp"]}]"#, .wrongType, "api[0].transport"),
            (
                #""api": [{"port": 1, "transport": {"prose": "x"}}]"#, .unsupported,
                "api[0].transport "
            ),
        ])
    func refusals(member: String, condition: DescriptionError.Condition, key: String) {
        let error = refusal("{\(Self.minimal), \(member)}")
        #expect(error?.condition == condition)
        #expect(error?.key == key)
    }

    @Test("says a slot's methods, their cost and the contracts the service is paid through")
    func methods() throws {
        let text = """
            {\(Self.minimal), "api": [{"port": 80, "protocol": ["http"], "mu_per_call": {"f": 3},
             "methods": {"f": {"input": "json", "output": {"prose": "text"}}, "g": {}},
             "cost_function": {"tags": ["wasm"], "formal": "x"}}],
             "payment_contracts": [{"ledger": "bitcoin", "xattrs": {"address": "a"},
             "mu_per_unit": "70"}]}
            """
        let api = try ServiceDescription.read(Array(text.utf8)).service.api
        let stack = api.slots[0].protocolStack
        #expect(stack.map(\.tags) == [["http"], [AppProtocol.tag]])
        let app = try #require(api.slots[0].appProtocol)
        #expect(app.methods["f"]?.input == DataFormat(tags: ["json"]))
        #expect(app.methods["f"]?.output == DataFormat(tags: [], prose: "text"))
        #expect(app.methods["g"] == Method() && app.methods.count == 2)
        #expect(app.costFunction == Definition(tags: ["wasm"], formal: [0x78]))
        #expect(api.paymentContracts[0].contract?.ledger == Ledger(tags: ["bitcoin"]))
        #expect(api.paymentContracts[0].contract?.xattrs == ["address": [0x61]])
        #expect(api.paymentContracts[0].muPerUnit == Amount(n: "70"))
        #expect(try Api(decoding: api.encoded()) == api)
    }

    @Test("says in all three ways what can be said in three ways")
    func definitions() throws {
        let three = #"{"tags": ["a", "b"], "prose": "p", "formal": {"base64": "AP8="}}"#
        let text = """
            {"architecture": {"tags": ["amd64", "sse4.2"], "prose": "with vectors"},
             "init": {"entry_path": ["x"], "xattrs": {"k": {"base64": "AA=="}, "t": "text"}},
             "node_protocol_stack": ["http", \(three)],
             "envs": {"E": \(three)}, "config_declaration": {"format": \(three)},
             "api": [{"port": 1, "transport": {"tags": ["TCP"], "prose": "p"},
                      "protocol": [\(three), "http"], "cost_function": \(three)}],
             "network": [{"tags": "n", "formal": {"base64": "AP8="},
                          "protocol_stack": [\(three)]}]}
            """
        let full = Definition(tags: ["a", "b"], prose: "p", formal: [0, 255])
        let service = try ServiceDescription.read(Array(text.utf8)).service
        let container = service.container
        #expect(
            container.architecture
                == Definition(tags: ["linux/amd64", "sse4.2"], prose: "with vectors"))
        #expect(container.initial.xattrs == ["k": [0], "t": Array("text".utf8)])
        #expect(container.nodeProtocolStack == [Definition(tags: ["http"]), full])
        #expect(container.environmentVariables == ["E": full])
        #expect(container.configDeclaration?.format == full)
        let slot = service.api.slots[0]
        #expect(slot.transport == Definition(tags: ["tcp"], prose: "p"))
        #expect(slot.transportName == "tcp")
        #expect(slot.protocolStack.prefix(2) == [full, Definition(tags: ["http"])])
        #expect(slot.appProtocol?.costFunction == full)
        #expect(service.networks[0].definition == Definition(tags: ["n"], formal: [0, 255]))
        #expect(service.networks[0].protocolStack == [full])
    }

    @Test("says where opinions on the service stand, which are no part of its bytes")
    func proofs() throws {
        let text = """
            {\(Self.minimal), "reputation_proofs": [
             {"ledger": "ergo", "xattrs": {"token": {"base64": "AP8="}}},
             {"ledger": {"tags": ["other"], "prose": "p"}}]}
            """
        let description = try ServiceDescription.read(Array(text.utf8))
        var first = Contract()
        first.ledger = Ledger(tags: ["ergo"])
        first.xattrs = ["token": [0, 255]]
        #expect(description.reputationProofs.first == first)
        #expect(description.reputationProofs.map(\.ledger?.prose) == ["", "p"])
        let without = try ServiceDescription.read(Array("{\(Self.minimal)}".utf8))
        #expect(description.service == without.service && without.reputationProofs.isEmpty)
    }

    @Test("says what it wants of its gateway: the file's format, the protocols, the networks")
    func gateway() throws {
        let text = """
            {\(Self.minimal), "config_declaration": {"path": "etc/node.json", "format": "json"},
             "node_protocol_stack": ["http", "x"],
             "network": [{"tags": ["n"], "protocol_stack": "p", "environment_variable": "E"}]}
            """
        let service = try ServiceDescription.read(Array(text.utf8)).service
        let declaration = service.container.configDeclaration
        #expect(declaration?.path == ["etc", "node.json"])
        #expect(declaration?.format == DataFormat(tags: ["json"]))
        #expect(service.container.nodeProtocolStack.map(\.tags) == [["http"], ["x"]])
        #expect(service.networks.map(\.environmentVariable) == ["E"])
        #expect(service.networks[0].protocolStack.map(\.tags) == [["p"]])
    }

    @Test("without an architecture, or without an entrypoint, is refused by the missing key")
    func missing() {
        #expect(refusal("{}")?.key == "architecture")
        #expect(refusal(#"{"architecture": "amd64"}"#)?.key == "init.entry_path")
    }

    @Test("gives at_most the larger of both, whatever is written")
    func most() throws {
        let text = """
            {\(Self.minimal), "resources": {"at_init": {"mem_limit": 64000000},
             "at_most": {"mem_limit": 32000000}}}
            """
        let description = try ServiceDescription.read(Array(text.utf8))
        #expect(description.service.container.resources?.atMost.memLimit == 64_000_000)
    }
}

@Suite("A JSON document")
struct JSONReaderTests {
    @Test(
        "is refused when it is more or less than one document",
        arguments: [
            "", "{", "[1,]", "{} {}", "nul", "01", "1.", "-", "\"\\u12\"", "\"\\ud800\"",
            "\"\u{1}\"", "1e999999", "{\"a\" 1}", "[1 2]", "'a'",
        ])
    func malformed(text: String) {
        #expect(throws: JSONError.self) { try JSONReader.read(Array(text.utf8)) }
    }

    @Test("is refused when a key is there twice, or text is not UTF-8, or it is nested too deep")
    func refused() {
        #expect(throws: JSONError.duplicateKey("a")) {
            try JSONReader.read(Array(#"{"a": 1, "a": 1}"#.utf8))
        }
        #expect(throws: JSONError.duplicateKey("a[1][0].b.c")) {
            try JSONReader.read(Array(#"{"a": [1, [{"b": {"c": 1, "c": 1}}]]}"#.utf8))
        }
        #expect(throws: JSONError.self) { try JSONReader.read([0x22, 0xFF, 0x22]) }
        #expect(throws: JSONError.tooDeep(limit: JSONReader.depthMax)) {
            try JSONReader.read([UInt8](repeating: UInt8(ascii: "["), count: 100_000))
        }
    }

    @Test("gives its values")
    func values() throws {
        let value = try JSONReader.read(
            Array(#" {"a": [1, -2.5, true, null, "\ud83d\ude00\n"]} "#.utf8))
        #expect(
            value
                == .object([
                    ("a", .array([.integer(1), .number(-2.5), .bool(true), .null, .string("😀\n")]))
                ]))
    }
}
