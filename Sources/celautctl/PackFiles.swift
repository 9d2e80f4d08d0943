import Syscalls

/// Which of a folder's files go in, as words for GNU tar.
///
/// Keeps true: the same files give the same archive whoever packs them: names in order, and neither
/// who made them nor when, unless that is asked for.
package struct PackFiles {
    // LIMIT: what the kernel lets anybody have for a pipe (pipe-max-size as it comes).
    static let pipeBytes = 1 << 20

    /// Paths from the folder; nil for all.
    package var include: [String]?
    /// Patterns that match a path or the end of one at any depth.
    package var ignore: [String] = []
    /// Owners and times go along: they are kept, or told of.
    package var keepsAttributes = false

    package init(include: [String]? = nil, ignore: [String] = []) {
        self.include = include
        self.ignore = ignore
    }

    var isWhole: Bool { include == nil && ignore.isEmpty }

    package func words(_ folder: String) -> [String] {
        var words = [
            "tar", "--format=pax", "--sort=name", "--numeric-owner", "--xattrs",
            // 64 KiB a write instead of 10: a third less work for tar, measured.
            "--blocking-factor=128",
        ]
        if !keepsAttributes { words += ["--owner=0", "--group=0", "--mtime=@0"] }
        if !ignore.isEmpty {
            words += ["--wildcards", "--no-wildcards-match-slash"]
            for pattern in ignore {
                words +=
                    pattern.hasPrefix("/")
                    ? ["--anchored", "--exclude=.\(pattern)"]
                    : ["--no-anchored", "--exclude=\(pattern)"]
            }
        }
        return words + ["-C", folder, "-cf", "-", "--"] + paths
    }

    /// What tar begins with.
    var paths: [String] { include?.map { "./\($0)" } ?? ["."] }

    /// Whether tar leaves a path out: its rules for the words above.
    package func ignores(_ path: String) -> Bool {
        ignore.contains { pattern in
            if pattern.hasPrefix("/") { return File.matches(".\(pattern)", path) }
            if File.matches(pattern, path) { return true }
            // From each name on the way.
            var rest = path.utf8[...]
            while let slash = rest.firstIndex(of: UInt8(ascii: "/")) {
                rest = rest[rest.index(after: slash)...]
                if File.matches(pattern, Substring(rest)) { return true }
            }
            return false
        }
    }

    /// Copies the files into another tree; a link to a directory there stays one.
    func copy(
        _ folder: String, to tree: String, _ tool: PackTool, doing: String
    ) throws(Complaint) {
        let pipe = try Self.pipe()
        let archiver = try start(folder, into: pipe.writing)
        // What is not kept is told of, too, where that is asked for and can be.
        let isTelling = keepsAttributes && Process.effectiveUID == 0
        let others = ["trusted.*", "security.capability", "system.posix_acl_*"]
        let attributes = ["user.*"] + (isTelling ? others : [])
        try tool.run(
            ["/bin/tar", "--keep-directory-symlink", "--numeric-owner", "--xattrs"]
                + attributes.map { "--xattrs-include=\($0)" } + ["-p", "-C", tree, "-xf", "-"],
            doing: doing, input: pipe.keepReading())
        // tar warns only.
        guard !tool.said("extended attribute") else {
            throw Complaint(
                "\(tool.scratch.path) cannot hold the extended attributes of \(folder).",
                hint: "Name a folder in TMPDIR that can: on ext4, xfs, btrfs.", code: .cannotMake)
        }
        if let complaint = archiver.end() { throw complaint }
    }

    private static func pipe() throws(Complaint) -> Pipe {
        do throws(Errno) {
            return try Pipe()
        } catch {
            throw Complaint("No pipe can be made: \(error).", code: .software)
        }
    }

    private func start(
        _ folder: String, into pipe: borrowing Descriptor
    ) throws(Complaint) -> Archiver {
        do throws(Errno) {
            return try Archiver(folder, self, into: pipe)
        } catch {
            throw Complaint("\(folder) cannot be read: \(error).", code: .notFound)
        }
    }
}
