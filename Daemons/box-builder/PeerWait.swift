package import Interfaces
import Synchronization
package import Syscalls

/// Waits on a worker thread for who sends to an import, or reads an export. One for each peer.
///
/// Keeps true: who gave up is noticed soon; a peer that does nothing at all, or next to nothing, is not
/// waited for for ever. It would keep a turn, a thread and what has come of it in the store.
package final class PeerWait: Sendable {
    // LIMIT: how long a silent peer is waited for before `isCancelled` is asked again, in milliseconds.
    package static let stepMilliseconds: Int32 = 100

    // LIMIT: how long a peer may do nothing. Another node is silent while it hashes: the largest box there
    // is, for almost as long. Past it DEADLINE_EXCEEDED with these seconds.
    package static let idleMilliseconds: UInt64 = 1_800_000

    private let idleMilliseconds: UInt64
    private let patience: Mutex<PeerPatience>
    private let now: @Sendable () -> UInt64

    /// - Parameter now: monotonic nanoseconds.
    package init(
        idleMilliseconds: UInt64 = PeerWait.idleMilliseconds,
        now: @escaping @Sendable () -> UInt64 = Clock.monotonicNanoseconds
    ) {
        self.idleMilliseconds = idleMilliseconds
        patience = Mutex(PeerPatience(nanoseconds: idleMilliseconds * 1_000_000))
        self.now = now
    }

    /// Waits until there are bytes, or the end. Of those that are read `moved` is told.
    ///
    /// - Parameter subject: what comes from it.
    package func reading(
        _ descriptor: borrowing Descriptor, _ subject: String, _ isCancelled: () -> Bool
    ) throws(Fault) {
        try wait(subject, isCancelled) { () throws(Errno) in
            try File.waitReadable(descriptor, milliseconds: Self.stepMilliseconds)
        }
    }

    /// Waits until there is room, or nobody who reads. Of what is written `moved` is told.
    package func writing(
        _ descriptor: borrowing Descriptor, _ subject: String, _ isCancelled: () -> Bool
    ) throws(Fault) {
        try wait(subject, isCancelled) { () throws(Errno) in
            try File.waitWritable(descriptor, milliseconds: Self.stepMilliseconds)
        }
    }

    /// The peer has sent so much, or taken it.
    package func moved(_ bytes: Int) {
        patience.withLock { $0.moved(bytes: bytes) }
    }

    private func wait(
        _ subject: String, _ isCancelled: () -> Bool, until step: () throws(Errno) -> Bool
    ) throws(Fault) {
        let longest = UInt64(Self.stepMilliseconds) * 1_000_000
        while true {
            guard !isCancelled() else { throw .cancelled }
            let began = now()
            let isReady: Bool
            do throws(Errno) {
                isReady = try step()
            } catch {
                throw .invalid(.badDescriptor, subject: "\(subject): \(error.name)")
            }
            // A process that was stopped meanwhile has not waited for its peer.
            let waited = min(now() - began, longest)
            guard patience.withLock({ $0.waited(nanoseconds: waited) }) else {
                throw Fault(
                    .deadlineExceeded, subject: subject, limit: idleMilliseconds / 1_000)
            }
            if isReady { return }
        }
    }
}
