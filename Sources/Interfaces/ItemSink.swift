package import SwiftProtobuf

/// Where a handler sends a stream's items, one at a time.
package struct ItemSink<Item: Message>: Sendable {
    private let raw: any RawSink

    package init(_ raw: any RawSink) {
        self.raw = raw
    }

    /// Waits until the caller allows another item, then sends it.
    ///
    /// - Throws: when the caller cancelled or went away, and at the deadline. Let it travel.
    package func send(_ item: Item) async throws(Fault) {
        try await raw.send(Body.encode(item))
    }
}
