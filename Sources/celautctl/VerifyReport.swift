package import Interfaces

/// What a verification found, as it is printed.
struct VerifyReport: Encodable {
    // LIMIT: findings held for the JSON report; past it they are counted only. A disk that lost more
    // needs no list.
    private static let findingsMax = 100_000

    private(set) var isWhole = false
    private(set) var boxes: UInt64 = 0
    private(set) var objects: UInt64 = 0
    private(set) var bytes: UInt64 = 0
    private(set) var findingCount: UInt64 = 0
    private(set) var findings: [FindingReport] = []
    private(set) var isFinished = false

    private enum CodingKeys: CodingKey {
        case isWhole, boxes, objects, bytes, findingCount, findings
    }

    mutating func add(_ finding: StoreFinding) {
        if findings.count < Self.findingsMax { findings.append(FindingReport(finding)) }
    }

    mutating func finish(_ summary: VerifySummary) {
        boxes = summary.boxes
        objects = summary.objects
        bytes = summary.bytes
        findingCount = summary.findings
        isWhole = summary.findings == 0
        isFinished = true
    }

    var sentence: String {
        let read = "Read \(boxes) boxes, \(objects) contents, \(Words.bytes(bytes))"
        return isWhole
            ? "\(read): all is whole."
            : "\(read): \(findingCount) \(findingCount == 1 ? "thing is" : "things are") wrong."
    }
}

/// One thing that is wrong.
package struct FindingReport: Encodable {
    package struct Place: Encodable {
        let box: String
        let path: String
    }

    let kind: String
    let name: String
    let offset: UInt64
    let bytes: UInt64
    let length: UInt64
    let actualLength: UInt64
    let places: [Place]
    let boxes: UInt64

    package init(_ finding: StoreFinding) {
        kind = Self.word(finding.kind)
        name = finding.name
        offset = finding.offset
        bytes = finding.bytes
        length = finding.length
        actualLength = finding.actualLength
        places = finding.places.map { Place(box: Words.hex($0.serviceIDBytes), path: $0.path) }
        boxes = finding.boxes
    }

    /// The thing and what is wrong with it; below it, whom it hits.
    package var lines: [String] {
        var first = "\(name): \(kind)"
        if bytes > 0 { first += ", from byte \(offset) to \(offset + bytes - 1)" }
        if length != actualLength { first += ", \(actualLength) bytes instead of \(length)" }
        var lines = [first]
        for place in places {
            lines.append(
                "  in box \(place.box.prefix(16))\(place.path.isEmpty ? "" : ": ")\(place.path)")
        }
        if boxes > UInt64(places.count) {
            lines.append("  and in \(boxes - UInt64(places.count)) more boxes")
        }
        return lines
    }

    private static func word(_ kind: FindingKind) -> String {
        switch kind {
        case .objectAltered, .imageAltered, .checkoutAltered: "altered"
        case .objectMissing, .imageMissing, .checkoutMissing: "missing"
        case .checkoutExtra: "not of the box"
        case .leftover: "left over"
        case .indexDamaged: "the index is damaged"
        case .unreadable: "cannot be read"
        case .unspecified, .UNRECOGNIZED: "wrong"
        }
    }
}
