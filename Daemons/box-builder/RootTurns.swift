import Interfaces
import ServiceModel
import Synchronization
import Syscalls

/// Whose turn it is to make the image or the checkout of a box.
///
/// Keeps true: of several that need the same root at once one makes it, and the others find it made.
/// Boxes do not wait for each other, but for room in memory.
final class RootTurns: Sendable {
    // LIMIT: roots made at once: as many trees are held in memory meanwhile as imports may hold.
    private static let atOnceMax: UInt32 = 2

    private let places = Semaphore(atOnceMax)
    /// Those that wait for a box's turn, in order; a box whose turn nobody has is not in it.
    private let waiting = Mutex<[ServiceID: [Semaphore]]>([:])

    func with(_ id: ServiceID, _ body: () throws(Fault) -> Void) throws(Fault) {
        let turn = waiting.withLock { waiting -> Semaphore? in
            guard waiting[id] != nil else {
                waiting[id] = []
                return nil
            }
            let turn = Semaphore()
            waiting[id]?.append(turn)
            return turn
        }
        turn?.wait()
        defer { pass(id) }
        places.wait()
        defer { places.signal() }
        try body()
    }

    private func pass(_ id: ServiceID) {
        waiting.withLock { waiting in
            if waiting[id]?.isEmpty == false {
                waiting[id]?.removeFirst().signal()
            } else {
                waiting[id] = nil
            }
        }
    }
}
