// What is wrong with a configuration file: where, which key, and what was expected.

package import Syscalls

package struct ConfigurationError: Error, Equatable, Sendable {
    package enum Problem: Equatable, Sendable {
        case unreadable(Errno)
        /// Not TOML; the parser's words.
        case malformed(String)
        /// No such key here; those that are known.
        case unknownKey(known: [String])
        case missing(expected: String)
        case wrongType(expected: String, found: String)
        /// The value cannot be, for the reason given.
        case invalid(String)
    }

    package let file: String
    /// From 1; nil where it is not known.
    package let line: Int?
    /// With the tables it is in: "limits.connections"; empty for the whole file.
    package let key: String
    package let problem: Problem

    package init(file: String, line: Int?, key: String, problem: Problem) {
        self.file = file
        self.line = line
        self.key = key
        self.problem = problem
    }

    package var exitCode: ExitCode {
        if case .unreadable = problem { return .configurationMissing }
        return .configuration
    }
}

extension ConfigurationError: CustomStringConvertible {
    package var description: String {
        let place = line.map { "\(file):\($0)" } ?? file
        switch problem {
        case .unreadable(let errno): return "\(place): cannot be read: \(errno)"
        case .malformed(let words): return "\(place): is not TOML: \(words)"
        case .unknownKey(let known):
            let others = known.isEmpty ? "none" : known.joined(separator: ", ")
            return "\(place): unknown key \"\(key)\"; known here: \(others)"
        case .missing(let expected): return "\(place): the key \"\(key)\" (\(expected)) is missing"
        case .wrongType(let expected, let found):
            return "\(place): \"\(key)\" must be \(expected), and is \(found)"
        case .invalid(let why): return "\(place): \"\(key)\" \(why)"
        }
    }
}
