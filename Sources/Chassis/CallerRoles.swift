// Who has which role. The names of `[callers]` are turned into numbers once, at the start; after
// that a connection's uid decides alone.
//
//   [callers]
//   admin = ["root", "alice"]            root is an admin unless it is named for something else
//   gateway-broker = ["celaut-gateway-broker"]
//   client = ["*"]                       anybody else; only for clients

package import Interfaces

package struct CallerRoles: Equatable, Sendable {
    private var roles: [UInt32: Role] = [:]
    private var anybodyIsClient = false

    /// - Parameter userNamed: looks a name up; nil for none.
    package init(
        _ table: ConfigurationReader, userNamed: (String) -> UInt32?
    ) throws(ConfigurationError) {
        for role in Role.allCases {
            for word in try Self.words(table, role.name) {
                if word == "*" {
                    guard role == .client else {
                        throw table.invalid(role.name, "cannot be \"*\": only client can")
                    }
                    anybodyIsClient = true
                    continue
                }
                guard let uid = UInt32(word) ?? userNamed(word) else {
                    throw table.invalid(role.name, "names the user \"\(word)\", who does not exist")
                }
                if let other = roles[uid], other != role {
                    throw table.invalid(
                        role.name, "names \"\(word)\", who is \(other.name) already: one role each")
                }
                roles[uid] = role
            }
        }
        if roles[0] == nil { roles[0] = .admin }
    }

    /// The role of a user; nil turns the user away.
    package func role(of uid: UInt32) -> Role? {
        roles[uid] ?? (anybodyIsClient ? .client : nil)
    }

    private static func words(
        _ table: ConfigurationReader, _ key: String
    ) throws(ConfigurationError) -> [String] {
        let elements: [ConfigurationValue]
        switch table.value(key) {
        case nil: return []
        case .array(let values): elements = values
        case let value?: elements = [value]
        }
        var words: [String] = []
        for element in elements {
            switch element {
            case .string(let text) where !text.isEmpty: words.append(text)
            case .integer(let number) where UInt32(exactly: number) != nil:
                words.append(String(number))
            default: throw table.invalid(key, "must be users, by name or number")
            }
        }
        return words
    }
}
