// Which kind of root a kernel can give.

import Testing
import box_builder

@Suite("The kind of roots")
struct RootModeTests {
    @Test(
        "goes by the release of the kernel",
        arguments: [
            ("6.15.0", RootMode.layers), ("6.18.44-fc-v657", .layers), ("7.0.1", .layers),
            ("6.14.11-2-pve", .checkout), ("6.1.0-35-amd64", .checkout), ("5.19.0", .checkout),
            ("", .checkout), ("unknown", .checkout), ("6", .checkout),
        ])
    func releases(release: String, mode: RootMode) {
        #expect(RootMode(kernelRelease: release, fileSystem: 0xEF53) == mode)
    }

    @Test("is the checkout on a file system in memory, from whose files no image can be mounted")
    func memory() {
        #expect(RootMode(kernelRelease: "6.18.0", fileSystem: 0x0102_1994) == .checkout)
    }
}
