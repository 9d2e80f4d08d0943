// What may import what. The arrows of the architecture, as a table.

/// Modules of this package, and for each folder those that code in it may import.
private let allowedImports: [(folder: String, modules: Set<String>)] = [
    ("Sources/Syscalls", ["CShim"]),
    ("Sources/Wire", []),
    ("Sources/Interfaces", ["Wire", "Syscalls"]),
    ("Sources/Channel", ["Interfaces", "Wire", "Syscalls"]),
    (
        "Sources/Chassis",
        ["Channel", "Interfaces", "Wire", "Syscalls", "CSystemd", "CCap"]
    ),
    ("Sources/ServiceModel", ["CKeccak", "Syscalls"]),
    ("Sources/LaunchPlan", ["Wire", "Syscalls"]),
    ("Sources/protoc-gen-celaut", ["Interfaces"]),
    ("Sources/celautctl", ["Channel", "Interfaces", "Wire", "Syscalls", "ServiceModel"]),
    ("Daemons/sandbox-launcher", ["LaunchPlan", "Syscalls", "Wire", "CSeccomp"]),
    (
        "Daemons",
        [
            "Chassis", "Channel", "Interfaces", "Wire", "Syscalls", "ServiceModel", "LaunchPlan",
            "CArchive",
        ]
    ),
]

/// Every module of this package: only these are looked at by the table.
private let ownModules: Set<String> = [
    "Syscalls", "Wire", "Interfaces", "Channel", "Chassis", "ServiceModel", "LaunchPlan", "CShim",
    "CKeccak",
    "CSystemd", "CCap", "CSeccomp", "CArchive", "celautctl", "box_builder", "sandbox_launcher",
    "sandbox_supervisor", "gateway_broker", "protoc_gen_celaut",
]

private struct Import {
    let module: String
    let line: Int
}

extension SourceText {
    fileprivate var imports: [Import] {
        tokens.indices.dropLast().filter { tokens[$0].text == "import" }.map { index in
            let kinds: Set = ["struct", "class", "enum", "protocol", "func", "typealias", "var"]
            let named = kinds.contains(tokens[index + 1].text) ? index + 2 : index + 1
            return Import(module: tokens[named].text, line: tokens[index].line)
        }
    }

    fileprivate func importing(_ modules: Set<String>, _ what: String) -> [Violation] {
        imports.filter { modules.contains($0.module) }.map {
            Violation(path: path, line: $0.line, what: "imports \($0.module): \(what)")
        }
    }
}

let importRules: [Rule] = [
    Rule(
        "Only Sources/Syscalls imports the C library",
        bad: [
            Sample(("Sources/Wire/A.swift", "import Glibc")),
            Sample(("Daemons/x/A.swift", "internal import CShim")),
            Sample(("Daemons/x/A.swift", "import struct Glibc.stat")),
        ],
        good: Sample(("Sources/Syscalls/A.swift", "import Glibc\nimport CShim")),
        each: { file in
            guard file.isUnder(shipped), !file.isUnder(["Sources/Syscalls", "Sources/CShim"]) else {
                return []
            }
            return file.importing(
                ["Glibc", "Musl", "Darwin", "CShim"], "a call of Syscalls' is meant")
        }),
    Rule(
        "No shipped code imports Foundation whole, which would bring the C library with it",
        bad: [Sample(("Sources/Channel/A.swift", "import Foundation"))],
        good: Sample(("Sources/celautctl/A.swift", "import FoundationEssentials")),
        each: { file in
            guard file.isUnder(shipped), !file.isGenerated else { return [] }
            return file.importing(["Foundation", "Dispatch"], "FoundationEssentials, or neither")
        }),
    Rule(
        "Imports flow one way: Daemons, Chassis, Channel, Interfaces, Wire, with Syscalls at the rim",
        bad: [
            Sample(("Sources/Wire/A.swift", "import Channel")),
            Sample(("Sources/Channel/A.swift", "package import Chassis")),
            Sample(("Daemons/box-builder/A.swift", "import sandbox_supervisor")),
            Sample(("Daemons/sandbox-launcher/A.swift", "import Chassis")),
            Sample(("Sources/New/A.swift", "import Wire")),
        ],
        good: Sample(
            ("Daemons/box-builder/A.swift", "import Chassis\nimport Channel\nimport GRDB"),
            ("Sources/Channel/A.swift", "package import Interfaces")),
        each: { file in
            guard file.isUnder(shipped), file.isSwift else { return [] }
            let allowed = allowedImports.first { file.isUnder([$0.folder]) }?.modules ?? []
            return file.importing(ownModules.subtracting(allowed), "against the arrows")
        }),
    Rule(
        "sandbox-launcher is single-threaded: no Foundation, no protobuf, no concurrency",
        bad: [
            Sample(("Daemons/sandbox-launcher/A.swift", "import FoundationEssentials")),
            Sample(("Daemons/sandbox-launcher/A.swift", "func f() async {}")),
            Sample(("Daemons/sandbox-launcher/A.swift", "actor A {}")),
        ],
        good: Sample(("Daemons/sandbox-launcher/A.swift", "import LaunchPlan\nfunc f() {}")),
        each: { file in
            guard file.isUnder(["Daemons/sandbox-launcher"]) else { return [] }
            let imports = file.importing(
                ["Foundation", "FoundationEssentials", "SwiftProtobuf", "Dispatch", "GRDB"],
                "the launcher forks")
            let words: Set = ["async", "await", "actor", "Task", "TaskGroup"]
            return imports
                + file.tokens.filter { words.contains($0.text) }.map {
                    Violation(path: file.path, line: $0.line, what: "`\($0.text)` needs threads")
                }
        }),
]
