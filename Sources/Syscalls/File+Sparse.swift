// Copying a file with holes: what was never written stays unwritten.

extension File {
    // LIMIT: bytes held while copying; a fresh file system has less data in all.
    private static let sparseStepBytes = 262_144

    /// Copies the data of a file into an empty one and makes it as long.
    package static func copySparse(
        from source: borrowing Descriptor, to target: borrowing Descriptor
    ) throws(Errno) {
        try setSize(target, bytes: try status(source).sizeBytes)
        var buffer = [UInt8](repeating: 0, count: sparseStepBytes)
        var offset: UInt64 = 0
        while let start = try seek(source, toNext: .data, from: offset) {
            let end = try seek(source, toNext: .hole, from: start) ?? start
            offset = start
            while offset < end {
                let count = try read(source, into: &buffer, at: offset)
                if count == 0 { return }
                let wanted = min(UInt64(count), end - offset)
                try writeAll(target, [UInt8](buffer.prefix(Int(wanted))), at: offset)
                offset += wanted
            }
        }
    }
}
