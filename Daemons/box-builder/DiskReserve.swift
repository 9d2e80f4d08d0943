import Synchronization
package import Syscalls

/// Room on the disk that is kept for what has to be possible when there is no other: to take a box out
/// of the index, and to let go of one. Each writes to the disk before there is more room on it.
///
/// Keeps true: it is a file of nothing, and never more than was asked for; nothing depends on its being
/// there.
package final class DiskReserve: Sendable {
    // LIMIT: at least this much, for the pages that a removal changes in a small index.
    private static let bytesMin: UInt64 = 1 << 20
    // LIMIT: less than this is not worth a file: SQLite writes whole pages, and their parents.
    private static let usefulBytesMin: UInt64 = 1 << 16

    private let file: SharedDescriptor
    private let bytes: Mutex<UInt64>

    /// - Parameter state: the daemon's own directory.
    package init(in state: borrowing Descriptor) throws(Errno) {
        let file = try File.open(
            at: state, "index.sqlite-reserve", .readWrite, [.create, .noFollow])
        bytes = Mutex(try File.status(file).sizeBytes)
        self.file = SharedDescriptor(file)
    }

    /// Sets room aside, as far as there is some.
    ///
    /// - Parameter wanted: bytes that a removal may write.
    package func keep(_ wanted: UInt64) {
        bytes.withLock { bytes in
            var wanted = max(wanted, Self.bytesMin)
            while wanted > bytes, wanted >= Self.usefulBytesMin {
                do throws(Errno) {
                    try File.reserve(file.descriptor, bytes: wanted)
                    bytes = wanted
                } catch {
                    guard error.isStorageFull else { return }
                    wanted /= 2
                }
            }
        }
    }

    /// Whether there is none left.
    var isSpent: Bool { bytes.withLock { $0 == 0 } }

    /// Gives the room to whoever writes next.
    ///
    /// - Returns: whether there was any.
    package func spend() -> Bool {
        bytes.withLock { bytes in
            guard bytes > 0 else { return false }
            do throws(Errno) {
                try File.setSize(file.descriptor, bytes: 0)
                bytes = 0
                return true
            } catch {
                return false
            }
        }
    }
}
