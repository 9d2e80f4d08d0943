package import SwiftProtobuf
internal import Wire

/// Messages as the bytes of a frame's body, bounded both ways.
package enum Body {
    /// - Throws: `.tooLarge` for a message that does not fit a body.
    package static func encode(_ message: some Message) throws(Fault) -> [UInt8] {
        let bytes: [UInt8]
        do {
            bytes = try message.serializedBytes(partial: true)
        } catch {
            // proto3 messages have no required fields and cannot fail; a message past 2 GiB can.
            throw Fault(.internal, subject: "body")
        }
        guard bytes.count <= WireLimits.bodyBytesMax else {
            throw .tooLarge(
                subject: "body", limit: UInt64(WireLimits.bodyBytesMax),
                actual: UInt64(bytes.count))
        }
        return bytes
    }

    /// A request's message. Unknown fields are kept.
    ///
    /// - Throws: `.invalid`/`.malformed` for bytes that are not the declared message.
    package static func decode<M: Message>(request body: [UInt8]) throws(Fault) -> M {
        guard let message: M = decode(body) else {
            throw .invalid(.malformed, subject: M.protoMessageName)
        }
        return message
    }

    /// A reply's or item's message.
    ///
    /// - Throws: `.internal` when the listener sent bytes that are not the declared message.
    package static func decode<M: Message>(answer body: [UInt8]) throws(Fault) -> M {
        guard let message: M = decode(body) else {
            throw Fault(.internal, reason: .malformed, subject: M.protoMessageName)
        }
        return message
    }

    private static func decode<M: Message>(_ body: [UInt8]) -> M? {
        var options = BinaryDecodingOptions()
        options.messageDepthLimit = WireLimits.bodyDepthMax
        return try? M(serializedBytes: body, partial: true, options: options)
    }
}
