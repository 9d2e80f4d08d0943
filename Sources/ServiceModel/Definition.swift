/// What something is, said three ways: by tags that programs compare, in prose for people, and in
/// a formal description whose language the tags name.
///
/// The same three fields stand for an architecture, a data format, a protocol and a ledger.
package struct Definition: ProtoMessage {
    /// Names that mean this: "linux/amd64", "tcp", "bitcoin-mainnet".
    package var tags: [String] = []
    /// A description for people.
    package var prose: String = ""
    /// A description for programs; what it is written in is not said here.
    package var formal: [UInt8] = []

    package init() {}

    package init(tags: [String], prose: String = "", formal: [UInt8] = []) {
        self.tags = tags
        self.prose = prose
        self.formal = formal
    }

    package mutating func take(_ field: inout ProtoField) throws(ProtoError) {
        switch field.number {
        case 1: tags.append(try field.text())
        case 2: prose = try field.text()
        case 3: formal = try field.blob()
        default: break
        }
    }

    package func write(to writer: inout ProtoWriter) {
        writer.texts(1, tags)
        writer.text(2, prose)
        writer.blob(3, formal)
    }
}

package typealias Architecture = Definition
package typealias DataFormat = Definition
package typealias ProtocolDefinition = Definition
package typealias Ledger = Definition
