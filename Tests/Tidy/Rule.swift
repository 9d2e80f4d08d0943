// A rule is a sentence about the repository and a way to find where it does not hold. It carries a
// bad sample it must find and a good one it must pass, because a rule that cannot fail is a defect.

import Testing

/// Where a rule does not hold.
struct Violation: Equatable, Sendable, CustomStringConvertible {
    let path: String
    /// Counted from 1; 0 for the file as a whole.
    let line: Int
    let what: String

    var description: String { "\(path):\(line): \(what)" }
}

/// A small repository made up for a rule's own test.
struct Sample: Sendable {
    let files: [SourceText]

    init(_ files: (path: String, text: String)...) {
        self.files = files.map { SourceText(path: $0.path, text: $0.text) }
    }
}

struct Rule: Sendable, CustomTestStringConvertible {
    /// What is true of the repository while the rule holds.
    let sentence: String
    /// Finds every place where it is not.
    let find: @Sendable ([SourceText]) -> [Violation]
    /// Each must be found.
    let bad: [Sample]
    /// Must pass as a whole.
    let good: Sample

    var testDescription: String { sentence }

    init(
        _ sentence: String, bad: [Sample], good: Sample,
        find: @escaping @Sendable ([SourceText]) -> [Violation]
    ) {
        self.sentence = sentence
        self.find = find
        self.bad = bad
        self.good = good
    }

    /// A rule that looks at one file at a time.
    init(
        _ sentence: String, bad: [Sample], good: Sample,
        each: @escaping @Sendable (SourceText) -> [Violation]
    ) {
        self.init(sentence, bad: bad, good: good) { files in files.flatMap(each) }
    }

    static let all: [Rule] =
        importRules + callRules + readingRules + safetyRules + sizeRules + protocolRules + pageRules
        + unitRules + waitRules
}

/// Folders of code that ships.
let shipped = ["Sources", "Daemons"]
/// Folders of code of any kind.
let written = shipped + ["Tests"]
