// swift-tools-version:6.2

// swift-crypto as one library file that the daemons share. Linked into each executable it is 3.3 MB of
// ciphers that nobody calls, which the linker cannot drop; a dynamic product must be of another
// package than its users, which is the only reason for this one.

import PackageDescription

let package = Package(
    name: "SharedCrypto",
    products: [.library(name: "SharedCrypto", type: .dynamic, targets: ["SharedCrypto"])],
    dependencies: [.package(url: "https://github.com/apple/swift-crypto", from: "4.5.2")],
    targets: [
        .target(
            name: "SharedCrypto",
            dependencies: [.product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: [.swiftLanguageMode(.v6)])
    ]
)
