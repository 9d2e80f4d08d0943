import Interfaces

/// What of a project a box does not keep, as it is printed by `pack --explain`.
struct NormalisedReport: Encodable {
    struct Entry: Encodable {
        let path: String
        let had: String
    }

    let what: String
    let count: UInt64
    let entries: [Entry]

    // LIMIT: entries of a kind in a table; the JSON form has all that the node sent.
    private static let shownMax = 20

    /// One of each kind, from the node's messages.
    static func gathered(_ messages: [Normalised]) -> [NormalisedReport] {
        var kinds: [Normalisation] = []
        for message in messages where !kinds.contains(message.what) { kinds.append(message.what) }
        return kinds.map { kind in
            let same = messages.filter { $0.what == kind }
            return NormalisedReport(
                what: words(kind), count: same.map(\.count).max() ?? 0,
                entries: same.flatMap(\.entries).map { Entry(path: $0.path, had: $0.had) })
        }
    }

    var lines: [String] {
        let shown = entries.prefix(Self.shownMax).map { entry in
            entry.had.isEmpty ? "  \(entry.path)" : "  \(entry.path)  (\(entry.had))"
        }
        let more = count > UInt64(shown.count) ? ["  and \(count - UInt64(shown.count)) more"] : []
        return ["\(what): \(count)"] + shown + more
    }

    private static func words(_ what: Normalisation) -> String {
        switch what {
        case .owner: "owner became 0:0"
        case .time: "time became 0"
        case .setID: "setuid and setgid bits removed"
        case .attribute: "attribute removed"
        case .hardLink: "hard link became a file with the same content"
        case .replaced: "earlier entry of the same name replaced"
        case .whiteout: "removed by a later layer"
        case .unspecified, .UNRECOGNIZED: "something this command does not know"
        }
    }
}
