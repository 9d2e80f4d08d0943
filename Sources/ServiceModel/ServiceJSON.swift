/// The `json` codec: protobuf's JSON mapping of the service, written as RFC 8785 wants it. The
/// filesystem is the base64 of its canonical bytes, made and read as a stream.
///
/// It has values, not bytes: what a foreign service had beside them is not in it, and such a service
/// cannot be written in it under its id.
package enum ServiceJSON {
    /// What cannot be written: the value would not be the same when it is read.
    package struct NotExpressible: Error, Equatable, Sendable {
        package init() {}
    }

    static let hole = ["container", "filesystem"]

    /// The text around the filesystem.
    package struct Frame: Equatable, Sendable {
        package let before: [UInt8]
        package let after: [UInt8]
    }

    /// - Parameter filesystem: there is one; false for a document that says it elsewhere.
    package static func frame(
        _ service: Service, filesystem: Bool = true
    ) throws(NotExpressible) -> Frame {
        let bytes = service.encoded()
        let document: JSONValue
        do throws(ProtoError) {
            document = try ProtoSchema.service.json(bytes[...])
        } catch {
            throw NotExpressible()
        }
        // What is kept as bytes, a dependency's service, can have more than its values.
        guard let back = try? read(document), back.encoded() == bytes else {
            throw NotExpressible()
        }
        var writer = JSONWriter(hole: filesystem ? hole : [])
        writer.write(filesystem ? withHole(document) : document)
        guard let offset = writer.holeOffset else {
            return Frame(before: writer.bytes, after: [])
        }
        return Frame(
            before: Array(writer.bytes[..<offset]), after: Array(writer.bytes[offset...]))
    }

    /// The service in a document; its filesystem, which is said elsewhere, is empty here or not there.
    package static func read(_ document: JSONValue) throws(CanonicalError) -> Service {
        // One with an escape in its key, which was not seen on the way, or beside the files of a zip.
        if case .object(let members) = document,
            case .object(let inside)? = members.first(where: { $0.key == hole[0] })?.value,
            case .string(let text)? = inside.first(where: { $0.key == hole[1] })?.value,
            !text.isEmpty
        {
            throw CanonicalError(.malformed, path: hole.joined(separator: "."))
        }
        let bytes = try ProtoSchema.service.bytes(document)
        var budget = FieldBudget(Service.fieldsMax)
        do throws(ProtoError) {
            return try Service(decoding: bytes[...], &budget)
        } catch .tooLarge(let limit, let actual) {
            throw CanonicalError(
                .tooLarge, path: "fields", limit: UInt64(limit), actual: UInt64(actual))
        } catch {
            throw CanonicalError(.malformed)
        }
    }

    private static func withHole(_ document: JSONValue) -> JSONValue {
        guard case .object(var members) = document else { return document }
        var container: [(key: String, value: JSONValue)] = []
        if let index = members.firstIndex(where: { $0.key == hole[0] }) {
            if case .object(let inside) = members.remove(at: index).value { container = inside }
        }
        container.append((hole[1], .string("")))
        members.append((hole[0], .object(container)))
        return .object(members)
    }
}

/// Writes the document as its parts are given, without output of its own: `CanonicalForm.
/// emitFilesystem` gives the literals, whoever has the contents their bytes.
package struct ServiceJSONWriter {
    private let after: [UInt8]
    private var text: [UInt8]
    private var encoder = Base64.Encoder()

    package init(_ frame: ServiceJSON.Frame) {
        text = frame.before
        after = frame.after
    }

    /// The next bytes of the filesystem.
    package mutating func filesystem(_ piece: RawSpan) {
        text.reserveCapacity(text.count + piece.byteCount / 3 * 4 + 4)
        // SAFETY: the bytes are read during the call.
        unsafe piece.withUnsafeBytes { bytes in
            for index in 0..<bytes.count { unsafe encoder.put(bytes[index], into: &text) }
        }
    }

    package mutating func finish() {
        encoder.finish(into: &text)
        text += after
    }

    /// What is ready to be written. All of it after `finish`.
    package mutating func take() -> [UInt8] {
        defer { text.removeAll(keepingCapacity: true) }
        return text
    }

    package var readyBytes: Int { text.count }
}

/// A box that is read in runs, whatever codec its bytes are in.
package protocol BoxReader {
    /// Takes bytes off the front of a run; nil when the run is used up.
    mutating func next(
        _ rest: inout ArraySlice<UInt8>
    ) throws(CanonicalError) -> CanonicalReader.Event?
    /// Names the content that ended.
    mutating func setContent(_ digest: ContentDigest) throws(CanonicalError)
    /// There is no more. `bytes` are those of what was read.
    mutating func finish() throws(CanonicalError) -> (
        service: Service, tree: FileTree, bytes: UInt64
    )
}

extension CanonicalReader: BoxReader {}
