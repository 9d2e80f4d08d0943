// How long things may be before they want to be two.

/// A file's hard bound; the aim is 400.
private let fileLinesMax = 600
private let mainLinesMax = 60
private let functionLinesMax = 80

private func brackets(_ count: Int) -> String {
    "func f() {\n" + String(repeating: "a()\n", count: count) + "}"
}

let sizeRules: [Rule] = [
    Rule(
        "No file has more than \(fileLinesMax) lines",
        bad: [Sample(("Sources/Wire/A.swift", String(repeating: "\n", count: fileLinesMax + 1)))],
        good: Sample(("Sources/Wire/A.swift", String(repeating: "\n", count: fileLinesMax))),
        each: { file in
            let suffixes = [".swift", ".proto", ".py", ".c", ".h"]
            guard suffixes.contains(where: file.path.hasSuffix), !file.isGenerated,
                file.lines.count - 1 > fileLinesMax
            else { return [] }
            return [Violation(path: file.path, line: 0, what: "\(file.lines.count - 1) lines")]
        }),
    Rule(
        "No main has more than \(mainLinesMax) lines",
        bad: [
            Sample(("Daemons/x/main.swift", String(repeating: "\n", count: mainLinesMax + 1))),
            Sample(("Daemons/x/Main.swift", String(repeating: "\n", count: mainLinesMax + 1))),
        ],
        good: Sample(("Daemons/x/main.swift", String(repeating: "\n", count: mainLinesMax))),
        each: { file in
            guard file.path.hasSuffix("/main.swift") || file.path.hasSuffix("/Main.swift"),
                file.lines.count - 1 > mainLinesMax
            else { return [] }
            return [Violation(path: file.path, line: 0, what: "\(file.lines.count - 1) lines")]
        }),
    Rule(
        "No shipped function has more than \(functionLinesMax) lines",
        bad: [Sample(("Sources/Wire/A.swift", brackets(functionLinesMax)))],
        good: Sample(("Sources/Wire/A.swift", brackets(functionLinesMax - 2))),
        each: { file in
            guard file.isUnder(shipped), !file.isGenerated else { return [] }
            return functions(file.tokens).filter { $0.lines > functionLinesMax }.map {
                Violation(path: file.path, line: $0.line, what: "\($0.name) has \($0.lines) lines")
            }
        }),
]

/// Functions and initializers with the number of lines from their name to their closing brace.
private func functions(_ tokens: [Token]) -> [(name: String, line: Int, lines: Int)] {
    var found: [(name: String, line: Int, lines: Int)] = []
    for index in tokens.indices.dropLast() where ["func", "init"].contains(tokens[index].text) {
        if index > 0, [".", "\""].contains(tokens[index - 1].text) { continue }
        guard let open = bodyStart(tokens, from: index + 1) else { continue }
        var depth = 0
        for position in open..<tokens.count {
            if tokens[position].text == "{" { depth += 1 }
            if tokens[position].text == "}" { depth -= 1 }
            if depth == 0 {
                let name = tokens[index].text == "init" ? "init" : tokens[index + 1].text
                let lines = tokens[position].line - tokens[index].line + 1
                found.append((name, tokens[index].line, lines))
                break
            }
        }
    }
    return found
}

/// The brace that opens a body, or nil for a requirement of a protocol. Braces of default arguments
/// stand inside the parentheses of the signature and are passed over.
private func bodyStart(_ tokens: [Token], from start: Int) -> Int? {
    var parentheses = 0
    for position in start..<tokens.count {
        switch tokens[position].text {
        case "(": parentheses += 1
        case ")": parentheses -= 1
        case "{" where parentheses == 0: return position
        case "}" where parentheses == 0: return nil
        case "func" where parentheses == 0, "init" where parentheses == 0,
            "var" where parentheses == 0,
            "let" where parentheses == 0:
            return nil
        default: break
        }
    }
    return nil
}
