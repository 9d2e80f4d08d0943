// A TOML document as plain values, so that reading a configuration is pure.

import Syscalls
import TOMLKit

package indirect enum ConfigurationValue: Equatable, Sendable {
    case string(String)
    case integer(Int)
    case float(Double)
    case boolean(Bool)
    case array([ConfigurationValue])
    case table([String: ConfigurationValue])
    /// A date or time: no key of ours has one.
    case time

    var typeName: String {
        switch self {
        case .string: "text"
        case .integer: "an integer"
        case .float: "a number with a fraction"
        case .boolean: "true or false"
        case .array: "a list"
        case .table: "a table"
        case .time: "a date or time"
        }
    }

    // LIMIT: 1 MiB of configuration, and 16 tables inside each other: far more than anyone writes.
    static let fileBytesMax = 1_048_576
    static let depthMax = 16

    /// Reads a TOML file.
    package static func read(
        file: String
    ) throws(ConfigurationError) -> (table: [String: ConfigurationValue], text: String) {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try File.readAll(file, limit: fileBytesMax)
        } catch {
            throw ConfigurationError(file: file, line: nil, key: "", problem: .unreadable(error))
        }
        let text = String(decoding: bytes, as: UTF8.self)
        guard Array(text.utf8) == bytes, !bytes.contains(0) else {
            throw ConfigurationError(
                file: file, line: nil, key: "", problem: .malformed("it is not UTF-8 text"))
        }
        return (try parse(text, file: file), text)
    }

    /// Parses TOML text; `file` is its name in errors.
    package static func parse(
        _ text: String, file: String
    ) throws(ConfigurationError) -> [String: ConfigurationValue] {
        if let line = TOMLGuard.fatalLine(in: text) {
            throw ConfigurationError(
                file: file, line: line, key: "",
                problem: .malformed("a name, a value or a time begins with what none can"))
        }
        let document: TOMLTable
        do {
            document = try TOMLTable(string: text)
        } catch {
            let parse = error as? TOMLParseError
            throw ConfigurationError(
                file: file, line: parse?.source.begin.line, key: "",
                problem: .malformed(parse?.description ?? "\(error)"))
        }
        guard let values = convert(document, depth: 0) else {
            throw ConfigurationError(
                file: file, line: nil, key: "",
                problem: .malformed("more than \(depthMax) tables inside each other"))
        }
        return values
    }

    private static func convert(
        _ table: TOMLTable, depth: Int
    ) -> [String: ConfigurationValue]? {
        guard depth < depthMax else { return nil }
        var values: [String: ConfigurationValue] = [:]
        for key in table.keys {
            guard let node = table[key], let value = convert(node, depth: depth + 1) else {
                return nil
            }
            values[key] = value
        }
        return values
    }

    private static func convert(
        _ node: any TOMLValueConvertible, depth: Int
    ) -> ConfigurationValue? {
        guard depth < depthMax else { return nil }
        switch node.type {
        case .string: return node.string.map(ConfigurationValue.string)
        case .int: return node.int.map(ConfigurationValue.integer)
        case .double: return node.double.map(ConfigurationValue.float)
        case .bool: return node.bool.map(ConfigurationValue.boolean)
        case .date, .time, .dateTime: return .time
        case .table:
            return node.table.flatMap { convert($0, depth: depth) }.map(ConfigurationValue.table)
        case .array:
            guard let array = node.array else { return nil }
            var values: [ConfigurationValue] = []
            for element in array {
                guard let value = convert(element, depth: depth + 1) else { return nil }
                values.append(value)
            }
            return .array(values)
        }
    }
}
