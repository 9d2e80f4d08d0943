// A value's bytes are its one canonical form; no bytes at all make the reader trap.

import ServiceModel
import Testing

private func bytes(_ hexadecimal: String) -> [UInt8] {
    Hexadecimal.bytes(hexadecimal.filter { $0 != " " }) ?? []
}

private let definition = Definition(tags: ["a", ""], prose: "\u{E9}", formal: [0, 255])
private let amount = Amount(n: "12")
private let resources = Sysresources(
    blkioWeight: 0, cpuPeriod: 1, cpuQuota: .max, memLimit: 1 << 35, diskSpace: nil)

private let contract: Contract = {
    var contract = Contract()
    contract.ledger = definition
    contract.xattrs = ["b": [1], "a": []]
    return contract
}()

private let rate: ContractRate = {
    var rate = ContractRate()
    rate.contract = contract
    rate.muPerUnit = amount
    return rate
}()

private let api = Api(
    slots: [
        Slot(
            port: 65_535, transport: definition, protocolStack: [definition, Definition()],
            muPerCall: ["f": amount, "": Amount()])
    ], paymentContracts: [rate])

private let instance = Instance(
    api: api,
    uriSlots: [UriSlot(internalPort: 80, uris: [Uri(ip: "::1", port: 1), Uri(ip: "", port: 0)])])

private let network: Network = {
    var network = Network()
    network.definition = definition
    network.protocolStack = [definition]
    network.environmentVariable = "V"
    return network
}()

private let dependency: Dependency = {
    var dependency = Dependency()
    dependency.hashes = Hash.Algorithm.allCases.map { Hash($0, value: [1, 2]) }
    dependency.service = []
    dependency.isCompleted = true
    dependency.onFilesystem = true
    return dependency
}()

private let workload: Workload = {
    var workload = Workload()
    workload.count = .max
    workload.resources = resources
    workload.dependency = dependency
    return workload
}()

private let container: Container = {
    var container = Container()
    container.architecture = definition
    container.initial = EntryPoint(entryPath: ["usr", "x"], xattrs: ["k": [9]])
    container.resources = Resources(atInit: resources, atMost: Sysresources())
    container.configDeclaration = ConfigDeclaration(path: ["p"], format: DataFormat())
    container.nodeProtocolStack = [definition]
    container.environmentVariables = ["B": definition, "A": DataFormat()]
    return container
}()

private let service: Service = {
    var service = Service()
    service.prose = "p"
    service.container = container
    service.api = api
    service.networks = [network, Network()]
    service.possibleEnvironmentWorkload = [WorkloadScenario(workloads: [workload])]
    return service
}()

private let metadata: Metadata = {
    var hashtag = HashTag()
    hashtag.hashes = dependency.hashes
    hashtag.tags = ["t"]
    hashtag.attributes = [[8, 1], []]
    var metadata = Metadata()
    metadata.hashtag = hashtag
    metadata.format = DataFormat()
    metadata.reputationProofs = [contract]
    return metadata
}()

private let resolution: NetworkResolution = {
    var resolution = NetworkResolution()
    resolution.tags = ["n"]
    resolution.peerInstances = [instance, Instance()]
    return resolution
}()

private let file = ConfigurationFile(
    gateway: instance,
    config: Configuration(
        environmentVariables: ["A": [0, 255], "B": []], specSlots: [80, 0, 65_535],
        initialMu: amount),
    networkResolution: [resolution], initialSysresources: resources)

private let every: [any ProtoMessage] = [
    definition, amount, resources, contract, rate, api, instance, network, dependency, workload,
    container, service, metadata, resolution, file,
]

/// What a value becomes when its bytes are read and written again.
private func repeated<M: ProtoMessage>(_ value: M) throws -> Bool {
    try M(decoding: value.encoded()) == value
}

private func reads<M: ProtoMessage>(_: M, _ bytes: [UInt8]) throws -> [UInt8] {
    try M(decoding: bytes).encoded()
}

@Suite struct ProtoTests {
    @Test("Every message of the model is read as it was written")
    func roundTrips() throws {
        for value in every {
            #expect(try repeated(value), "\(type(of: value))")
            #expect(try reads(value, []) == type(of: value).init().encoded())
            #expect(!value.encoded().isEmpty)
        }
    }

