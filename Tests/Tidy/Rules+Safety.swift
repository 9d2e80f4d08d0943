// Unsafe code and bounds carry their reasons where they stand.

/// How far above an unsafe expression its reason may stand: about one screenful, so that one reason
/// can cover one function.
private let safetyLinesMax = 40

extension SourceText {
    /// Whether a comment with the mark stands there; the line itself counts.
    fileprivate func hasNote(_ mark: String, near line: Int, above: Int, below: Int = 0) -> Bool {
        lines[max(0, line - above)..<min(line + below, lines.count)].contains {
            $0.contains(mark) && $0.contains("//")
        }
    }

    /// The comment a file opens with.
    fileprivate var head: ArraySlice<Substring> {
        lines.prefix { $0.hasPrefix("//") || $0.isEmpty }
    }
}

let safetyRules: [Rule] = [
    Rule(
        "Every unsafe use has a SAFETY reason near it, or its file's head gives one for all",
        bad: [
            Sample(("Sources/Wire/A.swift", "let a = unsafe b.pointee")),
            Sample(("Sources/Wire/A.swift", "final class A: @unchecked Sendable {}")),
            Sample(("Sources/Wire/A.swift", "let a = unsafe loop.other()")),
        ],
        good: Sample(
            ("Sources/Wire/A.swift", "// SAFETY: b outlives a.\nlet a = unsafe b.pointee"),
            (
                "Sources/Wire/B.swift",
                "// SAFETY: filled by the kernel.\n" + String(repeating: "\n", count: 90)
                    + "let a = unsafe b"
            )),
        each: { file in
            guard file.isUnder(shipped), !file.isGenerated,
                !file.head.contains(where: { $0.contains("SAFETY:") })
            else { return [] }
            let uses =
                file.tokens.filter { $0.text == "unsafe" } + file.sequence("@", "unchecked")
            // An actor that names its executor can be written in one way only.
            let executors = Set(file.sequence("asUnownedSerialExecutor").map(\.line))
            return uses.filter {
                !executors.contains($0.line)
                    && !file.hasNote("SAFETY", near: $0.line, above: safetyLinesMax, below: 16)
            }.map {
                Violation(path: file.path, line: $0.line, what: "unsafe without a reason")
            }
        }),
    Rule(
        "Every named bound says why it is that number",
        bad: [
            Sample(("Sources/Wire/A.swift", "static let frameBytesMax = 10")),
            Sample(("Daemons/x/A.swift", "package static let nameMax: Int = 64 * 1024")),
        ],
        good: Sample(
            (
                "Sources/Wire/A.swift",
                "// LIMIT: three fit a socket buffer.\nstatic let frameBytesMax = 10"
            ),
            ("Sources/Wire/B.swift", "let frameBytesMax = limits.frameBytesMax"),
            ("Sources/Wire/C.swift", "static let a = 1  // LIMIT: why\nfunc f(nameMax: Int) {}")),
        each: { file in
            guard file.isUnder(shipped), !file.isGenerated else { return [] }
            return boundsWithLiteral(file.tokens).filter {
                !file.hasNote("LIMIT:", near: $0.line, above: 6)
            }.map {
                Violation(path: file.path, line: $0.line, what: "\($0.text) without a LIMIT reason")
            }
        }),
]

/// Names ending in Max or Limit that are given a number where they are declared.
private func boundsWithLiteral(_ tokens: [Token]) -> [Token] {
    tokens.indices.dropLast(3).filter { index in
        guard tokens[index].text == "static", tokens[index + 1].text == "let" else { return false }
        let name = tokens[index + 2].text
        guard name.hasSuffix("Max") || name.hasSuffix("Limit") else { return false }
        let rest = tokens[(index + 3)...].prefix(8)
        guard let equals = rest.firstIndex(where: { $0.text == "=" }) else { return false }
        return equals + 1 < tokens.count
            && tokens[equals + 1].text.first.map(\.isNumber) ?? false
    }.map { tokens[$0 + 2] }
}
