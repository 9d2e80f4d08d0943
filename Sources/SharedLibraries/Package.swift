// swift-tools-version:6.2

// Libraries that several executables use, each as one library file that they share. Linked into each
// executable, swift-crypto is 3.3 MB of ciphers that nobody calls and swift-protobuf 1.3 MB, which the
// linker cannot drop; SwiftNIO with TLS is more than an executable may have. A dynamic product must be of another package than its users, which is the only
// reason for this one.

import PackageDescription

let package = Package(
    name: "SharedLibraries",
    products: [
        .library(name: "SharedCrypto", type: .dynamic, targets: ["SharedCrypto"]),
        .library(name: "SharedHTTP", type: .dynamic, targets: ["SharedHTTP"]),
        .library(name: "SharedProtobuf", type: .dynamic, targets: ["SharedProtobuf"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    ],
    targets: [
        .target(
            name: "SharedCrypto",
            dependencies: [.product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: [.swiftLanguageMode(.v6)]),
        .target(
            name: "SharedHTTP",
            dependencies: [
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: [.swiftLanguageMode(.v6)]),
        .target(
            name: "SharedProtobuf",
            dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")],
            swiftSettings: [.swiftLanguageMode(.v6)]),
    ]
)
