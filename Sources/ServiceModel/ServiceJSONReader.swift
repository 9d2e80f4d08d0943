/// Reads the `json` codec in runs of any size. The filesystem goes to a `CanonicalReader` as it
/// comes; the rest of the document is held within its bound and read at the end.
///
/// Takes any JSON with the same values, in any order and with spaces: an id is computed over the
/// canonical form of what was read. The filesystem is text without escapes but that of the slash,
/// which many writers escape. Gives no literals.
package struct ServiceJSONReader: BoxReader {
    // LIMIT: bytes of the document without the filesystem: the 4 MiB of a service's fields, with
    // room for base64 and names.
    package static let bytesMax = 8 << 20

    // LIMIT: bytes of the document that are turned into bytes of the filesystem in one step.
    private static let stepBytes = 65_536

    private enum Place: Equatable {
        /// Between texts.
        case between
        case text(isKey: Bool)
        case escape(isKey: Bool)
        case filesystem
    }

    private struct Level {
        let isObject: Bool
        /// What comes next is a key.
        var awaitsKey: Bool
        var key: [UInt8] = []
    }

    private var place = Place.between
    private var levels: [Level] = []
    private var held: [UInt8] = []
    private var key: [UInt8] = []
    private var bytes: UInt64 = 0
    private var base64 = Base64.Decoder()
    /// A backslash came in the text of the filesystem.
    private var isEscaped = false
    /// Bytes of the filesystem's text, which are not held, and bytes held behind it.
    private var hole: UInt64 = 0
    private var after = 0
    /// Bytes of the filesystem that its reader has not taken.
    private var decoded: ArraySlice<UInt8> = []
    private var filesystem = CanonicalReader(.filesystem)

    package init() {}

    package mutating func next(
        _ rest: inout ArraySlice<UInt8>
    ) throws(CanonicalError) -> CanonicalReader.Event? {
        while true {
            while let event = try filesystem.next(&decoded) {
                if case .literal = event { continue }
                return event
            }
            guard let first = rest.first else { return nil }
            if place == .filesystem {
                try decode(&rest)
            } else {
                rest = rest.dropFirst()
                bytes += 1
                try take(first)
            }
        }
    }

    package mutating func setContent(_ digest: ContentDigest) throws(CanonicalError) {
        try filesystem.setContent(digest)
    }

    package mutating func finish() throws(CanonicalError) -> (
        service: Service, tree: FileTree, bytes: UInt64
    ) {
        let document: JSONValue
        do throws(JSONError) {
            document = try JSONReader.read(held)
        } catch {
            throw CanonicalError(error) { UInt64($0) + ($0 >= held.count - after ? hole : 0) }
        }
        let tree = try filesystem.finish().tree
        return (try ServiceJSON.read(document), tree, bytes)
    }

    private func refused() -> CanonicalError { CanonicalError(.malformed, offset: bytes) }

    /// The text of the filesystem, up to its end.
    private mutating func decode(_ rest: inout ArraySlice<UInt8>) throws(CanonicalError) {
        var run: [UInt8] = []
        let part = rest.prefix(Self.stepBytes)
        var taken = 0
        for character in part {
            taken += 1
            if isEscaped {
                guard character == UInt8(ascii: "/") else { throw refused() }
                isEscaped = false
            } else if character == UInt8(ascii: "\"") {
                guard base64.isWhole else { throw refused() }
                held.append(character)
                place = .between
                break
            } else if character == UInt8(ascii: "\\") {
                isEscaped = true
                continue
            }
            guard base64.put(character, into: &run) else { throw refused() }
        }
        bytes += UInt64(taken)
        hole += UInt64(place == .filesystem ? taken : taken - 1)
        after = place == .filesystem ? 0 : 1
        rest = rest.dropFirst(taken)
        decoded = run[...]
    }

    private mutating func take(_ byte: UInt8) throws(CanonicalError) {
        held.append(byte)
        if hole > 0 { after += 1 }
        guard held.count <= Self.bytesMax else {
            throw CanonicalError(
                .tooLarge, offset: bytes, limit: UInt64(Self.bytesMax), actual: UInt64(held.count))
        }
        switch place {
        case .text(let isKey):
            switch byte {
            case UInt8(ascii: "\\"): place = .escape(isKey: isKey)
            case UInt8(ascii: "\""):
                place = .between
                if isKey { levels[levels.count - 1].key = key }
            default: if isKey { key.append(byte) }
            }
        case .escape(let isKey):
            // Not looked at here: no name that is looked for has one.
            place = .text(isKey: isKey)
            if isKey { key.append(0) }
        case .between: try structure(byte)
        case .filesystem: return
        }
    }

    private mutating func structure(_ byte: UInt8) throws(CanonicalError) {
        switch byte {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard levels.count <= JSONReader.depthMax else {
                throw CanonicalError(
                    .tooDeep, offset: bytes, limit: UInt64(JSONReader.depthMax))
            }
            let isObject = byte == UInt8(ascii: "{")
            levels.append(Level(isObject: isObject, awaitsKey: isObject))
        case UInt8(ascii: "}"), UInt8(ascii: "]"): _ = levels.popLast()
        case UInt8(ascii: ","):
            if levels.last?.isObject == true { levels[levels.count - 1].awaitsKey = true }
        case UInt8(ascii: ":"):
            if !levels.isEmpty { levels[levels.count - 1].awaitsKey = false }
        case UInt8(ascii: "\""):
            if isAtFilesystem {
                place = .filesystem
            } else {
                let isKey = levels.last?.awaitsKey == true
                key.removeAll()
                place = .text(isKey: isKey)
            }
        default:
            // A document is an object: what begins as anything else is no JSON of ours.
            guard !levels.isEmpty || [0x20, 0x09, 0x0A, 0x0D].contains(byte) else {
                throw CanonicalError(.malformed, offset: bytes - 1)
            }
        }
    }

    private var isAtFilesystem: Bool {
        levels.count == 2 && levels[1].isObject && !levels[1].awaitsKey
            && levels[0].key.elementsEqual("container".utf8)
            && levels[1].key.elementsEqual("filesystem".utf8)
    }
}
