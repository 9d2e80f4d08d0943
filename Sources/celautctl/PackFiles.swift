import Syscalls

/// Which of a folder's files go in, as words for GNU tar.
///
/// Keeps true: the same files give the same archive whoever packs them: names in order, and neither
/// who made them nor when, unless that is asked for.
struct PackFiles {
    // LIMIT: what the kernel lets anybody have for a pipe (pipe-max-size as it comes).
    private static let pipeBytes = 1 << 20

    /// Paths from the folder; nil for all.
    var include: [String]?
    /// Patterns that match a path or the end of one at any depth.
    var ignore: [String] = []
    /// Owners and times go along: they are kept, or told of.
    var keepsAttributes = false

    var isWhole: Bool { include == nil && ignore.isEmpty }

    func words(_ folder: String) -> [String] {
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
        return words + ["-C", folder, "-cf", "-", "--"] + (include?.map { "./\($0)" } ?? ["."])
    }

    /// Starts tar into a pipe.
    ///
    /// - Returns: its pidfd.
    func archive(
        _ folder: String, into pipe: borrowing Descriptor
    ) throws(Errno) -> Descriptor {
        // Both sides wait less often; who may have no more has what there is.
        _ = try? Pipe.setCapacity(pipe, bytes: Self.pipeBytes)
        var plan = SpawnPlan(path: "/bin/tar", arguments: words(folder))
        plan.environment = ["PATH=/usr/bin:/bin", "LC_ALL=C"]
        plan.parentDeathSignal = .terminate
        plan.give(pipe, as: 1)
        plan.give(standardStream: 2, as: 2)
        let pid: Int32
        do throws(SpawnFailure) {
            pid = try Process.spawn(plan)
        } catch {
            throw error.errno
        }
        return try Pidfd.open(pid: pid)
    }

    /// Copies the files into another tree; a link to a directory there stays one.
    func copy(
        _ folder: String, to tree: String, _ tool: PackTool, doing: String
    ) throws(Complaint) {
        let pipe = try Self.pipe()
        let pidfd = try start(folder, into: pipe.writing)
        try tool.run(
            [
                "/bin/tar", "--keep-directory-symlink", "--numeric-owner", "--xattrs",
                "--xattrs-include=user.*", "-p", "-C", tree, "-xf", "-",
            ], doing: doing, input: pipe.keepReading())
        // tar warns only.
        guard !tool.said("extended attribute") else {
            throw Complaint(
                "\(tool.scratch.path) cannot hold the extended attributes of \(folder).",
                hint: "Name a folder in TMPDIR that can: on ext4, xfs, btrfs.", code: .cannotMake)
        }
        guard (try? Pidfd.wait(pidfd)) == .exited(0) else {
            throw Complaint(
                "tar could not read all of \(folder).", hint: "Its own message is above.",
                code: .invalidInput)
        }
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
    ) throws(Complaint) -> Descriptor {
        do throws(Errno) {
            return try archive(folder, into: pipe)
        } catch {
            throw Complaint("\(folder) cannot be read: \(error).", code: .notFound)
        }
    }
}
