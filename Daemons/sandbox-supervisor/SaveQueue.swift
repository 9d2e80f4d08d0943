/// Which records are to be written, in which order, and who waits for it. Pure: whoever writes asks
/// `next`, says how it went to `stored`, and tells those who waited.
///
/// Keeps true: one write at a time, what comes meanwhile goes together into the next; a record whose
/// write failed is written again, as it is then; whoever waits hears of a write that began after it
/// asked, or that there is nothing left to write.
package struct SaveQueue: Sendable {
    /// Names one who waits.
    package typealias Ticket = UInt64

    package struct Batch: Sendable, Equatable {
        /// To be written as they are now.
        package let put: [InstanceID]
        package let delete: [InstanceID]
    }

    private var unsaved: Set<InstanceID> = []
    private var forgotten: Set<InstanceID> = []
    private var current: Batch?
    /// Who hears of the current batch.
    private var told: [Ticket] = []
    private var waiting: [Ticket] = []
    private var lastTicket: Ticket = 0

    package init() {}

    /// Everything that was decided is on the disk.
    package var isSaved: Bool { current == nil && unsaved.isEmpty && forgotten.isEmpty }

    package mutating func save(_ id: InstanceID) { unsaved.insert(id) }

    package mutating func forget(_ id: InstanceID) {
        unsaved.remove(id)
        forgotten.insert(id)
    }

    /// For one who is to be told. Where all is saved there is nothing to tell.
    package mutating func wait() -> Ticket {
        lastTicket += 1
        waiting.append(lastTicket)
        return lastTicket
    }

    /// What to write now; nil while something is being written, and when all is.
    package mutating func next() -> Batch? {
        guard current == nil, !unsaved.isEmpty || !forgotten.isEmpty else { return nil }
        let batch = Batch(put: unsaved.sorted(), delete: forgotten.sorted())
        unsaved = []
        forgotten = []
        told = waiting
        waiting = []
        current = batch
        return batch
    }

    /// How it went.
    ///
    /// - Parameter isKnown: whether a record is still there to be written again.
    /// - Returns: who is told so.
    package mutating func stored(
        isDurable: Bool, isKnown: (InstanceID) -> Bool
    ) -> [Ticket] {
        guard let batch = current else { return [] }
        current = nil
        if !isDurable {
            unsaved.formUnion(batch.put.filter(isKnown))
            forgotten.formUnion(batch.delete)
        }
        defer { told = [] }
        guard isSaved else { return told }
        defer { waiting = [] }
        return told + waiting
    }
}
