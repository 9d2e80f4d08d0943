// The schemas explain themselves, and the limits in WIRE.md are the limits in the code.

private let header = "// A.\nsyntax = \"proto3\";\n"

extension SourceText {
    /// Lines of a schema that declare a field or a method, with the line before each.
    fileprivate func declarations(_ isOne: (Substring) -> Bool) -> [(line: Int, before: Substring)]
    {
        lines.indices.filter { isOne(lines[$0].trimmingSpaces) }.map {
            ($0 + 1, $0 > 0 ? lines[$0 - 1].trimmingSpaces : "")
        }
    }
}

extension Substring {
    var trimmingSpaces: Substring { drop { $0 == " " || $0 == "\t" } }
}

/// `type name = 3;` with a type that is not an option, inside a message.
private func isField(_ line: Substring) -> Bool {
    guard line.contains(" = "), line.contains(";"), !line.hasPrefix("//") else { return false }
    let words = line.split(separator: " ")
    guard words.count >= 4, !["option", "syntax", "reserved"].contains(words[0]) else {
        return false
    }
    guard let equals = words.firstIndex(of: "="), equals >= 2, equals + 1 < words.count else {
        return false
    }
    return words[equals + 1].first?.isNumber ?? false
}

let protocolRules: [Rule] = [
    Rule(
        "Every field of every message has a line saying what it is",
        bad: [
            Sample(("Protocols/a.proto", header + "message A {\n  uint32 b = 1;\n}")),
            Sample(
                (
                    "Protocols/a.proto",
                    header + "message A {\n  // B.\n  uint32 b = 1;\n  C c = 2;\n}"
                )),
        ],
        good: Sample(
            (
                "Protocols/a.proto",
                header
                    + "message A {\n  // What b is.\n  repeated uint32 b = 1;\n  option c = 1;\n}"
            )),
        each: { file in
            guard file.path.hasSuffix(".proto") else { return [] }
            return file.declarations(isField).filter { !$0.before.hasPrefix("//") }.map {
                Violation(path: file.path, line: $0.line, what: "a field without a comment")
            }
        }),
    Rule(
        "Every method says what it does",
        bad: [Sample(("Protocols/a.proto", header + "service A {\n  rpc B(C) returns (D) {\n"))],
        good: Sample(
            ("Protocols/a.proto", header + "service A {\n  // Does B.\n  rpc B(C) returns (D) {\n")),
        each: { file in
            guard file.path.hasSuffix(".proto") else { return [] }
            return file.declarations { $0.hasPrefix("rpc ") }.filter { !$0.before.hasPrefix("//") }
                .map {
                    Violation(path: file.path, line: $0.line, what: "a method without a comment")
                }
        }),
    Rule(
        "Every limit that WIRE.md names has the same number in Sources/Wire or Sources/Channel",
        bad: [
            Sample(
                ("Protocols/WIRE.md", "| `framesMax` | 1,024 | why |"),
                ("Sources/Wire/A.swift", "static let framesMax = 1_000")),
            Sample(("Protocols/WIRE.md", "| `framesMax` | 16 | why |")),
        ],
        good: Sample(
            ("Protocols/WIRE.md", "| name | value | why |\n| `framesMax` | 1,024 | why |"),
            ("Sources/Wire/A.swift", "static let framesMax: Int = 1_024")),
        find: { files in
            guard let page = files.first(where: { $0.path == "Protocols/WIRE.md" }) else {
                return []
            }
            let code = files.filter { $0.isUnder(["Sources/Wire", "Sources/Channel"]) }
            return limits(of: page).filter { limit in
                !code.contains { declares($0.tokens, limit.name, limit.value) }
            }.map {
                Violation(
                    path: page.path, line: $0.line,
                    what: "\($0.name) is not \($0.value) in the code")
            }
        }),
]

/// Rows like "| `framesMax` | 1,024 | why |".
private func limits(of page: SourceText) -> [(name: String, value: Int, line: Int)] {
    page.lines.indices.compactMap { index in
        let cells = page.lines[index].split(separator: "|")
        guard cells.count >= 3 else { return nil }
        let name = cells[0].filter { $0 != " " }
        guard name.hasPrefix("`"), name.hasSuffix("`"), name.contains(where: \.isUppercase) else {
            return nil
        }
        let digits = cells[1].trimmingSpaces.prefix { $0.isNumber || $0 == "," }
        guard let value = Int(digits.filter { $0 != "," }) else { return nil }
        return (String(name.dropFirst().dropLast()), value, index + 1)
    }
}

/// Whether `let name … = value` stands there: a number, a duration of it, or a product of numbers.
private func declares(_ tokens: [Token], _ name: String, _ value: Int) -> Bool {
    tokens.indices.contains { index in
        guard tokens[index].text == name else { return false }
        let near = tokens[index...].prefix(16)
        guard let equals = near.firstIndex(where: { $0.text == "=" }) else { return false }
        let line = tokens[equals].line
        let numbers = tokens[(equals + 1)...].prefix(8).prefix { $0.line == line }.compactMap {
            Int($0.text.filter { $0 != "_" })
        }
        return !numbers.isEmpty && numbers.reduce(1, *) == value
    }
}
