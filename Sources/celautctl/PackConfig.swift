import ServiceModel
import Syscalls

/// What `pack_config.json` of a project says: the keys of other nodes (`include` to
/// `ignore_loadable_protobuf`), and ours (`debian` to `base_images`).
///
/// Keeps true: every key is honoured, or refused by its name with the reason.
package struct PackConfig {
    /// What of the project's own files goes in; nil for all.
    package var include: [String]?
    /// Patterns of what does not go in, wherever it comes from.
    package var ignore: [String] = []
    package var dependencies: [Dependency] = []
    /// Whether the ids of the dependencies are written for the service to read.
    package var writesDependencies = true
    /// Where in the tree the dependencies themselves are put; nil for nowhere.
    package var dependenciesFolder: String?
    package var debian: [String] = []
    package var debianEssential = false
    package var image: String?
    package var imageName = ""
    package var baseImages: [(name: String, layout: String)] = []

    package struct Dependency: Equatable {
        /// Empty where the dependencies are a list.
        package var name: String
        /// An id, or a path from the project's folder.
        package var source: String
    }

    // LIMIT: bytes of the file: lists of a few thousand patterns.
    private static let bytesMax = 1 << 20

    package init() {}

    package static func read(path: String) throws(Complaint) -> PackConfig {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try File.readAll(path, limit: bytesMax)
        } catch {
            throw Complaint("\(path) cannot be read: \(error).", code: .invalidInput)
        }
        return try PackConfig(bytes, path)
    }

    /// - Parameter path: what it is called in complaints.
    package init(_ bytes: [UInt8], _ path: String) throws(Complaint) {
        let document: JSONValue
        do throws(JSONError) {
            document = try JSONReader.read(bytes)
        } catch {
            throw Complaint(error, of: bytes, at: path)
        }
        guard case .object(let members) = document else {
            throw Complaint("\(path) is no JSON object.", code: .invalidInput)
        }
        let keys = PackKeys(path: path)
        var writes: Bool?
        for (key, value) in members {
            switch key {
            case "include": include = try keys.patterns(key, value)
            case "ignore": ignore = try keys.patterns(key, value)
            case "dependencies": dependencies = try keys.dependencies(value)
            case "dependencies_env": writes = try keys.bool(key, value)
            case "service_dependencies_directory":
                dependenciesFolder = try keys.folder(key, value)
            case "metadata_dependencies_directory", "blocks_directory":
                // A package has its metadata and its blocks in it: there is nothing to put there.
                _ = try keys.text(key, value)
            case "zip":
                if try keys.bool(key, value) { throw keys.zipped }
            case "ignore_loadable_protobuf":
                // Other nodes keep such a file beside a service; ours never do.
                _ = try keys.bool(key, value)
            case "debian": debian = try keys.packages(value)
            case "debian_essential": debianEssential = try keys.bool(key, value)
            case "image": image = try keys.text(key, value)
            case "image_name": imageName = try keys.text(key, value)
            case "base_images": baseImages = try keys.layouts(key, value)
            default: throw keys.unknown(key)
            }
        }
        if writes == true, dependencies.contains(where: { $0.name.isEmpty }) {
            throw keys.complaint(
                "dependencies_env", "needs names for the dependencies",
                "Write \"dependencies\" as an object: {\"NAME\": \"id or path\"}.")
        }
        writesDependencies = writes ?? true
    }
}

extension PackConfig {
    /// Patterns of a file that has one a line, as `ignore` takes them.
    static func patterns(_ lines: [String], in path: String) throws(Complaint) -> [String] {
        let trimmed = lines.map { line in
            String(
                line.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
        }
        return try PackKeys(path: path).patterns("ignore", trimmed)
    }
}

/// Reads the values of the file, and complains of them by key.
private struct PackKeys {
    let path: String

    static let known = [
        "include", "ignore", "dependencies", "dependencies_env", "service_dependencies_directory",
        "metadata_dependencies_directory", "blocks_directory", "zip", "ignore_loadable_protobuf",
        "debian", "debian_essential", "image", "image_name", "base_images",
    ]

    func complaint(_ key: String, _ what: String, _ hint: String = "") -> Complaint {
        Complaint("\"\(key)\" in \(path) \(what).", hint: hint, code: .invalidInput)
    }

    func unknown(_ key: String) -> Complaint {
        complaint(
            key, "is a key that is not known here",
            "Keys are refused, never dropped. Known are: \(Self.known.joined(separator: ", ")).")
    }

