import Interfaces
import ServiceModel
import Syscalls

/// The directory at the end of a zip, as far as it must be put right before libarchive reads it
/// (APPNOTE.TXT 4.3 and 4.4).
///
/// libarchive writes a name that is marked as UTF-8 anew in another spelling (NFC), or has none where
/// the thread's encoding is not UTF-8. Without the mark it gives the bytes that are there. So the mark
/// is taken off every entry, in our own copy of the zip.
///
/// It reads names and the texts of links to their first NUL, and a name where the entry stands, not
/// the one in the directory. So those that have one, or two names, are refused here.
struct ZipDirectory: ~Copyable {
    // LIMIT: bytes at the end of a zip in which the record of its end stands: the record and the
    // longest comment.
    private static let endBytesMax = 22 + 65_535

    // LIMIT: records looked at: as many as a tree may have, and the two documents.
    private static let entriesMax = FileTree.entriesMax + 8

    private static let utf8Mark: UInt8 = 0x08

    private let file: Descriptor
    private let bytes: UInt64

    /// - Parameter file: may be read and written anywhere.
    /// - Returns: the declared bytes of all texts of links, which are what libarchive has read when it
    ///   met no NUL in them.
    static func takeMarks(
        off file: borrowing Descriptor, bytes: UInt64
    ) throws(Fault) -> UInt64 {
        let directory: ZipDirectory
        do throws(Errno) {
            directory = ZipDirectory(file: try file.duplicate(), bytes: bytes)
        } catch {
            throw StoreFault.storing(error, "staging")
        }
        return try directory.takeMarks()
    }

    private init(file: consuming Descriptor, bytes: UInt64) {
        self.file = file
        self.bytes = bytes
    }

    private borrowing func takeMarks() throws(Fault) -> UInt64 {
        var offset = try start()
        var linkBytes: UInt64 = 0
        for _ in 0..<Self.entriesMax {
            guard Self.starts(try read(4, at: offset), [0x50, 0x4B, 0x01, 0x02]) else {
                return linkBytes
            }
            let record = try read(46, at: offset)
            let lengths = [28, 30, 32].map { Int(Self.number(record, $0, 2)) }
            let name = try read(lengths[0], at: offset + 46)
            try check(record, name)
            let local = try local(
                record, extra: offset + 46 + UInt64(lengths[0]), bytes: lengths[1])
            let head = try read(30, at: local)
            guard Self.starts(head, [0x50, 0x4B, 0x03, 0x04]) else { throw malformed }
            try check(name, record, head, at: local + 30)
            if Self.isLink(record) { linkBytes += Self.number(record, 24, 4) }
            if record[9] & Self.utf8Mark != 0 {
                try write(record[9] & ~Self.utf8Mark, at: offset + 9)
                try write(head[7] & ~Self.utf8Mark, at: local + 7)
            }
            offset += 46 + UInt64(lengths.reduce(0, +))
        }
        throw .invalid(
            .tooManyEntries, subject: "zip", limit: UInt64(Self.entriesMax),
            actual: UInt64(Self.entriesMax) + 1)
    }

    /// An entry that Unix made is a file, a directory or a link: libarchive would make others files.
    private borrowing func check(_ record: [UInt8], _ name: [UInt8]) throws(Fault) {
        let isUnix = record[5] == 3
        let type = UInt32(Self.number(record, 40, 2)) & 0o170000
        guard !isUnix || [0, 0o100000, 0o040000, 0o120000].contains(type) else {
            throw .invalid(.specialFile, subject: EntryPath.shown(name))
        }
    }

    private static func isLink(_ record: [UInt8]) -> Bool {
        record[5] == 3 && number(record, 40, 2) & 0o170000 == 0o120000
    }

