/// How this node gives a box as a root.
package enum RootMode: String, Sendable, CaseIterable {
    /// The EROFS image over the objects, as layers of an overlay.
    case layers
    /// A directory with the whole tree.
    case checkout

    /// What a kernel can do, by its release: images from files (6.12), layers by descriptor (6.13) and
    /// overlays of mounts that are attached nowhere (6.15). This process may not mount, so it cannot
    /// try; a kernel that was patched to do more or less is told with the key `roots`.
    ///
    /// - Parameter fileSystem: what the store is on, as statfs(2) calls it.
    package init(kernelRelease: String, fileSystem: UInt64) {
        let numbers = kernelRelease.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        let isEnough = numbers.count == 2 && (numbers[0], numbers[1]) >= (6, 15)
        self = isEnough && fileSystem != Self.tmpfs ? .layers : .checkout
    }

    /// EROFS reads a file's pages with the file system's own function, and tmpfs has none (ENOTBLK).
    private static let tmpfs: UInt64 = 0x0102_1994
}
