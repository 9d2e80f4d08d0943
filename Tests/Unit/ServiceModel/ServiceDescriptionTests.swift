// A description is honoured whole, or refused with the path of the key at fault.

import ServiceModel
import Testing

private let smallest = #""architecture": "linux/amd64", "init": {"entry_path": ["start"]}"#

/// The smallest description with more keys.
private func read(_ more: String = "") throws(DescriptionError) -> ServiceDescription {
    let text = "{" + smallest + (more.isEmpty ? "" : ", " + more) + "}"
    return try ServiceDescription.read(Array(text.utf8))
}

struct Refusal: Sendable {
    var text: String
    var condition: DescriptionError.Condition
    var key: String
    var limit: UInt64 = 0
    var actual: UInt64 = 0

    init(
        _ text: String, _ condition: DescriptionError.Condition, _ key: String,
        _ limit: UInt64 = 0, _ actual: UInt64 = 0
    ) {
        self.text = text
        self.condition = condition
        self.key = key
        self.limit = limit
        self.actual = actual
    }
}

private let many = Array(repeating: #""a""#, count: 257).joined(separator: ",")
private let long = String(repeating: "t", count: 129)

@Suite struct ServiceDescriptionTests {
    @Test(
        "A key that cannot be honoured is named with its bound",
        arguments: [
            Refusal(#""colour": 1"#, .unknownKey, "colour"),
            Refusal(#""entrypoint": "/x""#, .unknownKey, "entrypoint"),
            Refusal(#""prose": 1"#, .wrongType, "prose"),
            Refusal(#""prose": "a", "prose": "a""#, .duplicateKey, "prose"),
            Refusal(#""tag": """#, .badName, "tag"),
            Refusal(#""tag": "a b""#, .badName, "tag"),
            Refusal(#""tag": 1"#, .wrongType, "tag"),
            Refusal(#""tag": ["a", 1]"#, .wrongType, "tag[1]"),
            Refusal(#""tag": "\#(long)""#, .tooLarge, "tag", 128, 129),
            Refusal(#""tag": [\#(many)]"#, .tooLarge, "tag", 256, 257),
            Refusal(#""resources": 1"#, .wrongType, "resources"),
            Refusal(#""resources": {"at_start": {}}"#, .unknownKey, "resources.at_start"),
            Refusal(#""resources": {"at_init": []}"#, .wrongType, "resources.at_init"),
            Refusal(
                #""resources": {"at_init": {"memory": 1}}"#, .unknownKey,
                "resources.at_init.memory"),
            Refusal(
                #""resources": {"at_init": {"mem_limit": "1"}}"#, .wrongType,
                "resources.at_init.mem_limit"),
            Refusal(
                #""resources": {"at_init": {"mem_limit": 1e7}}"#, .wrongType,
                "resources.at_init.mem_limit"),
            Refusal(
                #""resources": {"at_init": {"mem_limit": -1}}"#, .outOfRange,
                "resources.at_init.mem_limit"),
            Refusal(
                #""resources": {"at_most": {"mem_limit": 4194303}}"#, .belowMinimum,
                "resources.at_most.mem_limit", 4_194_304, 4_194_303),
            Refusal(
                #""resources": {"at_init": {"disk_space": 0}}"#, .belowMinimum,
                "resources.at_init.disk_space", 4_194_304, 0),
            Refusal(
                #""resources": {"at_init": {"cpu_period": 999}}"#, .outOfRange,
                "resources.at_init.cpu_period", 1_000, 999),
            Refusal(
                #""resources": {"at_init": {"cpu_period": 1000001}}"#, .outOfRange,
                "resources.at_init.cpu_period", 1_000_000, 1_000_001),
            Refusal(
                #""resources": {"at_init": {"cpu_quota": 999}}"#, .outOfRange,
                "resources.at_init.cpu_quota", 1_000, 999),
            Refusal(
                #""resources": {"at_init": {"blkio_weight": 9}}"#, .outOfRange,
                "resources.at_init.blkio_weight", 10, 9),
            Refusal(
                #""resources": {"at_init": {"blkio_weight": 1001}}"#, .outOfRange,
                "resources.at_init.blkio_weight", 1_000, 1_001),
            Refusal(#""config_declaration": {"path": []}"#, .badName, "config_declaration.path"),
            Refusal(
                #""config_declaration": {"path": ["a", ".."]}"#, .badName,
                "config_declaration.path"),
            Refusal(
                #""config_declaration": {"format": 1}"#, .wrongType, "config_declaration.format"),
            Refusal(
                #""config_declaration": {"form": 1}"#, .unknownKey, "config_declaration.form"),
            Refusal(#""node_protocol_stack": 1"#, .wrongType, "node_protocol_stack"),
            Refusal(#""node_protocol_stack": {}"#, .missingKey, "node_protocol_stack.tags"),
            Refusal(#""node_protocol_stack": [""]"#, .missingKey, "node_protocol_stack[0].tags"),
            Refusal(
                #""network": [{"tags": ["a"], "environment_variable": 1}]"#, .wrongType,
                "network[0].environment_variable"),
            Refusal(#""envs": 1"#, .wrongType, "envs"),
            Refusal(#""envs": ["A", 1]"#, .wrongType, "envs[1]"),
            Refusal(#""envs": ["A=B"]"#, .badName, "envs.A=B"),
            Refusal(#""envs": [""]"#, .badName, "envs."),
            Refusal(#""envs": {"A": 1}"#, .wrongType, "envs.A"),
            Refusal(#""envs": {"A": {"kind": "x"}}"#, .unknownKey, "envs.A.kind"),
            Refusal(#""envs": [\#(many)]"#, .tooLarge, "envs", 256, 257),
            Refusal(#""api": {}"#, .wrongType, "api"),
            Refusal(#""api": [1]"#, .wrongType, "api[0]"),
            Refusal(#""api": [{}]"#, .missingKey, "api[0].port"),
            Refusal(#""api": [{"port": 1}, {"port": "1"}]"#, .wrongType, "api[1].port"),
            Refusal(#""api": [{"port": 0}]"#, .outOfRange, "api[0].port", 1, 0),
            Refusal(#""api": [{"port": -1}]"#, .outOfRange, "api[0].port", 1, 0),
            Refusal(#""api": [{"port": 65536}]"#, .outOfRange, "api[0].port", 65_535, 65_536),
            Refusal(#""api": [{"port": 1, "host": 1}]"#, .unknownKey, "api[0].host"),
            Refusal(
                #""api": [{"port": 1, "transport": "sctp"}]"#, .unsupported,
                "api[0].transport sctp"),
            Refusal(#""api": [{"port": 1}, {"port": 1}]"#, .duplicateKey, "api[1].port"),
            Refusal(
                #""api": [{"port": 1, "mu_per_call": {"f": -1}}]"#, .wrongType,
                "api[0].mu_per_call.f"),
            Refusal(
                #""api": [{"port": 1, "mu_per_call": {"f": "1.5"}}]"#, .wrongType,
                "api[0].mu_per_call.f"),
            Refusal(#""api": [\#(many)]"#, .tooLarge, "api", 256, 257),
            Refusal(#""network": [{}]"#, .missingKey, "network[0].tags"),
            Refusal(#""network": [{"tags": ["a"], "x": 1}]"#, .unknownKey, "network[0].x"),
            Refusal(#""network": [{"tags": [1]}]"#, .wrongType, "network[0].tags[0]"),
            Refusal(#""read_only_filesystem": 1"#, .wrongType, "read_only_filesystem"),
            Refusal(#""read_only_filesystem": "ro""#, .wrongType, "read_only_filesystem"),
            Refusal(#""shared_filesystems": [{}]"#, .missingKey, "shared_filesystems[0].path"),
            Refusal(#""shared_filesystems": {"path": "/a"}"#, .wrongType, "shared_filesystems"),
            Refusal(
                #""shared_filesystems": [{"path": "/", "role": "shared"}]"#, .badName,
                "shared_filesystems[0].path"),
            Refusal(
                #""shared_filesystems": [{"path": "/a/../b", "role": "shared"}]"#, .badName,
                "shared_filesystems[0].path"),
            Refusal(
                #"""
                "config_declaration": {"path": "/a/x"},
                "shared_filesystems": [{"path": "/a", "role": "shared"}]
                """#, .badName, "shared_filesystems[0].path"),
            Refusal(
                #""shared_filesystems": [{"path": "/a"}]"#, .missingKey,
                "shared_filesystems[0].role"),
            Refusal(
                #""shared_filesystems": [{"path": "/a", "role": "host"}]"#, .unsupported,
                "shared_filesystems[0].role host"),
            Refusal(
                #""shared_filesystems": [{"path": "/a", "role": "guest", "access": "wo"}]"#,
                .unsupported, "shared_filesystems[0].access wo"),
            Refusal(
                #""shared_filesystems": [{"path": "/a", "role": "guest", "tag": "a b"}]"#,
                .badName, "shared_filesystems[0].tag"),
            Refusal(
                #""shared_filesystems": [{"path": "/a", "role": "guest", "env": "X"}]"#,
                .unknownKey, "shared_filesystems[0].env"),
            Refusal(
                #"""
                "shared_filesystems": [{"path": "/a", "role": "guest"},
                                       {"path": "/a/b", "role": "shared"}]
                """#, .duplicateKey, "shared_filesystems[1].path"),
            Refusal(
                #"""
                "shared_filesystems": [{"path": "/a", "role": "shared", "tag": "t"},
                                       {"path": "/b", "role": "shared", "tag": "t"}]
                """#, .duplicateKey, "shared_filesystems[1].path"),
            Refusal(
                #""possible_environment_workload": {"a": 1}"#, .wrongType,
                "possible_environment_workload"),
            Refusal(
                #""possible_environment_workload": [{}]"#, .missingKey,
                "possible_environment_workload[0].workloads"),
            Refusal(
                #""possible_environment_workload": [{"workloads": [{"count": 2}]}]"#, .missingKey,
                "possible_environment_workload[0].workloads[0].dependency"),
            Refusal(
                #""possible_environment_workload": [{"workloads": [{"count": 0}]}]"#, .outOfRange,
                "possible_environment_workload[0].workloads[0].count", 1, 0),
            Refusal(
                #""possible_environment_workload": [{"workloads": [{"dependency": "abcd"}]}]"#,
                .malformed, "possible_environment_workload[0].workloads[0].dependency"),
        ])
    func refuses(_ refusal: Refusal) {
        let error = #expect(throws: DescriptionError.self) { try read(refusal.text) }
        #expect(error?.condition == refusal.condition)
        #expect(error?.key == refusal.key)
        #expect(error?.limit == refusal.limit)
        #expect(error?.actual == refusal.actual)
    }

    @Test(
        "A description without what every service needs is refused",
        arguments: [
            Refusal("[]", .wrongType, "service.json"),
            Refusal("{", .malformed, "service.json at byte 1"),
            Refusal("{}", .missingKey, "architecture"),
            Refusal(#"{"architecture": ["linux/amd64"]}"#, .wrongType, "architecture"),
            Refusal(#"{"architecture": "plan9"}"#, .unsupported, "architecture plan9"),
            Refusal(#"{"architecture": "arm64"}"#, .missingKey, "init.entry_path"),
            Refusal(#"{"architecture": "arm64", "init": {}}"#, .missingKey, "init.entry_path"),
            Refusal(#"{"architecture": "arm64", "init": "x"}"#, .wrongType, "init"),
            Refusal(
                #"{"architecture": "arm64", "init": {"entry_path": []}}"#, .missingKey,
                "init.entry_path"),
            Refusal(
                #"{"architecture": "arm64", "init": {"entry_path": ["a/b"]}}"#, .badName,
                "init.entry_path"),
            Refusal(
                #"{"architecture": "arm64", "init": {"entry_path": ["a"], "args": []}}"#,
                .unknownKey, "init.args"),
            Refusal(
                #"{"architecture": "arm64", "init": {"entry_path": "a", "xattrs": {"b": 1}}}"#,
                .wrongType, "init.xattrs.b"),
            Refusal(#"{"architecture": "arm64", "entrypoint": "/"}"#, .missingKey, "entrypoint"),
            Refusal(#"{"architecture": "arm64", "entrypoint": "/a/../b"}"#, .badName, "entrypoint"),
        ])
    func refusesWhole(_ refusal: Refusal) {
        let error = #expect(throws: DescriptionError.self) {
            try ServiceDescription.read(Array(refusal.text.utf8))
        }
        #expect(error?.condition == refusal.condition)
        #expect(error?.key == refusal.key)
    }

    @Test("More bytes than the bound are refused before they are read")
    func refusesSize() {
        let bytesMax = ServiceDescription.bytesMax
        let bytes = [UInt8](repeating: 0x20, count: bytesMax + 1)
        #expect(
            throws: DescriptionError(
                .tooLarge, key: "service.json", limit: UInt64(bytesMax),
                actual: UInt64(bytesMax + 1))
        ) { try ServiceDescription.read(bytes) }
    }

    @Test("An object of names has the bound of a list of them")
    func boundsObjects() {
        let members = (0..<257).map { #""V\#($0)": "1""# }.joined(separator: ",")
        for (text, key) in [
            (#""envs": {\#(members)}"#, "envs"),
            (#""api": [{"port": 1, "mu_per_call": {\#(members)}}]"#, "api[0].mu_per_call"),
        ] {
            #expect(
                throws: DescriptionError(.tooLarge, key: key, limit: 256, actual: 257)
            ) { try read(text) }
        }
    }

    @Test(
        "Each name of a known architecture is written as the usual one",
        arguments: [
            ("linux/amd64", "linux/amd64"), ("linux/x86_64", "linux/amd64"),
            ("amd64", "linux/amd64"), ("x86_64", "linux/amd64"), ("linux/arm64", "linux/arm64"),
            ("linux/aarch64", "linux/arm64"), ("arm64", "linux/arm64"), ("aarch64", "linux/arm64"),
        ])
    func architectures(_ written: String, _ known: String) throws {
        let text = #"{"architecture": "\#(written)", "entrypoint": "a"}"#
        let described = try ServiceDescription.read(Array(text.utf8))
        #expect(described.service.container.architecture.tags == [known])
    }

    @Test("What is not said has its documented default")
    func defaults() throws {
        let described = try read()
        #expect(described.tags.isEmpty)
        let container = described.service.container
        let standard = Sysresources(
            blkioWeight: 0, cpuPeriod: 0, cpuQuota: 0, memLimit: 10_000_000,
            diskSpace: 2_000_000_000)
        #expect(container.resources == Resources(atInit: standard, atMost: standard))
        #expect(
            container.configDeclaration
                == ConfigDeclaration(path: ["__config__"], format: DataFormat()))
        #expect(container.environmentVariables.isEmpty)
        #expect(described.service.api == Api())
        #expect(described.service.networks.isEmpty)
    }

    @Test("The most of each resource is never less than at the start")
    func maximum() throws {
        let described = try read(
            #"""
            "resources": {"at_init": {"mem_limit": 90000000, "disk_space": 5000000},
            "at_most": {"mem_limit": 80000000, "disk_space": 6000000}}
            """#)
        let resources = try #require(described.service.container.resources)
        #expect(resources.atInit.memLimit == 90_000_000)
        #expect(resources.atMost.memLimit == 90_000_000)
        #expect(resources.atInit.diskSpace == 5_000_000)
        #expect(resources.atMost.diskSpace == 6_000_000)
    }

    @Test("The entry point is read as a list, as a path and under its older name")
    func entryPoints() throws {
        for key in [
            #""init": {"entry_path": ["usr", "start"]}"#, #""init": {"entry_path": "/usr/start"}"#,
            #""entrypoint": "usr//start/""#, #""entrypoint": ["usr", "start"]"#,
        ] {
            let text = #"{"architecture": "amd64", "# + key + "}"
            let described = try ServiceDescription.read(Array(text.utf8))
            #expect(described.service.container.initial.path == "/usr/start", "\(key)")
        }
    }

    @Test("Variables are read as names, as tags and as formats")
    func variables() throws {
        #expect(
            try read(#""envs": ["A", "B"]"#).service.container.environmentVariables
                == ["A": DataFormat(), "B": DataFormat()])
        #expect(
            try read(
                #""envs": {"A": null, "B": "", "C": "url", "D": {"tags": ["x"], "prose": "p"}}"#
            )
            .service.container.environmentVariables == [
                "A": DataFormat(), "B": DataFormat(), "C": DataFormat(tags: ["url"]),
                "D": DataFormat(tags: ["x"], prose: "p"),
            ])
    }

    @Test("Slots and networks are read with all they say")
    func slotsAndNetworks() throws {
        let service = try read(
            #"""
            "api": [{"port": 65535, "protocol": "http"}, {"port": 65535, "transport": "UDP",
            "protocol": ["a", "b"], "mu_per_call": {"f": 3, "g": "99999999999999999999"}}],
            "network": [{"tags": "n", "prose": "p", "formal": "f", "protocol_stack": ["q"]}]
            """#
        ).service
        #expect(
            service.api.slots == [
                Slot(
                    port: 65_535, transport: ProtocolDefinition(tags: ["tcp"]),
                    protocolStack: [ProtocolDefinition(tags: ["http"])]),
                Slot(
                    port: 65_535, transport: ProtocolDefinition(tags: ["udp"]),
                    protocolStack: ["a", "b"].map { ProtocolDefinition(tags: [$0]) },
                    muPerCall: ["f": Amount(n: "3"), "g": Amount(n: "99999999999999999999")]),
            ])
        var network = Network()
        network.definition = Definition(tags: ["n"], prose: "p", formal: [UInt8(ascii: "f")])
        network.protocolStack = [ProtocolDefinition(tags: ["q"])]
        #expect(service.networks == [network])
    }

    @Test("A transport is read as a name and as a list of one")
    func transports() throws {
        let slots = try read(#""api": [{"port": 1, "transport": ["tcp"]}]"#).service.api.slots
        #expect(slots == [Slot(port: 1, transport: ProtocolDefinition(tags: ["tcp"]))])
        #expect(throws: DescriptionError(.wrongType, key: "api[0].transport")) {
            try read(#""api": [{"port": 1, "transport": ["tcp", "udp"]}]"#)
        }
    }

    @Test("What a service may run beside it is carried with what it says, and nothing it does not")
    func workloads() throws {
        let id = String(repeating: "ab", count: 32)
        let said = try read(
            #"""
            "possible_environment_workload": [{"workloads": [
                {"count": 3, "dependency": "\#(id)", "resources": {"mem_limit": 8000000}},
                {"dependency": {"id": "\#(id)", "on_filesystem": true}}
            ]}, {"workloads": [{"dependency": "\#(id)"}]}]
            """#
        ).service.possibleEnvironmentWorkload
        #expect(said.map(\.workloads.count) == [2, 1])
        #expect(said[0].workloads.map(\.count) == [3, 1])
        #expect(said[0].workloads[0].resources == Sysresources(memLimit: 8_000_000))
        #expect(said[0].workloads[1].resources == nil)
        #expect(said[0].workloads.map { $0.dependency?.onFilesystem } == [false, true])
        #expect(
            said[1].workloads[0].dependency?.hashes
                == [Hash(.sha3, value: [UInt8](repeating: 0xAB, count: 32))])
    }

    @Test("A read-only file system is said of the tree, and of nothing else")
    func readOnly() throws {
        var said = try read(#""read_only_filesystem": true"#)
        #expect(said.terms == TreeTerms(isReadOnly: true))
        said.terms.isReadOnly = false
        #expect(try said == read())
    }

    @Test("What asks for nothing is as what does not say so")
    func acceptsEmpty() throws {
        for text in [
            #""read_only_filesystem": false"#, #""read_only_filesystem": null"#,
            #""shared_filesystems": []"#,
            #""possible_environment_workload": {}"#, #""shared_filesystems": null"#,
        ] { #expect(try read(text) == read()) }
    }
}
