package import SwiftProtobuf

/// A stream's items on the caller's side: `while let item = try await stream.next()`.
///
/// Letting go of it before its end cancels the request.
package final class ItemStream<Item: Message>: Sendable {
    private let raw: any RawItems

    package init(_ raw: any RawItems) {
        self.raw = raw
    }

    deinit {
        raw.cancel()
    }

    /// The next item; nil after the last.
    ///
    /// - Throws: the fault that ended the stream.
    package func next() async throws(Fault) -> Item? {
        guard let body = try await raw.next() else { return nil }
        return try Body.decode(answer: body)
    }

    /// Asks the listener to stop; `next()` then throws `.cancelled`, or ends.
    package func cancel() {
        raw.cancel()
    }
}