    /// A name, and the text of a link that is stored as it is.
    private borrowing func check(
        _ name: [UInt8], _ record: [UInt8], _ head: [UInt8], at offset: UInt64
    ) throws(Fault) {
        let other = try read(Int(Self.number(head, 26, 2)), at: offset)
        guard !name.contains(0), other == name else {
            throw .invalid(.badName, subject: EntryPath.shown(name))
        }
        let isStored = Self.number(record, 10, 2) == 0
        let length = Self.number(record, 24, 4)
        // A longer text is refused where it is read.
        guard Self.isLink(record), isStored, length <= UInt64(EntryPath.pathBytesMax) else {
            return
        }
        let text = try read(
            Int(length), at: offset + UInt64(other.count) + Self.number(head, 28, 2))
        guard !text.contains(0) else {
            throw .invalid(.badName, subject: EntryPath.shown(name))
        }
    }

    /// Where the entry itself stands: in the record, or behind the sizes that do not fit in it.
    private borrowing func local(
        _ record: [UInt8], extra offset: UInt64, bytes: Int
    ) throws(Fault) -> UInt64 {
        let here = Self.number(record, 42, 4)
        guard here == 0xFFFF_FFFF else { return here }
        let before = [24, 20].count { Self.number(record, $0, 4) == 0xFFFF_FFFF } * 8
        let extra = try read(bytes, at: offset)
        var place = 0
        while place + 4 <= extra.count {
            let length = Int(Self.number(extra, place + 2, 2))
            if Self.number(extra, place, 2) == 1 {
                guard length >= before + 8, place + 4 + length <= extra.count else {
                    throw malformed
                }
                return Self.number(extra, place + 4 + before, 8)
            }
            place += 4 + length
        }
        throw malformed
    }

    /// Where its first record stands.
    private borrowing func start() throws(Fault) -> UInt64 {
        let tail = Int(min(bytes, UInt64(Self.endBytesMax)))
        let end = try read(tail, at: bytes - UInt64(tail))
        var place = end.count - 22
        while place >= 0, !Self.starts(end[place...], [0x50, 0x4B, 0x05, 0x06]) { place -= 1 }
        guard place >= 0 else {
            // What does not begin as one has no end that could be missing.
            guard Self.starts(end.count == Int(bytes) ? end : try read(2, at: 0), [0x50, 0x4B])
            else { throw malformed }
            throw .invalid(.truncated, subject: "zip")
        }
        let offset = Self.number(end, place + 16, 4)
        guard offset == 0xFFFF_FFFF || Self.number(end, place + 10, 2) == 0xFFFF else {
            return offset
        }
        // Past 65,535 entries or 4 GiB another record says it, and a third where that is.
        let endOffset = bytes - UInt64(tail) + UInt64(place)
        guard endOffset >= 20 else { throw malformed }
        let locator = try read(20, at: endOffset - 20)
        guard Self.starts(locator, [0x50, 0x4B, 0x06, 0x07]) else { return offset }
        let large = try read(56, at: Self.number(locator, 8, 8))
        guard Self.starts(large, [0x50, 0x4B, 0x06, 0x06]) else { throw malformed }
        return Self.number(large, 48, 8)
    }

    private borrowing func read(_ count: Int, at offset: UInt64) throws(Fault) -> [UInt8] {
        guard offset <= bytes, UInt64(count) <= bytes - offset else { throw malformed }
        var buffer = [UInt8](repeating: 0, count: count)
        let got: Int
        do throws(Errno) {
            got = try File.read(file, into: &buffer, at: offset)
        } catch {
            throw StoreFault.storing(error, "staging")
        }
        guard got == count else { throw malformed }
        return buffer
    }

    private borrowing func write(_ byte: UInt8, at offset: UInt64) throws(Fault) {
        do throws(Errno) {
            try File.seek(file, to: offset)
            try File.writeAll(file, [byte])
        } catch {
            throw StoreFault.storing(error, "staging")
        }
    }

    private var malformed: Fault { .invalid(.malformed, subject: "zip") }

    private static func starts(_ bytes: some Sequence<UInt8>, _ mark: [UInt8]) -> Bool {
        bytes.starts(with: mark)
    }

    /// Little-endian.
    private static func number(_ bytes: [UInt8], _ place: Int, _ count: Int) -> UInt64 {
        bytes[place..<(place + count)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
