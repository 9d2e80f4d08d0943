package import Interfaces

/// Who hands over a service now, and how much each did today.
///
/// Keeps true: so many at once, so that whoever is slow leaves box-builder room for others; nobody
/// fills the disk by handing over more and more. What an instance hands over is its owner's.
package struct UploadBook: Sendable {
    /// The right to hand over one service.
    package struct Turn: Sendable, Equatable {
        fileprivate let number: UInt64
        fileprivate let owner: UInt32?
        /// Bytes it may have; 0 for no bound.
        package let bytesMax: UInt64
    }

    private let limits: GatewayLimits
    private var open: Set<UInt64> = []
    private var turns: UInt64 = 0
    // In memory only: whoever gets this process to die gains a day. Its size is that of the users and
    // clients of a node.
    private var bytes: [UInt32: UInt64] = [:]
    private var dayBegan: UInt64 = 0

    private static let dayNanoseconds: UInt64 = 86_400_000_000_000

    package init(limits: GatewayLimits) {
        self.limits = limits
    }

    /// - Parameters:
    ///   - owner: nil for the maintainer, whose bytes are not counted.
    ///   - now: monotonic nanoseconds.
    /// - Throws: LIMIT_REACHED.
    package mutating func begin(_ owner: UInt32?, now: UInt64) throws(Fault) -> Turn {
        if now - dayBegan >= Self.dayNanoseconds {
            dayBegan = now
            bytes = [:]
        }
        guard open.count < limits.uploads else {
            throw GatewayFault.limitReached("uploads", limits.uploads)
        }
        var bytesMax: UInt64 = 0
        if let owner {
            let left = limits.uploadBytesPerUser - min(bytes[owner] ?? 0, limits.uploadBytesPerUser)
            guard left > 0 else {
                throw Fault(
                    .limitReached, subject: "upload_bytes_per_user",
                    limit: limits.uploadBytesPerUser, actual: bytes[owner] ?? 0)
            }
            bytesMax = min(left, limits.uploadBytes)
        }
        turns += 1
        open.insert(turns)
        return Turn(number: turns, owner: owner, bytesMax: bytesMax)
    }

    /// - Parameter count: what was read, or is kept now, whichever is more.
    package mutating func end(_ turn: Turn, bytes count: UInt64) {
        guard open.remove(turn.number) != nil, let owner = turn.owner else { return }
        let (sum, isOver) = (bytes[owner] ?? 0).addingReportingOverflow(count)
        bytes[owner] = isOver ? .max : sum
    }
}
