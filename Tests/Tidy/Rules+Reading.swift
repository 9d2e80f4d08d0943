// What a reader must find, and must not.

/// Kept in halves so that this file does not hold what it looks for.
private let machineMarks = [
    "/wo" + "rk/", "/tmp/te" + "am", "/home" + "/", "/Us" + "ers/", "localhost" + ":5",
]
private let unfinishedMarks = ["TO" + "DO", "FIX" + "ME", "XX" + "X:", "HA" + "CK"]
private let historyMarks = ["issue " + "#", "this " + "issue", "TEAM-" + "ONLY", "for now" + ","]

private func textRule(_ sentence: String, marks: [String], good: String) -> Rule {
    Rule(
        sentence,
        bad: marks.map { Sample(("Sources/Wire/A.swift", "// see \($0)x")) },
        good: Sample(("Sources/Wire/A.swift", good)),
        each: { file in
            file.lines.indices.flatMap { index in
                marks.filter { file.lines[index].contains($0) }.map {
                    Violation(path: file.path, line: index + 1, what: "holds \"\($0)\"")
                }
            }
        })
}

let readingRules: [Rule] = [
    textRule(
        "No file names a path or host of one machine", marks: machineMarks,
        good: "// see /run/celaut"),
    textRule("Nothing is left to do later", marks: unfinishedMarks, good: "// done"),
    textRule("No comment tells the history of a task", marks: historyMarks, good: "// why"),
    Rule(
        "Every file of code opens by saying what it keeps true",
        bad: [
            Sample(("Sources/Wire/A.swift", "import B\n\nstruct A {}")),
            Sample(("Tests/Unit/A.swift", "struct A {}")),
        ],
        good: Sample(
            ("Sources/Wire/A.swift", "// What A keeps true.\n\nstruct A {}"),
            ("Sources/Wire/B.swift", "import C\n\n/// What B keeps true.\nstruct B {}")),
        each: { file in
            guard file.isSwift, file.isUnder(written), !file.isGenerated else { return [] }
            let starts = ["import ", "package import ", "internal import ", "private import ", "@"]
            let first = file.lines.first { line in
                !line.isEmpty && !starts.contains(where: line.hasPrefix)
            }
            guard let first, !first.hasPrefix("//") else { return [] }
            return [Violation(path: file.path, line: 1, what: "no head comment")]
        }),
    Rule(
        "Shell scripts stop at the first failure",
        bad: [Sample(("deploy/x", "#!/bin/bash\necho\n"))],
        good: Sample(("deploy/x", "#!/bin/bash\n# Why.\nset -euo pipefail\n")),
        each: { file in
            guard let first = file.lines.first, first.hasPrefix("#!"), first.contains("sh"),
                !file.lines.contains(where: { $0.hasPrefix("set -eu") })
            else { return [] }
            return [Violation(path: file.path, line: 1, what: "no set -eu")]
        }),
]
