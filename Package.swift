// swift-tools-version:6.2

import PackageDescription

/// One array for every Swift target: the rules of the house, checked by the compiler.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    // CShim needs the GNU names of the C library. Without the same for Swift's own view of it, the
    // two disagree on types, and whether the compiler notices depends on what it loads first.
    .unsafeFlags(["-Xcc", "-D_GNU_SOURCE"]),
]

/// swift-protobuf, as one library file; its modules are imported under their own names.
let protobuf = Target.Dependency.product(name: "SharedProtobuf", package: "SharedLibraries")
let protobufPlugin = Target.Dependency.product(
    name: "SwiftProtobufPluginLibrary", package: "swift-protobuf")
let arguments = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")
/// swift-crypto, as one library file.
let crypto = Target.Dependency.product(name: "SharedCrypto", package: "SharedLibraries")
/// SwiftNIO with HTTP/1.1, HTTP/2 and TLS, as one library file; imported under its modules' own names.
let http = Target.Dependency.product(name: "SharedHTTP", package: "SharedLibraries")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let toml = Target.Dependency.product(name: "TOMLKit", package: "TOMLKit")
/// Shared by the daemons as one library file, so that no executable carries its own copy.
let database = Target.Dependency.product(name: "GRDB-dynamic", package: "GRDB.swift")

func part(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func program(
    _ name: String, in folder: String, _ dependencies: [Target.Dependency],
    resources: [Resource] = [], exclude: [String] = []
) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, path: "\(folder)/\(name)", exclude: exclude,
        resources: resources, swiftSettings: settings)
}

func daemon(
    _ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []
) -> Target {
    program(name, in: "Daemons", dependencies, resources: resources, exclude: ["README.md"])
}

/// The tests of one kind, or of one part where a kind has a folder per part.
func tests(
    _ kind: String, _ part: String, _ dependencies: [Target.Dependency],
    exclude: [String] = []
) -> Target {
    .testTarget(
        name: "\(part)\(kind)Tests", dependencies: dependencies,
        path: part.isEmpty ? "Tests/\(kind)" : "Tests/\(kind)/\(part)",
        exclude: exclude, swiftSettings: settings)
}

func systemLibrary(_ name: String, _ package: String, debian: String) -> Target {
    .systemLibrary(name: name, pkgConfig: package, providers: [.apt([debian])])
}

let package = Package(
    name: "celaut-node",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
        .package(path: "Sources/SharedLibraries"),
    ],
    targets: [
        // The rim: C libraries, and the one module that imports Glibc.
        systemLibrary("CArchive", "libarchive", debian: "libarchive-dev"),
        systemLibrary("CCap", "libcap", debian: "libcap-dev"),
        systemLibrary("CSeccomp", "libseccomp", debian: "libseccomp-dev"),
        systemLibrary("CSystemd", "libsystemd", debian: "libsystemd-dev"),
        .target(name: "CShim"),
        // Fast also where everything else is compiled for debugging: tests hash whole boxes.
        .target(name: "CKeccak", cSettings: [.unsafeFlags(["-O2"])]),
        part("Syscalls", ["CShim"]),

        // The contract between processes.
        part("Wire", []),
        // Generated, a fifth of each daemon: small before fast.
        .target(
            name: "Interfaces", dependencies: ["Wire", "Syscalls", protobuf],
            swiftSettings: settings + [
                .unsafeFlags(["-Osize"], .when(configuration: .release))
            ]),
        part("Channel", ["Interfaces", "Wire", "Syscalls", protobuf]),
        part(
            "Chassis",
            [
                "Channel", "Interfaces", "Wire", "Syscalls", "CSystemd", "CCap", protobuf, logging,
                toml, database,
            ]),

        // What a service is; what an instance is launched from.
        part("ServiceModel", ["CKeccak", "Syscalls", protobuf, crypto]),
        part("LaunchPlan", ["Wire", "Syscalls"]),

        program("protoc-gen-celaut", in: "Sources", [protobufPlugin]),
        program(
            "celautctl", in: "Sources",
            ["Channel", "Interfaces", "ServiceModel", "Syscalls", arguments, protobuf, crypto]),

        daemon(
            "box-builder",
            [
                "Chassis", "Channel", "Interfaces", "Syscalls", "ServiceModel", "CArchive",
                protobuf,
                crypto, logging, database,
            ]),
        daemon(
            "sandbox-launcher",
            ["LaunchPlan", "Syscalls", "Wire", "CSeccomp"],
            resources: [.embedInCode("seccomp.policy")]),
        daemon(
            "sandbox-supervisor",
            [
                "Chassis", "Channel", "Interfaces", "Syscalls", "LaunchPlan", protobuf, logging,
                database,
            ]),
        daemon(
            "gateway-broker",
            [
                "Chassis", "Channel", "Interfaces", "Syscalls", "ServiceModel", protobuf, crypto,
                http, logging, database,
            ]),

        // Benchmarks of the wire: both ends in Swift, and the C program they are measured against.
        .executableTarget(
            name: "wire-bench",
            dependencies: ["Channel", "Interfaces", "Syscalls", protobuf],
            path: "Tests/Bench/wire-bench", swiftSettings: settings),
        .executableTarget(name: "wire-baseline", path: "Tests/Bench/wire-baseline"),

        tests("Unit", "Wire", ["Wire", "Interfaces", "Syscalls", "Channel", protobuf]),
        tests(
            "Unit", "Chassis", ["Chassis", "Syscalls", "Interfaces", "Channel", logging, database]),
        tests("Unit", "ServiceModel", ["ServiceModel", "Syscalls", protobuf, crypto]),
        tests(
            "Unit", "BoxBuilder",
            [
                "box-builder", "celautctl", "Chassis", "Channel", "Interfaces", "ServiceModel",
                "Syscalls", crypto, database,
            ]),
        tests(
            "Unit", "Sandbox",
            [
                "sandbox-supervisor", "sandbox-launcher", "LaunchPlan", "Channel", "Interfaces",
                "Syscalls", "Wire", protobuf,
            ]),
        tests(
            "Unit", "Gateway",
            [
                "gateway-broker", "Channel", "Chassis", "Interfaces", "ServiceModel", "Syscalls",
                database, http, logging, protobuf,
            ]),
        tests("Unit", "Celautctl", ["celautctl", "Channel", "Interfaces", "Syscalls"]),
        tests("Golden", "", ["Wire", "Interfaces", "Channel", "Syscalls", protobuf]),
        tests("Mutation", "", ["Wire", "Interfaces", "Channel", "Syscalls", protobuf]),
        tests(
            "Simulation", "",
            [
                "box-builder", "gateway-broker", "sandbox-supervisor", "Channel", "Interfaces",
                "LaunchPlan", "Syscalls", "Wire", protobuf,
            ],
            exclude: ["README.md"]),
        tests("Tidy", "", []),
    ]
)
