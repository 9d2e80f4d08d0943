// How tasks wait: whoever waits for what others tell looks while it falls asleep. A look before it, and
// what is told between the two is never heard.

/// Where continuations are touched.
private let waitingFile = "Sources/Channel/Suspended.swift"
private let continuations: Set = [
    "withCheckedContinuation", "withCheckedThrowingContinuation", "withUnsafeContinuation",
    "withUnsafeThrowingContinuation",
]

let waitRules: [Rule] = [
    Rule(
        "Tasks fall asleep in one place, whose waits look once somebody can wake them",
        bad: [
            Sample(
                (
                    "Daemons/x/A.swift",
                    """
                    while items.isEmpty {
                        await withCheckedContinuation { waiters.append($0) }
                    }
                    """
                )),
            Sample(("Tests/Unit/A.swift", "await withUnsafeContinuation { asleep = $0 }")),
            Sample(
                ("Sources/Channel/A.swift", "try await withCheckedThrowingContinuation { f($0) }")),
        ],
        good: Sample(
            (
                "Daemons/x/A.swift",
                "await suspend(unless: { !items.isEmpty }, keep: { waiters.append($0) })"
            ),
            (waitingFile, "await withCheckedContinuation { work(Suspended($0)) }")),
        each: { file in
            guard file.isUnder(written), file.path != waitingFile else { return [] }
            return file.tokens.filter { continuations.contains($0.text) }.map {
                Violation(path: file.path, line: $0.line, what: "a wait of its own: \($0.text)")
            }
        }),
    Rule(
        "A sleeper is kept for others by a wait that looks: suspend(starting:) keeps none",
        bad: [
            Sample(("Daemons/x/A.swift", "await suspend(starting: { waiters.append($0) })")),
            Sample(("Daemons/x/A.swift", "await suspend(starting: { waiter = $0 })")),
            Sample(("Tests/Unit/A.swift", "await suspend(starting: { a in waiters[1] = a })")),
            Sample(("Tests/Unit/A.swift", "await suspend { a in\n    waiters += [a]\n}")),
            Sample(
                (
                    "Daemons/x/A.swift",
                    "await suspend(starting: { (a: Suspended<Void>) in list.insert(a, at: 0) })"
                )),
        ],
        good: Sample(
            (
                "Daemons/x/A.swift",
                """
                await suspend(starting: { asleep in
                    let job = { asleep.resume(work()) }
                    ticket = begin(job, asleep)
                })
                await suspend(starting: { begin($0) })
                await suspend(unless: { isOver }, keep: { waiters.append($0) })
                """
            )),
        each: { file in
            guard file.isUnder(written) else { return [] }
            return kept(file.tokens).map {
                Violation(path: file.path, line: $0.line, what: "a sleeper kept without a look")
            }
        }),
]

/// Sleepers of `suspend(starting:)` that are put somewhere by its closure.
private func kept(_ tokens: [Token]) -> [Token] {
    tokens.indices.dropLast(4).flatMap { start -> [Token] in
        guard tokens[start].text == "suspend" else { return [] }
        let next = tokens[start + 1].text
        let isNamed = next == "(" && tokens[start + 2].text == "starting"
        guard isNamed || next == "{",
            let open = tokens[start...].firstIndex(where: { $0.text == "{" })
        else { return [] }
        let body = tokens[(open + 1)...].prefix(closingBrace(tokens, open) - open - 1)
        guard let first = body.first(where: { $0.text != "(" }) else { return [] }
        let name = body.contains { $0.text == "in" } ? first.text : "$"
        return body.indices.dropFirst(2).filter { index in
            guard tokens[index].text == name else { return false }
            let before = tokens[index - 1].text
            return before == "=" || before == "["
                || before == "(" && ["append", "insert"].contains(tokens[index - 2].text)
        }.map { tokens[$0] }
    }
}

private func closingBrace(_ tokens: [Token], _ open: Int) -> Int {
    var depth = 0
    for index in open..<tokens.count {
        if tokens[index].text == "{" { depth += 1 }
        if tokens[index].text == "}" { depth -= 1 }
        if depth == 0 { return index }
    }
    return tokens.count
}
