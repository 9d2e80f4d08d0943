package import Interfaces

/// The path and the query of a request, decoded.
///
/// Refuses what does not decode to UTF-8, and a query that says one thing twice.
package struct HTTPTarget: Sendable, Equatable {
    package var path: [String]
    package var query: [String: String]

    // LIMIT: 4,096 bytes: the longest that is meant has a few hundred. Past it: TOO_LARGE "path".
    static let bytesMax = 4_096

    package init(_ text: String) throws(Fault) {
        guard text.utf8.count <= Self.bytesMax else {
            throw GatewayFault.tooLarge("path", limit: Self.bytesMax, actual: text.utf8.count)
        }
        let parts = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, first.first == "/" else {
            throw GatewayFault.malformed("path")
        }
        path = []
        for segment in first.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            path.append(try Self.decode(segment, subject: "path"))
        }
        query = [:]
        guard parts.count == 2 else { return }
        for pair in parts[1].split(separator: "&") {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = try Self.decode(sides[0], subject: "query")
            let value = sides.count == 2 ? try Self.decode(sides[1], subject: "query") : ""
            guard query.updateValue(value, forKey: name) == nil else {
                throw GatewayFault.duplicate("query.\(name)")
            }
        }
    }

    /// RFC 3986, 2.1. "+" is itself.
    private static func decode(_ text: Substring, subject: String) throws(Fault) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(digit),
                let low = rest.popFirst().flatMap(digit)
            else { throw GatewayFault.malformed(subject) }
            bytes.append(high << 4 | low)
        }
        guard let decoded = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            throw GatewayFault.malformed(subject)
        }
        return decoded
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
