// The files of this checkout: what git tracks, plus what it would track. Falls back on a walk where
// there is no git, as in an unpacked release.

import Foundation

enum Repository {
    static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Read once; every text file that a rule may look at.
    static let files: [SourceText] = paths().compactMap { path in
        let url = root.appending(path: path)
        guard let bytes = try? Data(contentsOf: url), bytes.count < 4 << 20,
            let text = String(bytes: bytes, encoding: .utf8)
        else { return nil }
        return SourceText(path: path, text: text)
    }

    /// Names tracked by git; nil where there is no git.
    static let tracked: [String]? = git("ls-files")

    private static func paths() -> [String] {
        guard let known = git("ls-files", "--cached", "--others", "--exclude-standard") else {
            return walk()
        }
        return Set(known).sorted()
    }

    private static func walk() -> [String] {
        let skipped = [".build", ".git"]
        let prefix = root.path(percentEncoded: false)
        guard let walker = FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)
        else { return [] }
        var found: [String] = []
        for case let url as URL in walker {
            if skipped.contains(url.lastPathComponent) {
                walker.skipDescendants()
            } else {
                found.append(String(url.path(percentEncoded: false).dropFirst(prefix.count)))
            }
        }
        return found.sorted()
    }

    private static func git(_ arguments: String...) -> [String]? {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments =
            ["git", "-c", "safe.directory=*", "-C", root.path(percentEncoded: false)] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { return nil }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
