import Syscalls

/// What a maintainer adds to the configuration of a foreground node: a folder with a `<daemon>.toml`
/// for each daemon that has something to be said.
///
/// Refuses what `up` decides itself: where the state and the sockets are, and who may call whom.
package struct OwnConfiguration {
    // LIMIT: a policy with some thousand endpoints; a daemon takes no more either.
    private static let bytesMax = 1 << 20

    /// By daemon; none where nothing was added.
    private var texts: [String: String] = [:]

    package init() {}

    package init(folder: String) throws(Complaint) {
        do throws(Errno) {
            for entry in try Directory.list(Directory.open(folder)) {
                guard entry.name.hasSuffix(".toml") else { continue }
                let path = "\(folder)/\(entry.name)"
                texts[String(entry.name.dropLast(5))] = String(
                    decoding: try File.readAll(path, limit: Self.bytesMax), as: UTF8.self)
            }
        } catch {
            throw Complaint(
                "The configuration in \(folder) cannot be read: \(error).", code: .notFound)
        }
        guard texts.keys.contains(where: NodeLayout.daemons.contains) else {
            throw Complaint(
                "There is no configuration in \(folder).", hint: Self.whichFiles,
                code: .notFound)
        }
        for name in texts.keys.sorted() where !NodeLayout.daemons.contains(name) {
            throw Complaint(
                "\(folder)/\(name).toml is for no daemon.", hint: Self.whichFiles,
                code: .invalidInput)
        }
    }

    private static var whichFiles: String {
        "Known: " + NodeLayout.daemons.map { "\($0).toml" }.joined(separator: ", ") + "."
    }

    package init(_ texts: [String: String]) {
        self.texts = texts
    }

    /// What `up` writes and what was added, as one document. A table stands once in TOML: lines of one
    /// that both have are put together.
    package func added(to own: String, of daemon: String) throws(Complaint) -> String {
        guard let text = texts[daemon] else { return own }
        var parts = Parts(own)
        for (table, lines) in Parts(text).tables {
            let place = parts.tables.firstIndex { $0.name == table }
            if let place {
                let taken = Parts.keys(parts.tables[place].lines)
                if Self.closed.contains(table) {
                    throw Self.refusal(daemon, "[\(table)]")
                }
                for key in Parts.keys(lines) where taken.contains(key) {
                    throw Self.refusal(daemon, table.isEmpty ? key : "\(table).\(key)")
                }
                parts.tables[place].lines += lines
            } else {
                parts.tables.append((table, lines))
            }
        }
        return parts.text
    }

    /// Tables that `up` fills as a whole.
    private static let closed = ["callers", "peers"]

    private static func refusal(_ daemon: String, _ key: String) -> Complaint {
        Complaint(
            "\(daemon).toml says \(key), which up decides itself.",
            hint: "Take it out, or run the daemons with systemd, where all of it is yours.",
            code: .invalidInput)
    }

    /// A document cut at its table headers; what stands before the first has no name.
    private struct Parts {
        var tables: [(name: String, lines: [Substring])] = [("", [])]

        init(_ text: String) {
            for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
                if let name = Self.header(line) {
                    tables.append((name, []))
                } else {
                    tables[tables.count - 1].lines.append(line)
                }
            }
        }

        var text: String {
            var lines: [String] = []
            for table in tables {
                if !table.name.isEmpty { lines.append("[\(table.name)]") }
                lines += table.lines.map(String.init)
            }
            return lines.joined(separator: "\n") + "\n"
        }

        /// The name in "[name]". A line of a list has quotes or a comma; a list of tables is left
        /// where it is.
        private static func header(_ line: Substring) -> String? {
            let bare = line.prefix { $0 != "#" }.filter { !$0.isWhitespace }
            guard bare.hasPrefix("["), !bare.hasPrefix("[["), bare.hasSuffix("]") else {
                return nil
            }
            let name = bare.dropFirst().dropLast()
            guard !name.isEmpty, !name.contains(where: { $0 == "," || $0 == "[" }),
                name.first != "\"" || name.dropFirst().contains("\".")
            else { return nil }
            return String(name)
        }

        /// The keys that lines begin with.
        static func keys(_ lines: [Substring]) -> Set<String> {
            var keys: Set<String> = []
            for line in lines {
                let parts = line.split(separator: "=", maxSplits: 1)
                guard parts.count == 2, !line.hasPrefix("#") else { continue }
                keys.insert(String(parts[0].filter { !$0.isWhitespace && $0 != "\"" }))
            }
            return keys
        }
    }
}
