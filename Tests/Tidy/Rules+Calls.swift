// Calls and constructs that no shipped code may hold, each with why.

extension SourceText {
    /// Places where `name` is called as a free function.
    fileprivate func calls(_ name: String) -> [Token] {
        tokens.indices.dropLast().filter { index in
            guard tokens[index].text == name, tokens[index + 1].text == "(",
                tokens[index + 1].glued
            else { return false }
            guard index > 0 else { return true }
            return tokens[index - 1].text != "." && tokens[index - 1].text != "func"
        }.map { tokens[$0] }
    }

    /// Places where `words` stand one after the other.
    func sequence(_ words: String...) -> [Token] {
        guard tokens.count >= words.count else { return [] }
        return (0...tokens.count - words.count).filter { start in
            words.indices.allSatisfy { tokens[start + $0].text == words[$0] }
        }.map { tokens[$0] }
    }

    fileprivate func violations(_ found: [Token], _ what: String) -> [Violation] {
        found.map { Violation(path: path, line: $0.line, what: what) }
    }
}

private func shippedCallRule(
    _ sentence: String, calls names: [String], except folders: [String] = [], bad: String,
    good: String
) -> Rule {
    Rule(
        sentence,
        bad: [Sample(("Sources/Wire/A.swift", bad))], good: Sample(("Sources/Wire/A.swift", good)),
        each: { file in
            guard file.isUnder(shipped), !file.isUnder(folders), !file.isGenerated else {
                return []
            }
            return names.flatMap { file.violations(file.calls($0), "calls \($0)()") }
        })
}

let callRules: [Rule] = [
    shippedCallRule(
        "Nothing that a peer can send ends the process: no fatalError, no assertionFailure",
        calls: ["fatalError", "assertionFailure"],
        bad: "func f() { fatalError(\"x\") }", good: "func f() { log.fatalError(1) }"),
    shippedCallRule(
        "Only celautctl and the generator write to the standard output",
        calls: ["print", "debugPrint", "dump", "puts", "printf"],
        except: ["Sources/celautctl", "Sources/protoc-gen-celaut"],
        bad: "print(1)", good: "func print(_ x: Int) {}\n// print(1)"),
    shippedCallRule(
        "No Swift process forks or runs a shell",
        calls: ["fork", "vfork", "system", "popen"], except: ["Sources/CShim"],
        bad: "if fork() == 0 {}", good: "let fork = 1"),
    shippedCallRule(
        "Nothing sleeps to wait for a state",
        calls: ["sleep", "usleep", "nanosleep"],
        bad: "usleep(1000)", good: "let sleep = 1"),
    Rule(
        "No task sleeps and no dispatch queue is used: time comes from the loop",
        bad: [
            Sample(("Sources/Channel/A.swift", "try await Task.sleep(for: .seconds(1))")),
            Sample(("Daemons/x/A.swift", "DispatchQueue.main.async {}")),
            Sample(("Daemons/x/A.swift", "Thread.sleep(1)")),
        ],
        good: Sample(("Sources/Channel/A.swift", "loop.schedule(after: .seconds(1)) {}")),
        each: { file in
            guard file.isUnder(shipped) else { return [] }
            return file.violations(
                file.sequence("Task", ".", "sleep") + file.sequence("Thread", ".", "sleep")
                    + file.sequence("DispatchQueue"),
                "waits beside the loop")
        }),
    Rule(
        "No force: no try!, no as!, no unwrapping with !",
        bad: [
            Sample(("Sources/Wire/A.swift", "let a = try! f()")),
            Sample(("Sources/Wire/A.swift", "let a = b as! C")),
            Sample(("Sources/Wire/A.swift", "let a = b!")),
            Sample(("Sources/Wire/A.swift", "let a = f(1)!.c")),
            Sample(("Sources/Wire/A.swift", "var a: Int!")),
        ],
        good: Sample(
            ("Sources/Wire/A.swift", "if !a, b != c, !f(), a == b {}")),
        each: { file in
            guard file.isUnder(shipped), !file.isGenerated else { return [] }
            return file.violations(forced(file.tokens), "forces")
        }),
    Rule(
        "No singletons, and no global variable that anybody can change",
        bad: [
            Sample(("Sources/Wire/A.swift", "static let shared = A()")),
            Sample(("Sources/Wire/A.swift", "nonisolated(unsafe) static var a = 1")),
        ],
        good: Sample(("Sources/Wire/A.swift", "static let bytesMax = 1\nlet shared = 2")),
        each: { file in
            guard file.isUnder(shipped), !file.isGenerated else { return [] }
            return file.violations(
                file.sequence("static", "let", "shared") + file.sequence("static", "var", "shared")
                    + file.sequence("nonisolated", "(", "unsafe", ")", "static", "var")
                    + file.sequence("nonisolated", "(", "unsafe", ")", "var"),
                "shared by everything")
        }),
    Rule(
        "No unbounded queue between tasks: an AsyncStream names its bound",
        bad: [Sample(("Daemons/x/A.swift", "let s = AsyncStream<Int> { _ in }"))],
        good: Sample(
            (
                "Daemons/x/A.swift",
                "let s = AsyncStream(Int.self, bufferingPolicy: .bufferingOldest(9))"
            )
        ),
        each: { file in
            guard file.isUnder(shipped) else { return [] }
            let made = file.tokens.filter {
                ["AsyncStream", "AsyncThrowingStream"].contains($0.text)
            }
            return file.violations(
                made.filter { token in
                    let near = file.lines(endingAt: token.line + 2, count: 3)
                    return !near.contains {
                        $0.contains("bufferingPolicy") || $0.contains("// LIMIT:")
                    }
                },
                "an AsyncStream without a bound")
        }),
    Rule(
        "Nothing is public: shared code is package",
        bad: [
            Sample(("Sources/Wire/A.swift", "public struct A {}")),
            Sample(("Sources/Wire/A.swift", "open class A {}")),
        ],
        good: Sample(("Sources/Wire/A.swift", "package struct A {}\nFile.open(x)")),
        each: { file in
            guard file.isUnder(written) else { return [] }
            return file.violations(
                file.tokens.filter { $0.text == "public" } + file.sequence("open", "class"),
                "not package")
        }),
]

/// `!` right behind a value: forced unwrapping, an implicitly unwrapped type, `try!` and `as!`.
private func forced(_ tokens: [Token]) -> [Token] {
    tokens.indices.dropFirst().filter { index in
        let token = tokens[index]
        let before = tokens[index - 1]
        guard token.text == "!", token.glued else { return false }
        guard before.isWord || [")", "]", "\"\"", "?"].contains(before.text) else { return false }
        let next = index + 1 < tokens.count ? tokens[index + 1] : nil
        return !(next?.text == "=" && next?.glued == true)
    }.map { tokens[$0] }
}
