// Reading and writing. "Once" is one system call and may do less than asked; "all" goes on.

import CShim
import Glibc

extension File {
    // LIMIT: 64 KiB a step when a whole file is read: a page-cache sized copy that stays in L2.
    private static let stepBytes = 65_536

    /// Reads once. 0 is the end.
    package static func read(
        _ descriptor: borrowing Descriptor, into buffer: inout MutableRawSpan
    ) throws(Errno) -> Int {
        let raw = descriptor.raw
        // SAFETY: the kernel writes inside the span, which outlives the call.
        return try unsafe buffer.withUnsafeMutableBytes { bytes throws(Errno) in
            try Call.check { unsafe Glibc.read(raw, bytes.baseAddress, bytes.count) }
        }
    }

    /// Reads once into an array, as much as it has places. 0 is the end.
    package static func read(
        _ descriptor: borrowing Descriptor, into buffer: inout [UInt8]
    ) throws(Errno) -> Int {
        let raw = descriptor.raw
        // SAFETY: the kernel writes inside the array, which is ours alone during the call.
        return try Call.check {
            unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe Glibc.read(raw, bytes.baseAddress, bytes.count)
            }
        }
    }

    /// Reads once into some places of an array. 0 is the end.
    package static func read(
        _ descriptor: borrowing Descriptor, into buffer: inout [UInt8], places: Range<Int>
    ) throws(Errno) -> Int {
        precondition(places.lowerBound >= 0 && places.upperBound <= buffer.count, "not inside")
        let raw = descriptor.raw
        // SAFETY: the kernel writes inside the array, which is ours alone during the call.
        return try Call.check {
            unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe Glibc.read(
                    raw, bytes.baseAddress?.advanced(by: places.lowerBound), places.count)
            }
        }
    }

    /// Reads once, at most `max` bytes. Empty is the end.
    package static func read(
        _ descriptor: borrowing Descriptor, max: Int
    ) throws(Errno) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: max)
        let count = try read(descriptor, into: &buffer)
        buffer.removeLast(max - count)
        return buffer
    }

    /// Reads once at an offset. 0 is the end.
    package static func read(
        _ descriptor: borrowing Descriptor, into buffer: inout [UInt8], at offset: UInt64
    ) throws(Errno) -> Int {
        let raw = descriptor.raw
        // SAFETY: the kernel writes inside the array, which is ours alone during the call.
        return try Call.check {
            unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe pread(raw, bytes.baseAddress, bytes.count, off_t(offset))
            }
        }
    }

    /// Reads to the end from where the file stands.
    ///
    /// - Throws: `.fileTooLarge` when there is more than `limit`; what was read is dropped.
    package static func readAll(
        _ descriptor: borrowing Descriptor, limit: Int
    ) throws(Errno) -> [UInt8] {
        var all: [UInt8] = []
        var step = [UInt8](repeating: 0, count: min(stepBytes, limit + 1))
        while true {
            let count = try read(descriptor, into: &step)
            if count == 0 { return all }
            if all.count + count > limit { throw .fileTooLarge }
            all.append(contentsOf: step[..<count])
        }
    }

    /// Reads a file by path, at most `limit` bytes.
    package static func readAll(_ path: String, limit: Int) throws(Errno) -> [UInt8] {
        try readAll(try open(path), limit: limit)
    }

    /// Writes once.
    package static func write(
        _ descriptor: borrowing Descriptor, _ bytes: RawSpan
    ) throws(Errno) -> Int {
        let raw = descriptor.raw
        // SAFETY: the kernel reads inside the span, which outlives the call.
        return try unsafe bytes.withUnsafeBytes { bytes throws(Errno) in
            try Call.check { unsafe Glibc.write(raw, bytes.baseAddress, bytes.count) }
        }
    }

    /// Writes all of it.
    package static func writeAll(
        _ descriptor: borrowing Descriptor, _ bytes: RawSpan
    ) throws(Errno) {
        var written = 0
        while written < bytes.byteCount {
            written += try write(descriptor, bytes.extracting(written..<bytes.byteCount))
        }
    }

    /// Writes all of it.
    package static func writeAll(
        _ descriptor: borrowing Descriptor, _ bytes: [UInt8]
    ) throws(Errno) {
        // SAFETY: bytes have no padding.
        try unsafe writeAll(descriptor, bytes.span.bytes)
    }

    /// Writes all of it at an offset; where the file stands does not change.
    package static func writeAll(
        _ descriptor: borrowing Descriptor, _ bytes: RawSpan, at offset: UInt64
    ) throws(Errno) {
        let raw = descriptor.raw
        var written = 0
        while written < bytes.byteCount {
            // SAFETY: the kernel reads inside the span, from where the last call ended.
            written += try Call.check {
                unsafe bytes.extracting(written...).withUnsafeBytes { rest in
                    unsafe pwrite(
                        raw, rest.baseAddress, rest.count, off_t(offset) + off_t(written))
                }
            }
        }
    }

    /// Writes all of it at an offset; where the file stands does not change.
    package static func writeAll(
        _ descriptor: borrowing Descriptor, _ bytes: [UInt8], at offset: UInt64
    ) throws(Errno) {
        // SAFETY: bytes have no padding.
        try unsafe writeAll(descriptor, bytes.span.bytes, at: offset)
    }

    /// Copies inside the kernel, by reference where the file system can.
    ///
    /// - Returns: the bytes copied; fewer than asked at the end of the source.
    package static func copy(
        from source: borrowing Descriptor, to target: borrowing Descriptor, bytes: UInt64
    ) throws(Errno) -> UInt64 {
        let from = source.raw
        let to = target.raw
        var copied: UInt64 = 0
        while copied < bytes {
            let rest = Int(min(bytes - copied, 1 << 30))
            // No memory is passed: both files keep their own position.
            let step = try Call.check { copy_file_range(from, nil, to, nil, rest, 0) }
            if step == 0 { break }
            copied += UInt64(step)
        }
        return copied
    }

    /// Makes the target share the source's content (reflink). `.notSupported`, `.crossDevice` or
    /// `.invalid` where the file system cannot.
    package static func clone(
        from source: borrowing Descriptor, to target: borrowing Descriptor
    ) throws(Errno) {
        let from = source.raw
        let to = target.raw
        try Call.check { celaut_ioctl(to, celaut_ficlone, UInt(from)) }
    }
}