    @Test("No cut and no flipped bit traps, and what is still read is written stably")
    func mutations() throws {
        for value in every {
            let bytes = value.encoded()
            for index in bytes.indices {
                _ = try? reads(value, Array(bytes[..<index]))
                for bit in 0..<8 {
                    var changed = bytes
                    changed[index] ^= 1 << bit
                    guard let once = try? reads(value, changed) else { continue }
                    #expect(try reads(value, once) == once, "\(type(of: value)) \(index).\(bit)")
                }
            }
        }
    }

    @Test("A configuration file has the documented bytes")
    func configurationFile() {
        let file = ConfigurationFile(
            gateway: Instance(
                api: nil, uriSlots: [UriSlot(internalPort: 80, uris: [Uri(ip: "::1", port: 300)])]),
            config: Configuration(
                environmentVariables: ["B": [], "A": [1]], specSlots: [80, 300],
                initialMu: Amount(n: "7")),
            initialSysresources: Sysresources(memLimit: 0))
        #expect(
            Hexadecimal.text(file.encoded())
                == Hexadecimal.text(
                    bytes(
                        // gateway { uri_slot { internal_port, uri { ip, port } } }
                        "0a0e 120c 0850 1208 0a03 3a3a31 10ac02"
                            // config { A, B, packed spec_slot, initial_mu }
                            + "1219 0a06 0a0141 120101 0a05 0a0142 1200 1203 50ac02 1a03 0a0137"
                            // initial_sysresources { mem_limit: 0 is written }
                            + "2202 2000")))
    }

    @Test(
        "Bytes that are no message are refused",
        arguments: [
            ("0a", ProtoError.truncated("Definition")),
            ("0a02 61", .truncated("Definition")),
            ("0affffffffffffffffff01 61", .truncated("Definition")),
            ("80", .truncated("Definition")),
            ("0affffffffffffffffff02", .malformed("Definition")),
            ("ffffffffffffffffffffff01", .malformed("Definition")),
            ("0200", .malformed("Definition")),
            ("0b", .malformed("Definition")), ("0c", .malformed("Definition")),
            ("0e", .malformed("Definition")), ("0f", .malformed("Definition")),
            ("0a01ff", .malformed("Definition")),
            ("0800", .wrongType("Definition", field: 1)),
            ("0d00000000", .wrongType("Definition", field: 1)),
            ("0d000000", .truncated("Definition")), ("2100", .truncated("Definition")),
        ] as [(String, ProtoError)])
    func refuses(_ hexadecimal: String, _ error: ProtoError) {
        #expect(throws: error) { try Definition(decoding: bytes(hexadecimal)) }
    }

    @Test("A message past its bound is refused before it is read")
    func refusesSize() {
        let most = ProtoField.messageBytesMax
        #expect(throws: ProtoError.tooLarge(limit: most, actual: most + 1)) {
            try Definition(decoding: [UInt8](repeating: 0, count: most + 1))
        }
    }

    @Test("Unknown fields are passed over, and a message that comes twice is one")
    func readsAsProtobufAsks() throws {
        // Fields 9 to 12 in the four wire types, then Service.api twice.
        let unknown = "4805 5100000000 00000000 5a0161 6500000000"
        #expect(try Definition(decoding: bytes(unknown)) == Definition())
        let twice = try Service(decoding: bytes("1a04 0a02 0801 1a04 0a02 0802"))
        #expect(twice.api.slots.map(\.port) == [1, 2])
        let last = try Contract(decoding: bytes("1206 0a0161 120101 1206 0a0161 120102"))
        #expect(last.xattrs == ["a": [2]])
        #expect(try Configuration(decoding: bytes("1050 1202 0102")).specSlots == [80, 1, 2])
    }

    @Test("Lengths are known without the bytes")
    func lengths() {
        for shift in 0..<64 {
            for value in [UInt64(1) << shift, (UInt64(1) << shift) - 1] {
                var writer = ProtoWriter()
                writer.varint(value)
                #expect(ProtoWriter.varintLength(value) == UInt64(writer.bytes.count), "\(value)")
            }
        }
        for count in [0, 1, 127, 128, 16_383, 16_384] {
            for field in [1, 15, 16, 2_047, 2_048] as [UInt64] {
                var writer = ProtoWriter()
                writer.always(field, blob: [UInt8](repeating: 0, count: count))
                #expect(
                    ProtoWriter.fieldLength(field, content: UInt64(count))
                        == UInt64(writer.bytes.count))
            }
        }
    }
}
