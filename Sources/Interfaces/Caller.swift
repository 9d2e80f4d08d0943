package import Syscalls

/// The caller's end of a connection, as the generated clients use it.
package protocol Caller: Sendable {
    /// One request, one reply.
    func call(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel?, deadline: Duration
    ) async throws(Fault) -> Answer

    /// One request, a stream of items. Without a deadline the stream may last for ever.
    func open(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel?, deadline: Duration?
    ) async throws(Fault) -> any RawItems
}

/// The body of a reply and the descriptors that came with it.
package struct Answer: Sendable {
    package var body: [UInt8]
    package var descriptors: Parcel

    package init(body: [UInt8], descriptors: Parcel = Parcel()) {
        self.body = body
        self.descriptors = descriptors
    }
}

/// The bodies of a stream's items. Gives credit as items are taken.
package protocol RawItems: Sendable {
    /// The next item; nil after the end.
    func next() async throws(Fault) -> [UInt8]?
    /// Asks the listener to stop. Does nothing when the stream is over, or was cancelled.
    func cancel()
}
