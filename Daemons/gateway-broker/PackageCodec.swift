package import Interfaces
import ServiceModel

/// How an HTTP door names the codec of a service: by its name in the query, or by the type of the body.
package enum PackageCodec {
    package static let names = ["proto3", "json", "json+zip", "bee"]
    /// The first says nothing: then the bytes do.
    package static let contentTypes = [
        "application/octet-stream", "application/protobuf", "application/json", "application/zip",
    ]

    package static func named(_ name: String?, type: String?) throws(Fault) -> Interfaces.Codec {
        switch name {
        case "proto3": return .proto3
        case "json": return .json
        case "json+zip": return .jsonZip
        case "bee": return .bee
        case nil: break
        default: throw GatewayFault.unsupported("query.codec", offered: names)
        }
        switch type {
        case nil, "application/octet-stream": return .unspecified
        case "application/protobuf": return .proto3
        case "application/json": return .json
        case "application/zip": return .jsonZip
        default: throw GatewayFault.unsupported("Content-Type", offered: contentTypes)
        }
    }

    /// The `json` codec of a specification without its filesystem.
    static func json(_ specification: [UInt8]) throws(Fault) -> [UInt8] {
        do {
            return try ServiceJSON.frame(Service(decoding: specification), filesystem: false).before
        } catch {
            throw GatewayFault.unsupported("query.codec", offered: ["proto3"])
        }
    }
}
