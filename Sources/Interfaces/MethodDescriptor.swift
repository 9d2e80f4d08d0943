/// What repeating a request does (`Idempotency` of `wire.proto`).
package enum Idempotency: UInt8, Sendable {
    /// The method says nothing: never repeated by itself.
    case unspecified = 0
    /// Changes nothing.
    case readOnly = 1
    /// Repeating it leaves the same state and gives an equal answer.
    case idempotent = 2
    /// Durable: the same key gives the first answer.
    case keyed = 3

    /// Whether a caller may repeat the request after `.unavailable`.
    package var mayRepeat: Bool { self != .unspecified }
}

/// What a passed descriptor must be (`DescriptorKind` of `wire.proto`).
package enum DescriptorKind: UInt8, Sendable {
    /// A memfd sealed against write, grow and shrink, or a regular file opened read-only.
    case sealed = 1
    /// Anything bytes can be read from: pipe, regular file, socket.
    case readable = 2
    /// A directory.
    case directory = 3
    /// A socket.
    case socket = 4
    /// A regular file.
    case file = 5
    /// Anything bytes can be written to: pipe, regular file, socket, character device.
    case writable = 6
}

/// The contract of a method, as its schema declares it. One object per method, made by the
/// generated tables and shared: passing it costs a reference.
package final class MethodDescriptor: Sendable {
    /// The interface's number.
    package let interface: UInt16
    /// The method's ordinal in its interface.
    package let ordinal: UInt16
    /// As in the schema: "ImportBox".
    package let name: String
    /// Whether it answers with items and an end.
    package let isStream: Bool
    /// What repeating it does.
    package let idempotency: Idempotency
    /// The roles that may call it; anyone else gets `.forbidden` before the body is read.
    package let callers: [Role]
    /// The descriptors a request carries, in order.
    package let requestDescriptors: [DescriptorKind]
    /// The descriptors a reply carries, in order.
    package let replyDescriptors: [DescriptorKind]
    /// Whether the last reply descriptor may come 1 to 16 times.
    package let replyRepeats: Bool

    package init(
        interface: UInt16, ordinal: UInt16, name: String, isStream: Bool,
        idempotency: Idempotency, callers: [Role], requestDescriptors: [DescriptorKind] = [],
        replyDescriptors: [DescriptorKind] = [], replyRepeats: Bool = false
    ) {
        self.interface = interface
        self.ordinal = ordinal
        self.name = name
        self.isStream = isStream
        self.idempotency = idempotency
        self.callers = callers
        self.requestDescriptors = requestDescriptors
        self.replyDescriptors = replyDescriptors
        self.replyRepeats = replyRepeats
    }

    /// Whether a reply may carry so many descriptors.
    package func allows(replyDescriptors count: Int) -> Bool {
        replyRepeats ? count >= replyDescriptors.count : count == replyDescriptors.count
    }
}

/// An interface and its methods, as its schema declares them.
package final class InterfaceDescriptor: Sendable {
    /// The interface's number, in every frame of it.
    package let number: UInt16
    /// As in the schema: "BoxBuilder".
    package let name: String
    /// The revisions this build speaks.
    package let revisions: ClosedRange<UInt16>
    /// Sorted by ordinal.
    package let methods: [MethodDescriptor]

    package init(
        number: UInt16, name: String, revisions: ClosedRange<UInt16>, methods: [MethodDescriptor]
    ) {
        self.number = number
        self.name = name
        self.revisions = revisions
        self.methods = methods
    }

    /// The method with an ordinal, which a peer chose; nil for one this build does not know.
    package func method(_ ordinal: UInt16) -> MethodDescriptor? {
        // Ordinals have no gaps until a method is retired: then the place is a little earlier.
        var index = min(Int(ordinal), methods.count) - 1
        while index >= 0 {
            let method = methods[index]
            if method.ordinal == ordinal { return method }
            if method.ordinal < ordinal { return nil }
            index -= 1
        }
        return nil
    }
}
