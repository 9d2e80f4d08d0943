// Copying a file with holes: what was never written, or holds zeros, is not written.

extension File {
    // LIMIT: bytes held while copying.
    private static let sparseStepBytes = 262_144
    /// What is left out is left out in steps of this many bytes: a block of most file systems.
    private static let blockBytes = 4_096

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
                let wanted = Int(min(UInt64(count), end - offset))
                try writeBlocks(buffer, wanted, to: target, at: offset)
                offset += UInt64(wanted)
            }
        }
    }

    /// Writes the runs of blocks that are not zeros.
    private static func writeBlocks(
        _ bytes: [UInt8], _ count: Int, to target: borrowing Descriptor, at offset: UInt64
    ) throws(Errno) {
        var run = 0
        var block = 0
        while block < count {
            let next = min(block + blockBytes, count)
            // SAFETY: bytes have no padding.
            if unsafe bytes.span.bytes.extracting(block..<next).isZero {
                try writeRun(bytes, run..<block, to: target, at: offset)
                run = next
            }
            block = next
        }
        try writeRun(bytes, run..<count, to: target, at: offset)
    }

    private static func writeRun(
        _ bytes: [UInt8], _ range: Range<Int>, to target: borrowing Descriptor, at offset: UInt64
    ) throws(Errno) {
        if range.isEmpty { return }
        try writeAll(target, [UInt8](bytes[range]), at: offset + UInt64(range.lowerBound))
    }
}

extension RawSpan {
    /// Whether all bytes are zero.
    package var isZero: Bool {
        var offset = 0
        while offset + 8 <= byteCount {
            // SAFETY: eight bytes that are inside, of which any make a number.
            guard unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self) == 0 else {
                return false
            }
            offset += 8
        }
        while offset < byteCount {
            // SAFETY: as above.
            guard unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self) == 0 else {
                return false
            }
            offset += 1
        }
        return true
    }
}
