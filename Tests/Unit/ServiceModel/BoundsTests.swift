// What is decoded has a bound in fields and values, not in bytes alone, and no order of them costs more
// than their number.

import ServiceModel
import Testing

private func blob(_ field: UInt64, _ content: [UInt8]) -> [UInt8] {
    var writer = ProtoWriter()
    writer.always(field, blob: content)
    return writer.bytes
}

private func repeated(_ bytes: [UInt8], _ count: Int) -> [UInt8] {
    var all: [UInt8] = []
    all.reserveCapacity(bytes.count * count)
    for _ in 0..<count { all += bytes }
    return all
}

private func inBox(_ container: [UInt8], _ more: [UInt8] = []) -> [UInt8] {
    blob(2, container) + more
}

private func refusal(_ bytes: [UInt8]) -> CanonicalError? {
    var runs = RunReader()
    do throws(CanonicalError) {
        _ = try runs.read(bytes)
        return nil
    } catch {
        return error
    }
}

private func pair(_ key: String, _ value: [UInt8]) -> [UInt8] {
    blob(5, blob(1, Array(key.utf8)) + blob(2, value))
}

private func file(_ more: [UInt8]) -> [UInt8] {
    blob(2, blob(1, blob(1, Array("f".utf8)) + blob(2, [1]) + more))
}

/// Different spellings of one text: a reader that takes them for one name looks for each among all.
private func spellings(_ count: Int) -> [String] {
    (0..<count).map { number in
        (0..<16).map { number >> $0 & 1 == 0 ? "\u{E9}" : "e\u{301}" }.joined()
    }
}

/// A message that knows how often what it holds was held by another value too when it was added to.
private struct Inner: ProtoMessage {
    private final class Held: Sendable {}
    private var held = Held()
    var fields = 0
    var copies = 0

    mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        fields += 1
        if !isKnownUniquelyReferenced(&held) { copies += 1 }
    }

    func write(to writer: inout ProtoWriter) {}

    static func == (left: Inner, right: Inner) -> Bool { left.fields == right.fields }
}

private struct Outer: ProtoMessage {
    var inner: Inner?

    mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        try field.merge(into: &inner)
    }

    func write(to writer: inout ProtoWriter) {}
}

@Suite("The bounds of what is decoded")
struct BoundsTests {
    /// Each is a field of two to five bytes, as often as a service may have any.
    static let many: [(what: String, container: [UInt8], service: [UInt8])] = [
        ("networks", [], [0x22, 0]), ("scenarios", [], [0x2A, 2, 0x0A, 0]),
        ("slots", [], [0x1A, 2, 0x0A, 0]), ("contracts", [], [0x1A, 2, 0x12, 0]),
        ("one list of a field that comes again", [0x2A, 2, 0x0A, 0], []),
        ("protocols", [0x32, 0], []), ("variables", [0x3A, 2, 0x0A, 0], []),
        ("prices", [], [0x1A, 6, 0x0A, 4, 0x22, 2, 0x0A, 0]),
    ]

    @Test("Fields past the bound are refused with it, wherever they stand", arguments: many)
    func fields(what: String, container: [UInt8], service: [UInt8]) {
        let most = Service.fieldsMax
        let bytes = inBox(repeated(container, most + 1), repeated(service, most + 1))
        let error = refusal(bytes)
        #expect(error?.condition == .tooLarge && error?.path == "fields", "\(what)")
        #expect(error?.limit == UInt64(most) && error?.actual == UInt64(most) + 1, "\(what)")
    }

    @Test("A service of as many fields as there may be is read, and is read again from its JSON")
    func mostFields() throws {
        // Of the container's field there is one more where it is written again.
        let bytes = inBox([], repeated([0x22, 0], Service.fieldsMax - 1))
        var runs = RunReader()
        let service = try runs.read(bytes).service
        #expect(service.networks.count == Service.fieldsMax - 1)
        let text = try ServiceJSON.frame(service, filesystem: false).before
        #expect(try ServiceJSON.read(JSONReader.read(text)) == service)
    }

