// Made by protoc-gen-celaut from the schemas by `deploy/generate`; not edited.
// swift-format-ignore-file

/// The messages and methods of `GatewayBroker`, for a description of its HTTP doors.
package enum GatewayBrokerSchemas {
    /// The messages of one method, and what it says of itself.
    package struct Method: Sendable {
        package let name: String
        package let request: String
        package let answer: String
        package let isStream: Bool
        package let comment: String
    }

    package static let methods = [
        Method(
            name: "StartService", request: "StartServiceRequest",
            answer: "StartServiceItem",
            isStream: true,
            comment: #"Starts a service. Items report its life; the last one has the token and the addresses, once every declared slot accepts a connection. Keyed: the same key gives the same instance, token and addresses. A caller that goes away before the last item leaves the start going on; it can come back with the same key."#),
        Method(
            name: "StopService", request: "StopServiceRequest",
            answer: "StopServiceReply",
            isStream: false,
            comment: #"Stops an instance. Answers when it has ended."#),
        Method(
            name: "ListServices", request: "ListServicesRequest",
            answer: "ServiceInstance",
            isStream: true,
            comment: #"Instances: all of them for the maintainer, the caller's own otherwise. Sorted by start."#),
        Method(
            name: "ReadServiceOutput", request: "ReadServiceOutputRequest",
            answer: "OutputItem",
            isStream: true,
            comment: #"What an instance wrote to its output."#),
        Method(
            name: "WatchService", request: "WatchServiceRequest",
            answer: "ServiceInstance",
            isStream: true,
            comment: #"The state of an instance now, then each change of it, until it ended."#),
        Method(
            name: "InspectService", request: "InspectServiceRequest",
            answer: "ServiceReport",
            isStream: false,
            comment: #"What is known of an instance: its life, what it uses, what passed through its slots, its family."#),
        Method(
            name: "ObserveService", request: "ObserveServiceRequest",
            answer: "ObserveServiceItem",
            isStream: true,
            comment: #"The report of an instance at once, at each change and once per interval, until it ended."#),
        Method(
            name: "OpenTunnel", request: "OpenTunnelRequest",
            answer: "OpenTunnelReply",
            isStream: false,
            comment: #"A connection to a slot, for callers who cannot reach its address: a stream socket for TCP, a sequenced packet socket with one datagram per packet for UDP (none is empty). What passes is counted like that of any other connection to the slot."#),
        Method(
            name: "EstimateCost", request: "EstimateCostRequest",
            answer: "EstimateCostReply",
            isStream: false,
            comment: #"What a service would use at the start and at most. There are no prices yet."#),
        Method(
            name: "GetSpecification", request: "GetSpecificationRequest",
            answer: "GetSpecificationReply",
            isStream: false,
            comment: #"The specification of a service: its canonical bytes without the filesystem."#),
        Method(
            name: "WhoAmI", request: "WhoAmIRequest",
            answer: "Identity",
            isStream: false,
            comment: #"Who the caller is to the gateway, and what it may do."#),
        Method(
            name: "GrantToken", request: "GrantTokenRequest",
            answer: "GrantTokenReply",
            isStream: false,
            comment: #"Makes a token that opens less of an instance than the one given at its start. Keyed."#),
        Method(
            name: "RevokeToken", request: "RevokeTokenRequest",
            answer: "RevokeTokenReply",
            isStream: false,
            comment: #"Makes a token worthless, for ever: whoever has it may. One that is not known is so already."#),
        Method(
            name: "AddClient", request: "AddClientRequest",
            answer: "AddClientReply",
            isStream: false,
            comment: #"Makes a client: somebody who is no user of this host and shows a token instead. Keyed."#),
        Method(
            name: "ListClients", request: "ListClientsRequest",
            answer: "ClientRecord",
            isStream: true,
            comment: #"All clients, sorted by name."#),
        Method(
            name: "RevokeClient", request: "RevokeClientRequest",
            answer: "RevokeClientReply",
            isStream: false,
            comment: #"Makes a client's token worthless. What it started goes on."#),
        Method(
            name: "ModifyService", request: "ModifyServiceRequest",
            answer: "ServiceInstance",
            isStream: false,
            comment: #"Changes the bounds of an instance that lives, within what its specification and its parent allow. Keyed."#),
        Method(
            name: "IntroduceService", request: "IntroduceServiceRequest",
            answer: "ServiceInstance",
            isStream: false,
            comment: #"Lets an instance reach one of its siblings: a child reaches nobody of its family else. Answers when the addresses inside are there. Lasts until either ends, also when the gateway restarts."#),
        Method(
            name: "ResolveNetwork", request: "ResolveNetworkRequest",
            answer: "ResolveNetworkReply",
            isStream: false,
            comment: #"The peers an instance has in a network that it declared, with those that can be had by now. FORBIDDEN for a network that it, or an ancestor of it, did not declare; UNSUPPORTED for one that the operator does not allow."#),
        Method(
            name: "ListNetworks", request: "ListNetworksRequest",
            answer: "NetworkRecord",
            isStream: true,
            comment: #"Networks: those the operator gave a name, and those that instances declare. Sorted by name."#),
        Method(
            name: "TestNetwork", request: "TestNetworkRequest",
            answer: "TestNetworkReply",
            isStream: false,
            comment: #"What a service that declares a network would be given, and whether it can be reached now."#),
        Method(
            name: "UploadService", request: "UploadServiceRequest",
            answer: "UploadServiceReply",
            isStream: false,
            comment: #"Hands over a service, which can be started by its id then. Descriptor: its bytes in any codec, to their end. The id is computed over what comes; nothing of it is here before all of it is and has the expected id. What is here already is not read."#),
    ]

    /// The schemas of all messages and enumerations, by name.
    package static let schemas = #"""
        "AddClientReply":{"type":"object","description":"","properties":{"client":{"$ref":"#/components/schemas/ClientRecord","description":"The client."},"token":{"type":"string","description":"Its token, 64 hexadecimal digits. Only its digest is kept."}},"additionalProperties":false},
        "AddClientRequest":{"type":"object","description":"","properties":{"key":{"type":"string","contentEncoding":"base64","description":"The idempotency key: 16 to 64 bytes, random."},"name":{"type":"string","description":"A name: letters, digits, \"-\", \"_\", \".\", at most 63; unique among clients."}},"additionalProperties":false},
        "Address":{"type":"object","description":"","properties":{"slot":{"type":"integer","minimum":0,"maximum":4294967295,"description":"The port declared by the service."},"transport":{"$ref":"#/components/schemas/Transport","description":"The transport."},"host":{"type":"string","description":"The address: \"127.0.0.1\" on this host unless it is configured otherwise, \"10.64.1.0\" and up inside a parent, \"10.65.1.0\" and up inside a sibling."},"port":{"type":"integer","minimum":0,"maximum":4294967295,"description":"The port at that address: inside another instance, the declared one, unless that has it itself."},"inside":{"type":"string","contentEncoding":"base64","description":"The instance inside whose network the address is: 16 bytes; empty for this host's."}},"additionalProperties":false},
        "ClientRecord":{"type":"object","description":"","properties":{"name":{"type":"string","description":"Its name."},"number":{"type":"integer","minimum":0,"maximum":4294967295,"description":"Its number, which owns what it starts: from 2147483648 up, where no user's is."},"addedAtMs":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"When it was added, in milliseconds since 1970."}},"additionalProperties":false},
        "Codec":{"type":"string","description":"The form a box travels in.","enum":["CODEC_UNSPECIFIED","CODEC_PROTO3","CODEC_JSON","CODEC_JSON_ZIP","CODEC_BEE"]},
        "EndCause":{"type":"string","description":"","enum":["END_CAUSE_UNSPECIFIED","END_CAUSE_EXITED","END_CAUSE_SIGNALLED","END_CAUSE_OUT_OF_MEMORY","END_CAUSE_STOPPED","END_CAUSE_NOT_READY","END_CAUSE_START_FAILED","END_CAUSE_LOST","END_CAUSE_DEADLINE"]},
        "Ended":{"type":"object","description":"","properties":{"cause":{"$ref":"#/components/schemas/EndCause","description":"The cause."},"exitCode":{"type":"integer","minimum":0,"maximum":4294967295,"description":"The exit code of the entrypoint, where the cause is END_CAUSE_EXITED."},"signal":{"type":"integer","minimum":0,"maximum":4294967295,"description":"The signal's number, where a signal ended the entrypoint."},"subject":{"type":"string","description":"What failed, where the cause is END_CAUSE_START_FAILED: \"mount /\", \"exec /bin/x: ENOENT\"."},"lastLines":{"type":"array","items":{"type":"string"},"description":"The last lines of output, at most 40 lines of at most 400 bytes."},"limitsMet":{"type":"array","items":{"type":"string"},"description":"The bounds it ran against, whether or not they ended it: \"memory\", \"processes\", \"cpu\"."}},"additionalProperties":false},
        "EnvironmentVariable":{"type":"object","description":"","properties":{"name":{"type":"string","description":"Not empty, without \"=\" or NUL."},"value":{"type":"string","contentEncoding":"base64","description":"Without NUL."}},"additionalProperties":false},
        "EstimateCostReply":{"type":"object","description":"","properties":{"serviceId":{"type":"string","contentEncoding":"base64","description":"The service: 32 bytes."},"atStart":{"$ref":"#/components/schemas/Limits","description":"The bounds it would start with."},"atMost":{"$ref":"#/components/schemas/Limits","description":"The bounds it may be given at most; 0 for what is not bounded."},"cost":{"type":"string","description":"The cost of the start, in monetary units: \"0\" while there are no prices."}},"additionalProperties":false},
        "EstimateCostRequest":{"type":"object","description":"","properties":{"service":{"type":"string","description":"A service, as in StartServiceRequest."},"memoryBytes":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Memory in bytes, as in StartServiceRequest."}},"additionalProperties":false},
        "Fault":{"type":"object","description":"Body of a `fault` frame: the final answer of a request that did not succeed.","properties":{"code":{"$ref":"#/components/schemas/FaultCode","description":"The condition, for programs."},"reason":{"$ref":"#/components/schemas/FaultReason","description":"What exactly about the subject, where one code has several causes."},"subject":{"type":"string","description":"The thing at fault: a path in a tar, a key of a file, a digest, a limit's name."},"limit":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"The bound that was met, in the subject's unit. 0 when the condition has none."},"actual":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"What was asked or found where `limit` applies; for MALFORMED and TRUNCATED without a limit, the byte at which the input is wrong."},"lines":{"type":"array","items":{"type":"string"},"description":"Evidence, at most 40 lines: the last output of an instance that failed, the values accepted."}},"additionalProperties":false},
        "FaultCode":{"type":"string","description":"","enum":["FAULT_CODE_UNSPECIFIED","FAULT_CODE_INVALID","FAULT_CODE_NOT_FOUND","FAULT_CODE_ALREADY_EXISTS","FAULT_CODE_IN_USE","FAULT_CODE_FORBIDDEN","FAULT_CODE_UNAUTHORIZED","FAULT_CODE_UNKNOWN_METHOD","FAULT_CODE_UNSUPPORTED","FAULT_CODE_TOO_LARGE","FAULT_CODE_LIMIT_REACHED","FAULT_CODE_DEADLINE_EXCEEDED","FAULT_CODE_CANCELLED","FAULT_CODE_UNAVAILABLE","FAULT_CODE_STORAGE_FULL","FAULT_CODE_CORRUPT","FAULT_CODE_ENDED_EARLY","FAULT_CODE_SLOT_CLOSED","FAULT_CODE_INTERNAL"]},
        "FaultReason":{"type":"string","description":"","enum":["FAULT_REASON_UNSPECIFIED","FAULT_REASON_UNKNOWN_KEY","FAULT_REASON_MISSING_KEY","FAULT_REASON_WRONG_TYPE","FAULT_REASON_OUT_OF_RANGE","FAULT_REASON_MALFORMED","FAULT_REASON_PATH_ESCAPES","FAULT_REASON_PATH_ABSOLUTE","FAULT_REASON_NAME_TOO_LONG","FAULT_REASON_SPECIAL_FILE","FAULT_REASON_TRUNCATED","FAULT_REASON_TOO_MANY_ENTRIES","FAULT_REASON_DUPLICATE","FAULT_REASON_FILE_MISSING","FAULT_REASON_NOT_EXECUTABLE","FAULT_REASON_BELOW_MINIMUM","FAULT_REASON_BAD_NAME","FAULT_REASON_KEY_REUSED","FAULT_REASON_BAD_DESCRIPTOR","FAULT_REASON_TOO_DEEP","FAULT_REASON_NOT_UPLOADED"]},
        "GetSpecificationReply":{"type":"object","description":"","properties":{"serviceId":{"type":"string","contentEncoding":"base64","description":"The service: 32 bytes."}},"additionalProperties":false},
        "GetSpecificationRequest":{"type":"object","description":"","properties":{"service":{"type":"string","description":"A service, as in StartServiceRequest."}},"additionalProperties":false},
        "GrantTokenReply":{"type":"object","description":"","properties":{"token":{"type":"string","description":"The token, 64 hexadecimal digits. Only its digest is kept."}},"additionalProperties":false},
        "GrantTokenRequest":{"type":"object","description":"","properties":{"key":{"type":"string","contentEncoding":"base64","description":"The idempotency key: 16 to 64 bytes, random."},"instance":{"$ref":"#/components/schemas/InstanceReference","description":"The instance: by its first token, or by id or name for whose it is."},"scopes":{"type":"array","items":{"$ref":"#/components/schemas/TokenScope"},"description":"What the token opens: at least one."}},"additionalProperties":false},
        "Identity":{"type":"object","description":"","properties":{"kind":{"$ref":"#/components/schemas/IdentityKind","description":"What the caller is."},"uid":{"type":"integer","minimum":0,"maximum":4294967295,"description":"The user, where it is one; the client's number, where it is one."},"instanceId":{"type":"string","contentEncoding":"base64","description":"The instance, where it is one: 16 bytes."},"client":{"type":"string","description":"The client's name, where it is one."}},"additionalProperties":false},
        "IdentityKind":{"type":"string","description":"","enum":["IDENTITY_KIND_UNSPECIFIED","IDENTITY_KIND_MAINTAINER","IDENTITY_KIND_USER","IDENTITY_KIND_CLIENT","IDENTITY_KIND_INSTANCE","IDENTITY_KIND_ANYONE"]},
        "InspectServiceRequest":{"type":"object","description":"","properties":{"instance":{"$ref":"#/components/schemas/InstanceReference","description":"The instance."}},"additionalProperties":false},
        "InstanceReference":{"type":"object","description":"Names one instance, and shows the right to it.","properties":{"token":{"type":"string","description":"The token given at the start, 64 hexadecimal digits. Enough by itself, for anybody."},"instance":{"type":"string","description":"An instance id (32 hexadecimal digits or a unique prefix of 8 or more) or a name: only for the maintainer, and for the user who started it."}},"additionalProperties":false},
        "InstanceState":{"type":"object","description":"","properties":{"instanceId":{"type":"string","contentEncoding":"base64","description":"As in StartInstanceRequest."},"serviceId":{"type":"string","contentEncoding":"base64","description":"As in StartInstanceRequest."},"phase":{"$ref":"#/components/schemas/Phase","description":"Where it is in its life."},"ended":{"$ref":"#/components/schemas/Ended","description":"How it ended; only in PHASE_ENDED."},"acceptedAtMs":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"When it was accepted, in milliseconds since 1970."},"readyAtMs":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"When it became ready, in milliseconds since 1970; 0 before."},"endedAtMs":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"When it ended, in milliseconds since 1970; 0 before."},"usage":{"$ref":"#/components/schemas/Usage","description":"What it used so far, or in all."},"limits":{"$ref":"#/components/schemas/Limits","description":"The bounds in force."},"readOnly":{"type":"boolean","description":"As in StartInstanceRequest."}},"additionalProperties":false},
        "IntroduceServiceRequest":{"type":"object","description":"","properties":{"instance":{"$ref":"#/components/schemas/InstanceReference","description":"The instance that is to be reached: by id or name for its parent or whose it is, or by a token that opens tunnels to it."},"to":{"$ref":"#/components/schemas/InstanceReference","description":"The sibling that is to reach it: by id or name, or by a token that opens everything of it."}},"additionalProperties":false},
        "Limits":{"type":"object","description":"","properties":{"memoryBytes":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Memory of the whole instance in bytes. At least 1 MiB."},"processes":{"type":"integer","minimum":0,"maximum":4294967295,"description":"Processes and threads. At least 1."},"cpuQuotaUs":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"CPU time per period, in microseconds; 0 for no quota."},"cpuPeriodUs":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"The period of the quota, in microseconds: 1,000 to 1,000,000; 0 for 100,000."},"diskBytes":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Bytes the instance may write to its own root, or where that is read-only to the directories it offers. At least 1 MiB."},"openFiles":{"type":"integer","minimum":0,"maximum":4294967295,"description":"Open files per process. 0 for 1,024."},"blockIoWeight":{"type":"integer","minimum":0,"maximum":4294967295,"description":"Relative share of block I/O: 10 to 1,000; 0 for the default."},"deadlineMs":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Time from acceptance to the end, in milliseconds; 0 for no deadline. At most 100 years."},"outputBytesPerSecond":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Bytes of output taken per second; more waits in the pipe, and so does who writes it. 0 for no bound. At least 1,024."}},"additionalProperties":false},
        "ListClientsRequest":{"type":"object","description":"","properties":{},"additionalProperties":false},
        "ListNetworksRequest":{"type":"object","description":"","properties":{},"additionalProperties":false},
        "ListServicesRequest":{"type":"object","description":"","properties":{"ended":{"type":"boolean","description":"Those that ended and are still remembered, too."}},"additionalProperties":false},
        "ModifyServiceRequest":{"type":"object","description":"","properties":{"key":{"type":"string","contentEncoding":"base64","description":"The idempotency key: 16 to 64 bytes, random."},"instance":{"$ref":"#/components/schemas/InstanceReference","description":"The instance."},"memoryBytes":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Memory in bytes; 0 leaves it."},"cpuQuotaUs":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"CPU time per period, in microseconds; 0 leaves it."},"cpuPeriodUs":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"The period of the quota, in microseconds; 0 leaves it."}},"additionalProperties":false},
        "NetworkPeer":{"type":"object","description":"","properties":{"host":{"type":"string","description":"The address inside the instance: \"10.66.0.1\"."},"port":{"type":"integer","minimum":0,"maximum":4294967295,"description":"The port there."},"transport":{"$ref":"#/components/schemas/Transport","description":"The transport."},"name":{"type":"string","description":"What the operator calls it, which names inside resolve to the address; empty for instances."}},"additionalProperties":false},
        "NetworkRecord":{"type":"object","description":"","properties":{"name":{"type":"string","description":"The tag."},"verdict":{"$ref":"#/components/schemas/NetworkVerdict","description":"What the operator says of it."},"pattern":{"type":"string","description":"The pattern that decided; empty where none did."},"endpoints":{"type":"array","items":{"type":"string"},"description":"The endpoints that the operator named: \"example.org:80\"."},"protocols":{"type":"array","items":{"type":"string"},"description":"What is spoken there, where the operator says."},"instanceIds":{"type":"array","items":{"type":"string","contentEncoding":"base64"},"description":"The live instances that declare it: 16 bytes each."},"granted":{"type":"integer","minimum":0,"maximum":4294967295,"description":"Addresses inside instances that lead to peers in it."}},"additionalProperties":false},
        "NetworkVerdict":{"type":"string","description":"","enum":["NETWORK_VERDICT_UNSPECIFIED","NETWORK_VERDICT_ALLOWED","NETWORK_VERDICT_DENIED","NETWORK_VERDICT_UNNAMED"]},
        "ObserveServiceItem":{"type":"object","description":"","properties":{"report":{"$ref":"#/components/schemas/ServiceReport","description":"How it stands."},"output":{"$ref":"#/components/schemas/OutputItem","description":"What it wrote."}},"additionalProperties":false},
        "ObserveServiceRequest":{"type":"object","description":"","properties":{"instance":{"$ref":"#/components/schemas/InstanceReference","description":"The instance."},"intervalMs":{"type":"integer","minimum":0,"maximum":4294967295,"description":"Time between two reports, in milliseconds: 100 to 3,600,000; 0 for 1,000."},"output":{"type":"boolean","description":"Its output, too: the last 40 lines, and what it writes from then on."}},"additionalProperties":false},
        "OpenTunnelReply":{"type":"object","description":"","properties":{},"additionalProperties":false},
        "OpenTunnelRequest":{"type":"object","description":"","properties":{"instance":{"$ref":"#/components/schemas/InstanceReference","description":"The instance."},"slot":{"type":"integer","minimum":0,"maximum":4294967295,"description":"The port declared by the service."},"transport":{"$ref":"#/components/schemas/Transport","description":"The transport; unspecified for TCP."}},"additionalProperties":false},
        "OutputItem":{"type":"object","description":"","properties":{"stream":{"$ref":"#/components/schemas/OutputStream","description":"Where it was written."},"timeNs":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"When the node read it, in nanoseconds since 1970."},"data":{"type":"string","contentEncoding":"base64","description":"The bytes, at most 32 KiB, cut anywhere."},"droppedBytes":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Bytes dropped before this item, because the output limit was met."}},"additionalProperties":false},
        "OutputStream":{"type":"string","description":"","enum":["OUTPUT_STREAM_UNSPECIFIED","OUTPUT_STREAM_STDOUT","OUTPUT_STREAM_STDERR"]},
        "Phase":{"type":"string","description":"","enum":["PHASE_UNSPECIFIED","PHASE_ACCEPTED","PHASE_PREPARING","PHASE_STARTING","PHASE_READY","PHASE_STOPPING","PHASE_ENDED"]},
        "ReadServiceOutputRequest":{"type":"object","description":"","properties":{"instance":{"$ref":"#/components/schemas/InstanceReference","description":"The instance."},"tailLines":{"type":"integer","minimum":0,"maximum":4294967295,"description":"Only the last so many lines; 0 for all that is kept."},"follow":{"type":"boolean","description":"Goes on with what is written later, until the instance ends."}},"additionalProperties":false},
        "RelayedConnection":{"type":"object","description":"","properties":{"slot":{"type":"integer","minimum":0,"maximum":4294967295,"description":"The port declared by the service."},"transport":{"$ref":"#/components/schemas/Transport","description":"The transport; of UDP, what one sender says is a connection until it is quiet for some time."},"bytesToInstance":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Bytes the instance's socket took."},"bytesFromInstance":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Bytes of the instance that the caller took."}},"additionalProperties":false},
        "ResolveNetworkReply":{"type":"object","description":"","properties":{"peers":{"type":"array","items":{"$ref":"#/components/schemas/NetworkPeer"},"description":"The peers. None is no error: there may be some later."}},"additionalProperties":false},
        "ResolveNetworkRequest":{"type":"object","description":"","properties":{"instance":{"$ref":"#/components/schemas/InstanceReference","description":"The instance; left out by an instance that asks for itself through its own door."},"tags":{"type":"array","items":{"type":"string"},"description":"The network: any of the tags it is declared under. At most 16, of at most 128 bytes."}},"additionalProperties":false},
        "RevokeClientReply":{"type":"object","description":"","properties":{},"additionalProperties":false},
        "RevokeClientRequest":{"type":"object","description":"","properties":{"name":{"type":"string","description":"Its name."}},"additionalProperties":false},
        "RevokeTokenReply":{"type":"object","description":"","properties":{},"additionalProperties":false},
        "RevokeTokenRequest":{"type":"object","description":"","properties":{"token":{"type":"string","description":"The token."}},"additionalProperties":false},
        "ServiceInstance":{"type":"object","description":"","properties":{"instanceId":{"type":"string","contentEncoding":"base64","description":"The public id: 16 bytes."},"name":{"type":"string","description":"Its name."},"serviceId":{"type":"string","contentEncoding":"base64","description":"The service it is an instance of: 32 bytes."},"state":{"$ref":"#/components/schemas/InstanceState","description":"Where it is in its life, how it ended, what it used."},"addresses":{"type":"array","items":{"$ref":"#/components/schemas/Address"},"description":"Where its slots can be reached: from this host, or from inside another instance."},"ownerUid":{"type":"integer","minimum":0,"maximum":4294967295,"description":"The user who started it, or whose instance did; from 2147483648 up: the number of a client."},"parentId":{"type":"string","contentEncoding":"base64","description":"The instance that started it: 16 bytes; empty where somebody outside did."}},"additionalProperties":false},
        "ServiceReport":{"type":"object","description":"","properties":{"instance":{"$ref":"#/components/schemas/ServiceInstance","description":"The instance, with what it uses at this moment."},"traffic":{"type":"array","items":{"$ref":"#/components/schemas/SlotTraffic"},"description":"What passed through each slot since it was started; of an ended instance, all that ever did."},"childIds":{"type":"array","items":{"type":"string","contentEncoding":"base64"},"description":"The live instances it started: 16 bytes each."},"connections":{"type":"array","items":{"$ref":"#/components/schemas/RelayedConnection"},"description":"Its live connections, the oldest 64 of them."}},"additionalProperties":false},
        "SlotTraffic":{"type":"object","description":"","properties":{"slot":{"type":"integer","minimum":0,"maximum":4294967295,"description":"The port declared by the service."},"transport":{"$ref":"#/components/schemas/Transport","description":"The transport."},"connections":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Connections taken so far."},"bytesToInstance":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Bytes the instance's sockets took."},"bytesFromInstance":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Bytes of the instance that its callers took."},"openConnections":{"type":"integer","minimum":0,"maximum":4294967295,"description":"Connections open now."}},"additionalProperties":false},
        "StartServiceItem":{"type":"object","description":"","properties":{"accepted":{"$ref":"#/components/schemas/ServiceInstance","description":"Durable: the instance will be started. The first item."},"changed":{"$ref":"#/components/schemas/ServiceInstance","description":"It went on in its life."},"started":{"$ref":"#/components/schemas/StartedService","description":"Every slot accepts. The last item."}},"additionalProperties":false},
        "StartServiceRequest":{"type":"object","description":"","properties":{"key":{"type":"string","contentEncoding":"base64","description":"The idempotency key: 16 to 64 bytes, random."},"service":{"type":"string","description":"A service id (64 hexadecimal digits), a unique prefix of 8 or more, or a tag. NOT_FOUND with the reason NOT_UPLOADED for an id that is not here: UploadService takes it."},"name":{"type":"string","description":"A name for the instance: letters, digits, \"-\", \"_\", \".\", at most 63; unique among those that run. May be empty: then one is made."},"environment":{"type":"array","items":{"$ref":"#/components/schemas/EnvironmentVariable"},"description":"Values for the environment variables, added to and overriding those of the specification."},"memoryBytes":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Memory in bytes; 0 for what the specification says. Never more than its `at_most`."},"readyDeadlineMs":{"type":"integer","minimum":0,"maximum":4294967295,"description":"How long the slots may take to accept, in milliseconds: 1 to 3,600,000; 0 for 30,000."},"diskBytes":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Bytes it may write to its own root; 0 for what the specification says. Never more than its `at_most`."},"cpuQuotaUs":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"CPU time per period, in microseconds; 0 for what the specification says. Never more than its `at_most`."},"cpuPeriodUs":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"The period of the quota, in microseconds: 1,000 to 1,000,000; 0 for what the specification says."},"processes":{"type":"integer","minimum":0,"maximum":4294967295,"description":"Processes and threads: 1 to 512; 0 for 512, for a child an eighth of its parent's."},"lifetimeMs":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Time from acceptance to the end, in milliseconds; 0 for no deadline, for a child what its parent has left."},"parent":{"$ref":"#/components/schemas/InstanceReference","description":"Makes it a child of this instance, for whoever may do everything with that. An instance that starts another through its own door is the parent without saying so."}},"additionalProperties":false},
        "StartedService":{"type":"object","description":"","properties":{"instance":{"$ref":"#/components/schemas/ServiceInstance","description":"The instance."},"token":{"type":"string","description":"The bearer token, 64 hexadecimal digits. Not kept in the clear anywhere; keep it."}},"additionalProperties":false},
        "StopServiceReply":{"type":"object","description":"","properties":{"instance":{"$ref":"#/components/schemas/ServiceInstance","description":"The instance as it ended."},"refund":{"type":"string","description":"What is given back of the deposit, in monetary units: \"0\" while there are no prices."},"traffic":{"type":"array","items":{"$ref":"#/components/schemas/SlotTraffic"},"description":"What passed through each of its slots in all."}},"additionalProperties":false},
        "StopServiceRequest":{"type":"object","description":"","properties":{"instance":{"$ref":"#/components/schemas/InstanceReference","description":"The instance."},"graceMs":{"type":"integer","minimum":0,"maximum":4294967295,"description":"Time between TERM and KILL, in milliseconds; at most 600,000."}},"additionalProperties":false},
        "TestNetworkReply":{"type":"object","description":"","properties":{"verdict":{"$ref":"#/components/schemas/NetworkVerdict","description":"What the operator says of it."},"pattern":{"type":"string","description":"The pattern that decided; empty where none did."},"peers":{"type":"array","items":{"$ref":"#/components/schemas/TestedPeer"},"description":"Who would be given."}},"additionalProperties":false},
        "TestNetworkRequest":{"type":"object","description":"","properties":{"tags":{"type":"array","items":{"type":"string"},"description":"The tags a service would declare it under. At most 16, of at most 128 bytes."},"protocols":{"type":"array","items":{"type":"string"},"description":"The protocols it would expect of the peers. At most 16."}},"additionalProperties":false},
        "TestedPeer":{"type":"object","description":"","properties":{"endpoint":{"type":"string","description":"As the operator wrote it: \"example.org:80\"; empty for an instance."},"instanceId":{"type":"string","contentEncoding":"base64","description":"The instance, where it is one: 16 bytes."},"slot":{"type":"integer","minimum":0,"maximum":4294967295,"description":"The port, where it is an instance."},"transport":{"$ref":"#/components/schemas/Transport","description":"The transport."},"address":{"type":"string","description":"The address its name stands for now; empty for an instance."},"failure":{"type":"string","description":"Why it cannot be reached: \"no such name\", \"ECONNREFUSED\". Empty where it took a connection, and where nothing was tried: datagrams, instances."},"connectUs":{"type":"integer","minimum":0,"maximum":4294967295,"description":"How long the connection took, in microseconds; 0 where there was none."}},"additionalProperties":false},
        "TokenScope":{"type":"string","description":"","enum":["TOKEN_SCOPE_UNSPECIFIED","TOKEN_SCOPE_STOP","TOKEN_SCOPE_OBSERVE","TOKEN_SCOPE_TUNNEL","TOKEN_SCOPE_MODIFY"]},
        "Transport":{"type":"string","description":"","enum":["TRANSPORT_UNSPECIFIED","TRANSPORT_TCP","TRANSPORT_UDP"]},
        "UploadServiceReply":{"type":"object","description":"","properties":{"serviceId":{"type":"string","contentEncoding":"base64","description":"The service: 32 bytes."},"alreadyPresent":{"type":"boolean","description":"True where it was here before."}},"additionalProperties":false},
        "UploadServiceRequest":{"type":"object","description":"","properties":{"serviceId":{"type":"string","contentEncoding":"base64","description":"The id it must have: 32 bytes; empty where that is not known."},"codec":{"$ref":"#/components/schemas/Codec","description":"The codec of what is sent; unspecified for what the first bytes look like."}},"additionalProperties":false},
        "Usage":{"type":"object","description":"","properties":{"cpuUs":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"CPU time of all its processes, in microseconds."},"memoryBytes":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Memory charged now, in bytes; 0 once ended."},"memoryPeakBytes":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"The most memory ever charged, in bytes."},"processes":{"type":"integer","minimum":0,"maximum":4294967295,"description":"Processes now; 0 once ended."},"diskBytes":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Bytes written to its own root that are still there."},"memoryByteSeconds":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Memory charged, summed over time: bytes times seconds."},"ioReadBytes":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Bytes read from block devices."},"ioWriteBytes":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Bytes written to block devices."},"cpuThrottledUs":{"type":"string","pattern":"^(0|[1-9][0-9]{0,18})$","description":"Time it waited because of its CPU quota, in microseconds."}},"additionalProperties":false},
        "WatchServiceRequest":{"type":"object","description":"","properties":{"instance":{"$ref":"#/components/schemas/InstanceReference","description":"The instance."}},"additionalProperties":false},
        "WhoAmIRequest":{"type":"object","description":"","properties":{},"additionalProperties":false}
        """#
}
