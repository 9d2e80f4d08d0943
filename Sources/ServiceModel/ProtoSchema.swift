/// The messages of a service as a table, for codecs that name fields: number, name and kind as in
/// `Protocols/models/celaut.proto`. A name is the one protobuf's JSON mapping gives.
package enum ProtoSchema: Sendable {
    case service, container, initial, resources, configDeclaration, definition, sysresources
    case api, slot, contractRate, contract, amount, network, scenario, workload, dependency
    case metadata, hashTag, hash, attrHashTag
    case appProtocol, method
    case configurationFile, configuration, instance, uriSlot, uri, networkResolution

    indirect enum Kind: Sendable {
        case text, blob, flag
        /// A number that every JSON reader keeps.
        case small
        /// A number of 64 bits: JSON has it as text.
        case large
        case message(ProtoSchema)
        /// Text keys, and values of a kind.
        case map(Kind)
    }

    struct Field: Sendable {
        let number: UInt64
        let name: String
        let kind: Kind
        let isRepeated: Bool

        init(_ number: UInt64, _ name: String, _ kind: Kind, repeated: Bool = false) {
            self.number = number
            self.name = name
            self.kind = kind
            isRepeated = repeated
        }
    }

    var fields: [Field] {
        switch self {
        case .service:
            [
                Field(1, "prose", .text), Field(2, "container", .message(.container)),
                Field(3, "api", .message(.api)),
                Field(4, "network", .message(.network), repeated: true),
                Field(5, "possibleEnvironmentWorkload", .message(.scenario), repeated: true),
            ]
        case .container:
            [
                Field(1, "architecture", .message(.definition)), Field(2, "filesystem", .blob),
                Field(3, "init", .message(.initial)),
                Field(4, "resources", .message(.resources)),
                Field(5, "configDeclaration", .message(.configDeclaration)),
                Field(6, "nodeProtocolStack", .message(.definition), repeated: true),
                Field(7, "environmentVariables", .map(.message(.definition))),
            ]
        case .initial:
            [Field(1, "entryPath", .text, repeated: true), Field(2, "xattrs", .map(.blob))]
        case .resources:
            [
                Field(1, "atInit", .message(.sysresources)),
                Field(2, "atMost", .message(.sysresources)),
            ]
        case .configDeclaration:
            [
                Field(1, "path", .text, repeated: true),
                Field(2, "format", .message(.definition)),
            ]
        case .definition:
            [
                Field(1, "tags", .text, repeated: true), Field(2, "prose", .text),
                Field(3, "formal", .blob),
            ]
        case .sysresources:
            [
                Field(1, "blkioWeight", .large), Field(2, "cpuPeriod", .large),
                Field(3, "cpuQuota", .large), Field(4, "memLimit", .large),
                Field(5, "diskSpace", .large),
            ]
        default: moreFields
        }
    }

    private var moreFields: [Field] {
        switch self {
        case .api:
            [
                Field(1, "slot", .message(.slot), repeated: true),
                Field(2, "paymentContracts", .message(.contractRate), repeated: true),
            ]
        case .slot:
            [
                Field(1, "port", .small), Field(2, "transport", .message(.definition)),
                Field(3, "protocolStack", .message(.definition), repeated: true),
                Field(4, "muPerCall", .map(.message(.amount))),
            ]
        case .contractRate:
            [Field(1, "contract", .message(.contract)), Field(2, "muPerUnit", .message(.amount))]
        case .contract:
            [Field(1, "ledger", .message(.definition)), Field(2, "xattrs", .map(.blob))]
        case .amount: [Field(1, "n", .text)]
        case .appProtocol:
            [
                Field(1, "methods", .map(.message(.method))),
                Field(2, "costFunction", .message(.definition)),
            ]
        case .method:
            [
                Field(1, "input", .message(.definition)), Field(2, "output", .message(.definition)),
            ]
        case .network:
            ProtoSchema.definition.fields + [
                Field(4, "protocolStack", .message(.definition), repeated: true),
                Field(5, "environmentVariable", .text),
            ]
        case .scenario: [Field(1, "workloads", .message(.workload), repeated: true)]
        case .workload:
            [
                Field(1, "count", .small), Field(2, "resources", .message(.sysresources)),
                Field(3, "dependency", .message(.dependency)),
            ]
        case .dependency:
            [
                Field(1, "hash", .message(.hash), repeated: true),
                Field(2, "service", .message(.service)), Field(3, "isCompleted", .flag),
                Field(4, "onFilesystem", .flag),
            ]
        case .metadata:
            [
                Field(1, "hashtag", .message(.hashTag)), Field(2, "format", .message(.definition)),
                Field(3, "reputationProofs", .message(.contract), repeated: true),
            ]
        case .hashTag:
            [
                Field(1, "hash", .message(.hash), repeated: true),
                Field(2, "tag", .text, repeated: true),
                Field(3, "attrHashtag", .message(.attrHashTag), repeated: true),
            ]
        case .hash: [Field(1, "type", .blob), Field(2, "value", .blob)]
        case .attrHashTag:
            [Field(1, "key", .small), Field(2, "value", .message(.hashTag), repeated: true)]
        default: instanceFields
        }
    }

    /// What an instance is told. `spec_slot`, which is packed and which no node of ours writes, has no
    /// place here.
    private var instanceFields: [Field] {
        switch self {
        case .configurationFile:
            [
                Field(1, "gateway", .message(.instance)),
                Field(2, "config", .message(.configuration)),
                Field(3, "networkResolution", .message(.networkResolution), repeated: true),
                Field(4, "initialSysresources", .message(.sysresources)),
            ]
        case .configuration:
            [
                Field(1, "environmentVariables", .map(.blob)),
                Field(3, "initialMu", .message(.amount)),
            ]
        case .instance:
            [
                Field(1, "api", .message(.api)),
                Field(2, "uriSlot", .message(.uriSlot), repeated: true),
            ]
        case .uriSlot:
            [Field(1, "internalPort", .small), Field(2, "uri", .message(.uri), repeated: true)]
        case .uri: [Field(1, "ip", .text), Field(2, "port", .small)]
        case .networkResolution:
            [
                Field(1, "tags", .text, repeated: true),
                Field(2, "peerInstances", .message(.instance), repeated: true),
            ]
        default: []
        }
    }
}