    @Test("A field that comes again is added to what it said, and what it said is not copied")
    func merging() throws {
        let read = try Outer(decoding: repeated([0x0A, 2, 0x0A, 0], 100))
        #expect(read.inner?.fields == 100)
        #expect(read.inner?.copies == 0)
    }

    @Test("Names that differ in their spelling alone are told apart by their bytes at once")
    func names() {
        // A text's own hash is one for all of them.
        let names = spellings(4_096).map { ExactText($0) }
        #expect(Set(names.map(\.hashValue)).count > 4_000)
        #expect(Set(names).count == 4_096)
    }

    @Test(
        "What a reader passes over has a bound too, whatever its fields are",
        arguments: [
            ("a number said again", "mode"), ("somebody's attribute", "other"),
            ("an extended one said again", "xattr.user.a"), ("a link's text said again", "link"),
            ("a role said again", "shared"),
        ])
    func attributes(what: String, key: String) {
        // Zeros are a number and a text.
        let value = [UInt8](repeating: UInt8(ascii: "0"), count: 4_000)
        let count = FileTree.textBytesMax / value.count + 2
        let error = refusal(inBox(file(repeated(pair(key, value), count))))
        #expect(error?.condition == .tooLarge, "\(what)")
        #expect(error?.limit == UInt64(FileTree.textBytesMax), "\(what)")
    }

    @Test(
        "Fields nobody knows are charged with their tags, those that say nothing too",
        arguments: [[0x32, 0], [0x30, 0], [0x35, 0, 0, 0, 0]] as [[UInt8]])
    func unknown(field: [UInt8]) {
        let most = Int(CanonicalReader.unknownBytesMax)
        let error = refusal(repeated(field, most / field.count + 1))
        #expect(error?.condition == .tooLarge)
        // The one that is refused is the last.
        #expect(error?.offset == UInt64(most / field.count * field.count))
    }

    @Test("A link is charged for all it says but its own path")
    func links() {
        let link = blob(1, Array("/a".utf8)) + blob(9, [UInt8](repeating: 0, count: 60_000))
        let branches = (0..<500).flatMap { number in
            blob(1, blob(1, Array("l\(number)".utf8)) + blob(3, link))
        }
        #expect(refusal(inBox(blob(2, branches)))?.limit == UInt64(FileTree.textBytesMax))
    }

    @Test("Many attributes of one entry are taken in the time of as many", .timeLimit(.minutes(10)))
    func extended() throws {
        let names = (0..<400).map { "xattr.user.\($0)" }
        let one = names.flatMap { pair($0, []) }
        var runs = RunReader()
        let entry = try runs.read(inBox(file(repeated(one, 500)))).tree.entries.first
        #expect(entry?.extended.count == 400)
    }

    @Test("A document has a bound in values, and none is held past it")
    func values() throws {
        let most = JSONReader.valuesMax
        let list: (Int) -> [UInt8] = { [0x5B, 0x30] + repeated([0x2C, 0x30], $0 - 2) + [0x5D] }
        #expect(throws: Never.self) { try JSONReader.read(list(most)) }
        #expect(throws: JSONError.tooMany(limit: most)) { try JSONReader.read(list(most + 1)) }
    }

    @Test("A description of more fields than a reader takes is refused before it is a box")
    func description() {
        let prices = (0..<250).map { "\"m\($0)\":1" }.joined(separator: ",")
        let slots = (1...200).map { "{\"port\":\($0),\"mu_per_call\":{\(prices)}}" }
        let text =
            #"{"architecture":"linux/amd64","init":{"entry_path":["a"]},"api":["#
            + slots.joined(separator: ",") + "]}"
        let error = #expect(throws: DescriptionError.self) {
            try ServiceDescription.read(Array(text.utf8))
        }
        #expect(error?.condition == .tooLarge)
        #expect(error?.limit == UInt64(Service.fieldsMax))
    }
}
