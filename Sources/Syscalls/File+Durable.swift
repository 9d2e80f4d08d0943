// What makes a change last, and what changes a file's size or place.

import CShim
import Glibc

extension File {
    /// Content and metadata are on the disk when this returns. Also for directories (their names).
    package static func sync(_ descriptor: borrowing Descriptor) throws(Errno) {
        let raw = descriptor.raw
        try Call.check { fsync(raw) }
    }

    /// Content, and the metadata needed to read it, are on the disk when this returns.
    package static func syncData(_ descriptor: borrowing Descriptor) throws(Errno) {
        let raw = descriptor.raw
        try Call.check { fdatasync(raw) }
    }

    /// All of the file system that holds the descriptor is on the disk when this returns.
    package static func syncFileSystem(_ descriptor: borrowing Descriptor) throws(Errno) {
        let raw = descriptor.raw
        try Call.check { syncfs(raw) }
    }

    package static func setSize(
        _ descriptor: borrowing Descriptor, bytes: UInt64
    ) throws(Errno) {
        let raw = descriptor.raw
        try Call.check { ftruncate(raw, off_t(bytes)) }
    }

    /// Takes the space now, so that a later write cannot find the disk full.
    package static func reserve(
        _ descriptor: borrowing Descriptor, bytes: UInt64
    ) throws(Errno) {
        let raw = descriptor.raw
        try Call.check { fallocate(raw, 0, 0, off_t(bytes)) }
    }

    /// Moves where the file stands to an offset from its start.
    package static func seek(
        _ descriptor: borrowing Descriptor, to offset: UInt64
    ) throws(Errno) {
        let raw = descriptor.raw
        try Call.check { lseek(raw, off_t(offset), SEEK_SET) }
    }

    /// The offset of the next data or hole at or after one; nil past the last data.
    package static func seek(
        _ descriptor: borrowing Descriptor, toNext kind: Sparse, from offset: UInt64
    ) throws(Errno) -> UInt64? {
        let raw = descriptor.raw
        do throws(Errno) {
            return UInt64(try Call.check { lseek(raw, off_t(offset), kind.rawValue) })
        } catch Errno(code: ENXIO) {
            return nil
        }
    }

    package enum Sparse: Int32, Sendable {
        case data = 3
        case hole = 4
    }

    /// Takes the advisory lock of the open file, alone, without waiting; false when another has it.
    package static func lock(_ descriptor: borrowing Descriptor) throws(Errno) -> Bool {
        let raw = descriptor.raw
        do throws(Errno) {
            try Call.check { flock(raw, LOCK_EX | LOCK_NB) }
            return true
        } catch .again {
            return false
        }
    }

    /// Says how the file will be read.
    package static func advise(
        _ descriptor: borrowing Descriptor, _ advice: Advice
    ) {
        // Only advice: a file system that does not take it changes nothing.
        _ = posix_fadvise(descriptor.raw, 0, 0, advice.rawValue)
    }

    package enum Advice: Int32, Sendable {
        case sequential = 2
        case willNeed = 3
        case dontNeed = 4
    }
}