    var zipped: Complaint {
        complaint(
            "zip", "is not offered: a box stores equal contents once, and zipping would hide them",
            "Set it to false; the dependencies are then files of their own.")
    }

    func bool(_ key: String, _ value: JSONValue) throws(Complaint) -> Bool {
        guard case .bool(let bool) = value else {
            throw complaint(key, "must be true or false")
        }
        return bool
    }

    func text(_ key: String, _ value: JSONValue) throws(Complaint) -> String {
        guard case .string(let text) = value else { throw complaint(key, "must be a text") }
        return text
    }

    func texts(_ key: String, _ value: JSONValue) throws(Complaint) -> [String] {
        guard case .array(let values) = value else {
            throw complaint(key, "must be a list of texts")
        }
        var texts: [String] = []
        for value in values {
            guard case .string(let text) = value else {
                throw complaint(key, "must be a list of texts")
            }
            texts.append(text)
        }
        return texts
    }

    /// Paths or patterns inside the project.
    func patterns(_ key: String, _ value: JSONValue) throws(Complaint) -> [String] {
        try patterns(key, try texts(key, value))
    }

    func patterns(_ key: String, _ texts: [String]) throws(Complaint) -> [String] {
        var patterns: [String] = []
        // Patterns may have remarks among them, as in files of patterns; paths have none.
        let isRemarked = key == "ignore"
        for text in texts where !text.isEmpty && !(isRemarked && text.hasPrefix("#")) {
            guard !text.hasPrefix("!") else {
                throw complaint(key, "has \"\(text)\": exceptions are not offered")
            }
            var pattern = text[...]
            while pattern.hasSuffix("/") { pattern.removeLast() }
            while pattern.hasPrefix("./") { pattern.removeFirst(2) }
            guard !pattern.split(separator: "/").contains(".."), !pattern.isEmpty,
                key == "ignore" || !pattern.hasPrefix("/")
            else { throw complaint(key, "has \"\(text)\", which leads out of the project") }
            patterns.append(String(pattern))
        }
        return patterns
    }

    /// A folder of the tree.
    func folder(_ key: String, _ value: JSONValue) throws(Complaint) -> String? {
        let names = try text(key, value).split(separator: "/")
        guard !names.contains(".."), !names.contains(".") else {
            throw complaint(key, "leads out of the tree")
        }
        return names.isEmpty ? nil : names.joined(separator: "/")
    }

    func dependencies(_ value: JSONValue) throws(Complaint) -> [PackConfig.Dependency] {
        guard case .object(let members) = value else {
            return try texts("dependencies", value).map { .init(name: "", source: $0) }
        }
        var dependencies: [PackConfig.Dependency] = []
        for (name, value) in members {
            let isName =
                !name.isEmpty && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 61 }
            guard isName else {
                throw complaint("dependencies.\(name)", "is no name of a variable")
            }
            let source = try text("dependencies.\(name)", value)
            dependencies.append(.init(name: name, source: source))
        }
        return dependencies.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// Names of Debian packages, as policy 5.6.7 has them, with or without a version.
    func packages(_ value: JSONValue) throws(Complaint) -> [String] {
        let names = try texts("debian", value)
        for name in names {
            let parts = name.split(separator: "=", omittingEmptySubsequences: false)
            let letters = Set("abcdefghijklmnopqrstuvwxyz0123456789+-.".utf8)
            guard parts.count <= 2, let first = parts.first, first.utf8.count >= 2,
                // What ends with a minus is, for apt, to be removed.
                first.utf8.allSatisfy(letters.contains), first.last != "-",
                let start = first.first, start.isLetter || start.isNumber,
                parts.count == 1 || (!parts[1].isEmpty && !parts[1].contains(" "))
            else {
                throw complaint(
                    "debian", "has \"\(name)\", which is no name of a package",
                    "Write them as apt does: \"redis-server\" or \"redis-server=5:7.0.15-1\".")
            }
        }
        guard !names.isEmpty else { throw complaint("debian", "names no package") }
        return names
    }

    func layouts(
        _ key: String, _ value: JSONValue
    ) throws(Complaint) -> [(name: String, layout: String)] {
        guard case .object(let members) = value else {
            throw complaint(key, "must be an object: {\"name of FROM\": \"image layout\"}")
        }
        var layouts: [(name: String, layout: String)] = []
        for (name, value) in members {
            layouts.append((name, try text("\(key).\(name)", value)))
        }
        return layouts
    }
}
