package import Interfaces
package import Syscalls

/// Waits on a worker thread for who sends to an import, or reads an export.
///
/// Keeps true: who gave up is noticed soon; a peer that does nothing at all is not waited for for ever.
/// It would keep a turn, a thread and what has come of it in the store.
package struct PeerWait: Sendable {
    // LIMIT: how long a silent peer is waited for before `isCancelled` is asked again, in milliseconds.
    package static let stepMilliseconds: Int32 = 100

    // LIMIT: how long a peer may do nothing. Another node is silent while it hashes: the largest box there
    // is, for almost as long. Past it DEADLINE_EXCEEDED with these seconds.
    package static let idleMilliseconds: UInt64 = 1_800_000

    private let idleMilliseconds: UInt64

    package init(idleMilliseconds: UInt64 = PeerWait.idleMilliseconds) {
        self.idleMilliseconds = idleMilliseconds
    }

    /// Waits until there are bytes, or the end.
    ///
    /// - Parameter subject: what comes from it.
    package func reading(
        _ descriptor: borrowing Descriptor, _ subject: String, _ isCancelled: () -> Bool
    ) throws(Fault) {
        try wait(subject, isCancelled) { () throws(Errno) in
            try File.waitReadable(descriptor, milliseconds: Self.stepMilliseconds)
        }
    }

    /// Waits until there is room, or nobody who reads.
    package func writing(
        _ descriptor: borrowing Descriptor, _ subject: String, _ isCancelled: () -> Bool
    ) throws(Fault) {
        try wait(subject, isCancelled) { () throws(Errno) in
            try File.waitWritable(descriptor, milliseconds: Self.stepMilliseconds)
        }
    }

    private func wait(
        _ subject: String, _ isCancelled: () -> Bool, until step: () throws(Errno) -> Bool
    ) throws(Fault) {
        var waited: UInt64 = 0
        while true {
            guard !isCancelled() else { throw .cancelled }
            do throws(Errno) {
                if try step() { return }
            } catch {
                throw .invalid(.badDescriptor, subject: "\(subject): \(error.name)")
            }
            waited += UInt64(Self.stepMilliseconds)
            guard waited < idleMilliseconds else {
                throw Fault(
                    .deadlineExceeded, subject: subject, limit: idleMilliseconds / 1_000)
            }
        }
    }
}
