package import Interfaces
package import ServiceModel

/// What the supervisor is told of the directories that a service shares. Pure.
///
/// Whose child an instance is, is the registry's to know; that the parent offers what is asked for is
/// compared by the supervisor, by name: each side says what it has from its own specification.
package enum ShareTerms {
    package static func messages(
        _ shares: [SharedDirectory], _ role: DirectoryShare.Role,
        _ environment: [EnvironmentVariable]
    ) -> [InstanceShare] {
        shares.filter { $0.share.role == role }.map { shared in
            var message = InstanceShare()
            message.path = shared.path
            message.name = name(shared, environment)
            message.readOnly = shared.share.isReadOnly
            return message
        }
    }

    /// The tag or the path; where a variable parts what has one name, with that variable and a digest
    /// of its value, which both sides must have equal.
    private static func name(
        _ shared: SharedDirectory, _ environment: [EnvironmentVariable]
    ) -> String {
        let variable = shared.share.variable
        if variable.isEmpty { return shared.name }
        let value = environment.first { $0.name == variable }?.valueBytes ?? []
        return "\(shared.name) \(variable)=\(Hexadecimal.text(TokenBook.digest(ofParts: [value])))"
    }

    /// Who has no parent inherits nothing.
    package static func refusal(_ asked: InstanceShare) -> Fault {
        Fault(.forbidden, subject: "share /\(asked.path.joined(separator: "/"))")
    }
}
