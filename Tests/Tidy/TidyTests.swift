// The rules of the house, executed. Each test is one rule over the whole repository, and each rule is
// itself tested on a sample that breaks it.

import Testing

@Suite("Tidy")
struct TidyTests {
    @Test("The repository keeps the rule", arguments: Rule.all)
    func repositoryKeeps(rule: Rule) {
        let found = rule.find(Repository.files)
        #expect(found.isEmpty, "\(report(rule, found))")
    }

    @Test("A rule finds every bad sample made for it", arguments: Rule.all)
    func ruleFindsBadSamples(rule: Rule) {
        for sample in rule.bad {
            #expect(!rule.find(sample.files).isEmpty, "\(sample.files.map(\.path))")
        }
        #expect(!rule.bad.isEmpty)
    }

    @Test("A rule passes the good sample made for it", arguments: Rule.all)
    func rulePassesGoodSample(rule: Rule) {
        #expect(rule.find(rule.good.files) == [])
    }

    @Test("The rules see this repository's code")
    func rulesSeeTheCode() {
        let swift = Repository.files.filter { $0.isSwift && $0.isUnder(shipped) }
        #expect(swift.count > 20)
        #expect(Repository.files.contains { $0.path.hasSuffix(".proto") })
    }

    @Test(
        "Neither the build folder nor the resolved versions are tracked",
        .enabled(if: Repository.tracked != nil, "no git here"))
    func nothingBuiltIsTracked() {
        let built = (Repository.tracked ?? []).filter {
            $0.hasPrefix(".build") || $0.hasSuffix("Package.resolved") || $0.hasSuffix(".pyc")
        }
        #expect(built == [])
    }

    @Test("Tokens come from code and never from comments or strings")
    func tokensComeFromCode() {
        let text = #"""
            let a = "fork() \(call(1)) \" fork()" // fork()
            /* fork() /* nested */ fork() */ let b = #"fork() " fork()"#
            let c = """
                fork() " fork()
                """ + d!
            """#
        let words = SourceText(path: "x.swift", text: text).tokens.map(\.text)
        #expect(!words.contains("fork"))
        #expect(words.contains("call"))
        #expect(words.suffix(3) == ["+", "d", "!"])
    }

    private func report(_ rule: Rule, _ found: [Violation]) -> String {
        (["\(rule.sentence): \(found.count) places where this is not so"]
            + found.prefix(60).map(\.description)).joined(separator: "\n  ")
    }
}
