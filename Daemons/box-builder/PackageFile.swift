import Interfaces
import ServiceModel
import Syscalls

/// Bytes of a package that are read where they are needed: the service it sent, or one of its blocks.
/// Used by one thread; holds one window of them.
final class PackageFile {
    private let file: SharedDescriptor
    private let subject: String
    let bytes: UInt64
    private var window: [UInt8]
    private var windowStart: UInt64 = 0
    private var windowBytes = 0

    // LIMIT: bytes that are held: the names and attributes of some hundred entries. One is held for
    // each tree that a tree is in.
    private static let windowBytesMax = 16_384

    init(_ file: SharedDescriptor, bytes: UInt64, subject: String) {
        self.file = file
        self.bytes = bytes
        self.subject = subject
        window = [UInt8](repeating: 0, count: Self.windowBytesMax)
    }

    /// A range of at most a window.
    func read(_ range: Range<UInt64>) throws(Fault) -> ArraySlice<UInt8> {
        let count = Int(range.upperBound - range.lowerBound)
        let isHeld =
            range.lowerBound >= windowStart
            && range.upperBound <= windowStart + UInt64(windowBytes)
        if !isHeld { try fill(from: range.lowerBound) }
        guard windowBytes >= count else {
            throw .invalid(.truncated, subject: subject, actual: range.lowerBound)
        }
        let start = Int(range.lowerBound - windowStart)
        return window[start..<(start + count)]
    }

    private func fill(from offset: UInt64) throws(Fault) {
        windowStart = offset
        windowBytes = 0
        do throws(Errno) {
            windowBytes = try File.read(file.descriptor, into: &window, at: offset)
        } catch {
            throw StoreFault.storing(error, subject)
        }
    }

    /// Gives a range of any length in runs.
    func forEachRun(
        _ range: Range<UInt64>, _ give: (ArraySlice<UInt8>) throws(Fault) -> Void
    ) throws(Fault) {
        var start = range.lowerBound
        while start < range.upperBound {
            let end = min(range.upperBound, start + UInt64(Self.windowBytesMax))
            try give(try read(start..<end))
            start = end
        }
    }

    /// One field, from its tag on.
    struct Field {
        let number: UInt64
        /// With its tag and, where it has one, its length.
        let whole: Range<UInt64>
        let tag: Range<UInt64>
        /// What has a length; nil for numbers.
        let payload: Range<UInt64>?

        var lengthBytes: UInt64 { (payload?.lowerBound ?? tag.upperBound) - tag.upperBound }
    }

    /// The field at an offset of a message that ends at another.
    func field(at offset: UInt64, before end: UInt64) throws(Fault) -> Field {
        var at = offset
        let tag = try varint(&at, before: end)
        let tagEnd = at
        var payload: Range<UInt64>?
        switch tag & 7 {
        case 0: _ = try varint(&at, before: end)
        case 1: at += 8
        case 5: at += 4
        case 2:
            let length = try varint(&at, before: end)
            guard length <= end - at else {
                throw Fault(
                    .invalid, reason: .truncated, subject: subject, limit: end - at,
                    actual: length, lines: ["byte \(offset)"])
            }
            payload = at..<(at + length)
            at += length
        default: throw .invalid(.malformed, subject: subject, actual: offset)
        }
        guard at <= end, tag >> 3 > 0 else {
            throw .invalid(.malformed, subject: subject, actual: offset)
        }
        return Field(
            number: tag >> 3, whole: offset..<at, tag: offset..<tagEnd, payload: payload)
    }

    private func varint(_ at: inout UInt64, before end: UInt64) throws(Fault) -> UInt64 {
        let start = at
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard at < end else { throw .invalid(.truncated, subject: subject, actual: start) }
            let byte = try read(at..<(at + 1)).first ?? 0
            at += 1
            if shift == 63 && byte > 1 { break }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw .invalid(.malformed, subject: subject, actual: start)
    }
}
