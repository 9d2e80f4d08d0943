/// A service specification: a BOX, an API and a NET, without the contents of its filesystem.
///
/// Keeps true: encoding a decoded value gives bytes that decode to an equal value. It does not give
/// the bytes that were received: an id is always computed over those (see `CanonicalForm`).
/// Field numbers: `Protocols/models/celaut.proto`.
package struct Service: ProtoMessage {
    /// A description for people.
    package var prose: String = ""
    /// BOX: what it is made of and how it starts.
    package var container = Container()
    /// API: where it answers, what, and for what money.
    package var api = Api()
    /// NET: the networks it asks for; none is an instance that reaches its family and its node only.
    package var networks: [Network] = []
    /// What it may ask its node to run beside it: sets of descendants, for whoever plans with them.
    package var possibleEnvironmentWorkload: [WorkloadScenario] = []

    // LIMIT: fields of a service, those of all its messages counted and its filesystem not: what people
    // write has some hundred. Each is up to a hundred bytes of memory, so that a service is a few
    // megabytes whatever its bytes say. Past it TOO_LARGE.
    package static let fieldsMax = 65_536

    package init() {}

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: prose = try field.text()
        case 2: try field.merge(into: &container)
        case 3: try field.merge(into: &api)
        case 4: networks.append(try field.message())
        case 5: possibleEnvironmentWorkload.append(try field.message())
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.text(1, prose)
        writer.spoken(Self.containerField, container)
        writeAfterContainer(to: &writer)
    }

    static let containerField: UInt64 = 2

    func writeAfterContainer(to writer: inout ProtoWriter) {
        writer.spoken(3, api)
        writer.messages(4, networks)
        writer.messages(5, possibleEnvironmentWorkload)
    }

    /// The architecture's first tag: "linux/amd64".
    package var architecture: String { container.architecture.tags.first ?? "" }
}
