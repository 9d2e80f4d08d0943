/// What a service itself answers on a slot: its methods with what goes in and comes out, and how a
/// call's cost is found before it is made.
///
/// It is the `formal` description of the last protocol of the slot's stack, under the tag "celaut.app":
/// other nodes keep it as the bytes it is.
package struct AppProtocol: ProtoMessage {
    /// By name.
    package var methods: TextMap<Method> = [:]
    /// What computes the cost of a call from its input; its tags say in which language.
    package var costFunction: Definition?

    /// What finds it in a slot's stack.
    package static let tag = "celaut.app"

    package init() {}

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1:
            let (key, value) = try field.entry()
            methods[key] = try field.message(in: value)
        case 2: try field.merge(into: &costFunction)
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.map(1, methods) { $0.encoded() }
        writer.message(2, costFunction)
    }
}

/// A method of a service. Its price stands in the slot.
package struct Method: ProtoMessage {
    /// What goes in. nil where it is not said; a format that says nothing is any bytes.
    package var input: DataFormat?
    /// What comes out; as above.
    package var output: DataFormat?

    package init() {}

    package init(input: DataFormat?, output: DataFormat?) {
        self.input = input
        self.output = output
    }

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: try field.merge(into: &input)
        case 2: try field.merge(into: &output)
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.message(1, input)
        writer.message(2, output)
    }
}

extension Slot {
    /// nil where the stack does not end in one, or in one that cannot be read.
    package var appProtocol: AppProtocol? {
        guard let last = protocolStack.last, last.tags.contains(AppProtocol.tag) else { return nil }
        return try? AppProtocol(decoding: last.formal)
    }
}
