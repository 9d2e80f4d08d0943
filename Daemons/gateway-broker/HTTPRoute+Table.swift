import Interfaces
import Synchronization
import Syscalls

/// The methods of the schema that an HTTP door has. Those that only the maintainer may call are not
/// among them: no token makes one a maintainer.
extension HTTPRoute {
    package static let all: [HTTPRoute] = starting + looking + changing + asking

    private static let starting = [
        HTTPRoute("StartService", "POST", "/v1/instances", answer: .started) {
            ask, gateway throws(Fault) in
            var request = try ask.message(StartServiceRequest.self)
            request.keyBytes = try ask.key(orBody: request.keyBytes)
            guard !ask.wantsEvents else {
                try await gateway.start(request, by: ask.caller, items: ask.each("item"))
                return .streamed
            }
            let last = Kept<StartedService>()
            try await gateway.start(
                request, by: ask.caller,
                items: Items { item throws(Fault) in
                    if case .started(let started) = item.event { last.keep(started) }
                })
            guard let started = last.all.last else { throw GatewayFault.internalError("start") }
            return try .message(started, status: 201)
        },
        HTTPRoute("ListServices", "GET", "/v1/instances", query: ["ended"], answer: .list) {
            ask, gateway throws(Fault) in
            var request = ListServicesRequest()
            request.ended = try ask.flag("ended")
            let found = Kept<ServiceInstance>()
            try await gateway.list(
                request, by: ask.caller,
                items: Items { item throws(Fault) in found.keep(item) })
            var json = Array(#"{"instances":["#.utf8)
            for (index, instance) in found.all.enumerated() {
                if index > 0 { json.append(UInt8(ascii: ",")) }
                json += try HTTPAnswer.json(instance)
            }
            return .json(status: 200, json + Array("]}".utf8))
        },
        HTTPRoute("StopService", "DELETE", "/v1/instances/{instance}", query: ["grace_ms"]) {
            ask, gateway throws(Fault) in
            var request = StopServiceRequest()
            request.instance = try ask.instance()
            request.graceMs = try ask.number("grace_ms", UInt32.self)
            return try .message(try await gateway.stop(request, by: ask.caller))
        },
    ]

    private static let looking = [
        HTTPRoute("InspectService", "GET", "/v1/instances/{instance}") {
            ask, gateway throws(Fault) in
            var request = InspectServiceRequest()
            request.instance = try ask.instance()
            return try .message(try await gateway.inspect(request, by: ask.caller))
        },
        HTTPRoute("WatchService", "GET", "/v1/instances/{instance}/states", answer: .stream) {
            ask, gateway throws(Fault) in
            var request = WatchServiceRequest()
            request.instance = try ask.instance()
            try await gateway.watch(request, by: ask.caller, items: ask.each("item"))
            return .streamed
        },
        HTTPRoute(
            "ObserveService", "GET", "/v1/instances/{instance}/reports",
            query: ["interval_ms", "output"], answer: .stream
        ) { ask, gateway throws(Fault) in
            var request = ObserveServiceRequest()
            request.instance = try ask.instance()
            request.intervalMs = try ask.number("interval_ms", UInt32.self)
            request.output = try ask.flag("output")
            try await gateway.observe(request, by: ask.caller, items: ask.each("item"))
            return .streamed
        },
        HTTPRoute(
            "ReadServiceOutput", "GET", "/v1/instances/{instance}/output",
            query: ["tail_lines", "follow"], answer: .stream
        ) { ask, gateway throws(Fault) in
            var request = ReadServiceOutputRequest()
            request.instance = try ask.instance()
            request.tailLines = try ask.number("tail_lines", UInt32.self)
            request.follow = try ask.flag("follow")
            try await gateway.readOutput(request, by: ask.caller, items: ask.each("item"))
            return .streamed
        },
        HTTPRoute("OpenTunnel", "GET", "/v1/instances/{instance}/slots/{slot}", answer: .tunnel) {
            ask, gateway throws(Fault) in
            var request = OpenTunnelRequest()
            request.instance = try ask.instance()
            guard let slot = UInt16(ask.place["slot"] ?? "") else {
                throw Fault(.invalid, reason: .wrongType, subject: "slot")
            }
            request.slot = UInt32(slot)
            request.transport = ask.upgrade.contains(HTTPTunnel.datagrams) ? .udp : .tcp
            return .tunnel(try await gateway.tunnel(request, by: ask.caller))
        },
    ]

    private static let changing = [
        HTTPRoute("ModifyService", "PATCH", "/v1/instances/{instance}") {
            ask, gateway throws(Fault) in
            var request = try ask.message(ModifyServiceRequest.self)
            guard !request.hasInstance else { throw GatewayFault.duplicate("instance") }
            request.instance = try ask.instance()
            request.keyBytes = try ask.key(orBody: request.keyBytes)
            return try .message(try await gateway.modify(request, by: ask.caller))
        },
        HTTPRoute("IntroduceService", "POST", "/v1/instances/{instance}/introductions") {
            ask, gateway throws(Fault) in
            var request = try ask.message(IntroduceServiceRequest.self)
            guard !request.hasInstance else { throw GatewayFault.duplicate("instance") }
            request.instance = try ask.instance()
            return try .message(try await gateway.introduce(request, by: ask.caller))
        },
        HTTPRoute(
            "GrantToken", "POST", "/v1/instances/{instance}/tokens", answer: .message(status: 201)
        ) {
            ask, gateway throws(Fault) in
            var request = try ask.message(GrantTokenRequest.self)
            guard !request.hasInstance else { throw GatewayFault.duplicate("instance") }
            request.instance = try ask.instance()
            request.keyBytes = try ask.key(orBody: request.keyBytes)
            return try .message(
                try await gateway.grantToken(request, by: ask.caller), status: 201)
        },
        HTTPRoute("RevokeToken", "POST", "/v1/revocations") { ask, gateway throws(Fault) in
            let request = try ask.message(RevokeTokenRequest.self)
            return try .message(try await gateway.revokeToken(request, by: ask.caller))
        },
    ]

    private static let asking = [
        HTTPRoute(
            "UploadService", "PUT", "/v1/services/{service}", query: ["codec"], takesPackage: true
        ) { ask, gateway throws(Fault) in
            guard let package = ask.package else { throw GatewayFault.internalError("package") }
            var request = UploadServiceRequest()
            request.codec = try PackageCodec.named(ask.query["codec"], type: ask.contentType)
            let service = ask.place["service"] ?? ""
            if service != "-" {
                guard let id = Hexadecimal.bytes(service), id.count == 32 else {
                    throw GatewayFault.malformed("service")
                }
                request.serviceIDBytes = id
            }
            do throws(Fault) {
                return try .message(
                    try await gateway.upload(request, by: ask.caller, package: package))
            } catch {
                // Here it is the caller's bytes that are not what they are named by.
                guard error.code == .corrupt else { throw error }
                return .refusal(error, status: 422)
            }
        },
        HTTPRoute("ResolveNetwork", "POST", "/v1/networks") { ask, gateway throws(Fault) in
            let request = try ask.message(ResolveNetworkRequest.self)
            return try .message(try await gateway.resolve(request, by: ask.caller))
        },
        HTTPRoute("WhoAmI", "GET", "/v1/identity") { ask, gateway throws(Fault) in
            try .message(try await gateway.whoAmI(ask.caller))
        },
        HTTPRoute(
            "EstimateCost", "GET", "/v1/services/{service}/cost", query: ["memory_bytes"]
        ) { ask, gateway throws(Fault) in
            var request = EstimateCostRequest()
            request.service = ask.place["service"] ?? ""
            request.memoryBytes = try ask.number("memory_bytes", UInt64.self)
            return try .message(try await gateway.estimate(request, by: ask.caller))
        },
        HTTPRoute(
            "GetSpecification", "GET", "/v1/services/{service}", query: ["codec"], answer: .bytes
        ) { ask, gateway throws(Fault) in
            let codec = try PackageCodec.named(ask.query["codec"], type: nil)
            var request = GetSpecificationRequest()
            request.service = ask.place["service"] ?? ""
            let (_, sealed) = try await gateway.specification(request, by: ask.caller)
            guard let file = sealed.take(0) else { throw GatewayFault.internalError("sealed") }
            let bytes = try GatewayService.read(file)
            switch codec {
            case .unspecified, .proto3: return .bytes(bytes, type: "application/octet-stream")
            case .json: return .json(status: 200, try PackageCodec.json(bytes))
            default: throw GatewayFault.unsupported("query.codec", offered: ["proto3", "json"])
            }
        },
    ]
}

/// The items of an answer, until all are there.
private final class Kept<Item: Sendable>: Sendable {
    private let items = Mutex<[Item]>([])

    func keep(_ item: Item) {
        items.withLock { $0.append(item) }
    }

    var all: [Item] { items.withLock { $0 } }
}
