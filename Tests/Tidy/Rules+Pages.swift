// Each daemon has a page that says what it promises, in the same order as all the others.

private let sections = [
    "Purpose", "Talks to", "Holds", "Privileges", "Limits", "Exit codes", "When it dies",
]

private let wholePage =
    "# x\n"
    + sections.map { "## \($0)\n\nWords that say something about it.\n" }.joined(separator: "\n")

let pageRules: [Rule] = [
    Rule(
        "Every daemon has a README with \(sections.joined(separator: " · ")), in this order, none empty",
        bad: [
            Sample(("Daemons/x/main.swift", "")),
            Sample(("Daemons/x/README.md", wholePage.replacing("## Holds", with: "## Has"))),
            Sample(("Daemons/x/README.md", "# x\n" + sections.map { "## \($0)\n" }.joined())),
        ],
        good: Sample(("Daemons/x/main.swift", ""), ("Daemons/x/README.md", wholePage)),
        find: { files in
            let daemons = Set(
                files.filter { $0.isUnder(["Daemons"]) }
                    .map { $0.path.split(separator: "/")[1] })
            return daemons.sorted().flatMap { name in
                let path = "Daemons/\(name)/README.md"
                guard let page = files.first(where: { $0.path == path }) else {
                    return [Violation(path: path, line: 0, what: "missing")]
                }
                return check(page)
            }
        }),
    Rule(
        "One daemon has one name: every daemon of the package is in the table of the overview",
        bad: [
            Sample(
                ("README.md", "nothing"), ("Daemons/box-builder/main.swift", ""))
        ],
        good: Sample(("README.md", "`box-builder` makes"), ("Daemons/box-builder/main.swift", "")),
        find: { files in
            guard let overview = files.first(where: { $0.path == "README.md" }) else { return [] }
            let daemons = Set(
                files.filter { $0.isUnder(["Daemons"]) }
                    .map { $0.path.split(separator: "/")[1] })
            return daemons.sorted().filter { name in
                !overview.lines.contains { $0.contains(name) }
            }.map { Violation(path: "README.md", line: 0, what: "does not mention \($0)") }
        }),
]

private func check(_ page: SourceText) -> [Violation] {
    let headings = page.lines.indices.filter { page.lines[$0].hasPrefix("## ") }
    let names = headings.map { String(page.lines[$0].dropFirst(3)) }
    guard names.filter(sections.contains) == sections else {
        return [Violation(path: page.path, line: 0, what: "its sections are \(names)")]
    }
    return headings.indices.compactMap { index in
        let end = index + 1 < headings.count ? headings[index + 1] : page.lines.count
        let body = page.lines[(headings[index] + 1)..<end].filter { !$0.isEmpty }
        guard body.joined().count < 10 else { return nil }
        return Violation(
            path: page.path, line: headings[index] + 1, what: "\(names[index]) is empty")
    }
}
