// One table of a configuration, being read. Every key that was asked for is known; what is left
// over when reading is done is refused by name, so a misspelt key is never silently a default.

package final class ConfigurationReader {
    private let file: String
    private let path: [String]
    private let values: [String: ConfigurationValue]
    private let lines: ConfigurationLines
    private var known: Set<String> = []
    private var inner: [String: ConfigurationReader] = [:]
    /// Any key is known here (a map from names).
    private var isMap = false

    package convenience init(file: String) throws(ConfigurationError) {
        let (table, text) = try ConfigurationValue.read(file: file)
        self.init(file: file, path: [], values: table, lines: ConfigurationLines(text))
    }

    /// Reads text that is already here; `file` is its name in errors.
    package convenience init(text: String, file: String) throws(ConfigurationError) {
        let table = try ConfigurationValue.parse(text, file: file)
        self.init(file: file, path: [], values: table, lines: ConfigurationLines(text))
    }

    private init(
        file: String, path: [String], values: [String: ConfigurationValue],
        lines: ConfigurationLines
    ) {
        self.file = file
        self.path = path
        self.values = values
        self.lines = lines
    }

    // MARK: Values

    /// Text; nil when the key is not there.
    package func string(_ key: String) throws(ConfigurationError) -> String? {
        guard let value = take(key) else { return nil }
        guard case .string(let text) = value else { throw wrongType(key, "text", value) }
        return text
    }

    package func string(
        _ key: String, default fallback: String
    ) throws(ConfigurationError) -> String {
        try string(key) ?? fallback
    }

    package func requiredString(_ key: String) throws(ConfigurationError) -> String {
        guard let text = try string(key) else {
            throw error(key, .missing(expected: "text"))
        }
        return text
    }

    /// An integer within a range; nil when the key is not there.
    package func integer(
        _ key: String, in range: ClosedRange<Int> = 0...Int.max
    ) throws(ConfigurationError) -> Int? {
        guard let value = take(key) else { return nil }
        guard case .integer(let number) = value else {
            throw wrongType(key, "an integer", value)
        }
        guard range.contains(number) else {
            throw error(
                key,
                .invalid(
                    "must be from \(range.lowerBound) to \(range.upperBound), and is \(number)"))
        }
        return number
    }

    package func integer(
        _ key: String, default fallback: Int, in range: ClosedRange<Int> = 0...Int.max
    ) throws(ConfigurationError) -> Int {
        try integer(key, in: range) ?? fallback
    }

    package func boolean(
        _ key: String, default fallback: Bool
    ) throws(ConfigurationError) -> Bool {
        guard let value = take(key) else { return fallback }
        guard case .boolean(let answer) = value else {
            throw wrongType(key, "true or false", value)
        }
        return answer
    }

    /// A list of texts; empty when the key is not there.
    package func strings(_ key: String) throws(ConfigurationError) -> [String] {
        guard let value = take(key) else { return [] }
        guard case .array(let elements) = value else {
            throw wrongType(key, "a list of texts", value)
        }
        var texts: [String] = []
        for element in elements {
            guard case .string(let text) = element else {
                throw wrongType(key, "a list of texts", element)
            }
            texts.append(text)
        }
        return texts
    }

    /// The value as it is, for what has a form of its own.
    package func value(_ key: String) -> ConfigurationValue? { take(key) }

    // MARK: Tables

    /// A table inside this one, empty when it is not there. Asked for twice it is the same reader,
    /// so that two parts of a program can have their keys in one table.
    package func table(_ key: String) throws(ConfigurationError) -> ConfigurationReader {
        if let reader = inner[key] { return reader }
        var found: [String: ConfigurationValue] = [:]
        if let value = take(key) {
            guard case .table(let values) = value else { throw wrongType(key, "a table", value) }
            found = values
        }
        let reader = ConfigurationReader(
            file: file, path: path + [key], values: found, lines: lines)
        inner[key] = reader
        return reader
    }

    /// The keys of a table that maps names of any kind; all of them count as known.
    package func names() -> [String] {
        isMap = true
        return values.keys.sorted()
    }

    /// Tables under names of any kind.
    package func tables() throws(ConfigurationError) -> [(name: String, ConfigurationReader)] {
        var all: [(name: String, ConfigurationReader)] = []
        for name in names() { all.append((name, try table(name))) }
        return all
    }

    // MARK: Refusals

    /// Refuses the first key, in the order of the file, that nobody asked for.
    package func finish() throws(ConfigurationError) {
        if !isMap {
            let left = values.keys.filter { !known.contains($0) }.sorted {
                (line($0) ?? Int.max, $0) < (line($1) ?? Int.max, $1)
            }
            if let key = left.first {
                throw error(key, .unknownKey(known: known.sorted()))
            }
        }
        for (_, reader) in inner.sorted(by: { $0.key < $1.key }) { try reader.finish() }
    }

    /// An error about a key of this table, for what only its reader can judge.
    package func invalid(_ key: String, _ why: String) -> ConfigurationError {
        error(key, .invalid(why))
    }

    private func take(_ key: String) -> ConfigurationValue? {
        known.insert(key)
        return values[key]
    }

    private func wrongType(
        _ key: String, _ expected: String, _ found: ConfigurationValue
    ) -> ConfigurationError {
        error(key, .wrongType(expected: expected, found: found.typeName))
    }

    private func error(
        _ key: String, _ problem: ConfigurationError.Problem
    ) -> ConfigurationError {
        ConfigurationError(
            file: file, line: line(key), key: (path + [key]).joined(separator: "."),
            problem: problem)
    }

    private func line(_ key: String) -> Int? { lines.line(of: key, in: path) }
}

/// Where keys stand in a TOML text. The parser keeps no places, so they are looked up when there is
/// an error to report; a key written in an unusual way has none.
struct ConfigurationLines {
    private let text: String

    init(_ text: String) {
        self.text = text
    }

    /// The line, from 1, of a key in a table.
    func line(of key: String, in path: [String]) -> Int? {
        var current: [String] = []
        var number = 0
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            number += 1
            let line = line.drop { $0 == " " || $0 == "\t" }
            if line.hasPrefix("[") {
                let header = line.drop { $0 == "[" }.prefix { $0 != "]" }
                current = Self.words(header)
                if current == path + [key] { return number }
                continue
            }
            guard let equals = line.firstIndex(of: "=") else { continue }
            let words = current + Self.words(line[..<equals])
            if words.starts(with: path + [key]) { return number }
        }
        return nil
    }

    private static func words(_ dotted: Substring) -> [String] {
        dotted.split(separator: ".").map { word in
            String(word.filter { $0 != " " && $0 != "\t" && $0 != "\"" && $0 != "'" })
        }
    }
}
