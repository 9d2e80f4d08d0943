/// Who imports and who waits for a turn.
///
/// Keeps true: at most `runningMax` run at once, the rest in the order they came; whoever leaves,
/// from the queue or from work, makes room exactly once. Refuses whoever finds the queue full.
package struct ImportQueueMachine: Sendable {
    package typealias Ticket = UInt64

    package enum Arrival: Equatable, Sendable {
        case runs(Ticket)
        case waits(Ticket)
        case refused
    }

    // LIMIT: an import hashes with a whole core and writes to one disk: two keep both busy.
    package static let runningMax = 2

    // LIMIT: each waiting import holds three descriptors of its caller. Past it LIMIT_REACHED.
    package static let waitingMax = 32

    private var running: Set<Ticket> = []
    private var waiting: [Ticket] = []
    private var tickets: Ticket = 0

    package init() {}

    package func isRunning(_ ticket: Ticket) -> Bool { running.contains(ticket) }

    package var runningCount: Int { running.count }
    package var waitingCount: Int { waiting.count }

    package mutating func arrive() -> Arrival {
        guard running.count < Self.runningMax || waiting.count < Self.waitingMax else {
            return .refused
        }
        tickets += 1
        if running.count < Self.runningMax {
            running.insert(tickets)
            return .runs(tickets)
        }
        waiting.append(tickets)
        return .waits(tickets)
    }

    /// - Returns: whose turn it is now, if anybody's.
    package mutating func leave(_ ticket: Ticket) -> Ticket? {
        if running.remove(ticket) == nil {
            waiting.removeAll { $0 == ticket }
            return nil
        }
        guard !waiting.isEmpty else { return nil }
        let next = waiting.removeFirst()
        running.insert(next)
        return next
    }
}
