import Syscalls

/// The files that writable layers lie in. Each is an ext4 without a journal, made once per size and
/// then copied: only the blocks that hold something, a few hundred kilobytes.
///
/// Keeps true: an instance's file has no name, so that it is gone with its last user whatever
/// happens, and there is nothing to sweep. Its journal is missing because it never outlives a crash.
struct DiskImages: Sendable {
    let directory: String
    /// The program that makes a file system.
    let maker: String

    // LIMIT: bytes a size is rounded up to, so that there are few sizes.
    private static let unitBytes: UInt64 = 1 << 20
    // LIMIT: templates kept; past it all are made anew when asked for.
    private static let templatesMax = 64

    /// What every layer begins with.
    private var skeleton: String { "\(directory)/skeleton" }

    init(directory: String, maker: String) throws(Errno) {
        self.directory = directory
        self.maker = maker
        try File.makeDirectories(directory, mode: 0o700)
    }

    /// The bytes of the file for what an instance may write: the file system's own tables come on top.
    static func imageBytes(for diskBytes: UInt64) -> UInt64 {
        let whole = diskBytes + diskBytes / 48 + 2 * unitBytes
        return (whole + unitBytes - 1) / unitBytes * unitBytes
    }

    /// A fresh file system in a file without a name. Blocks: call on a worker thread.
    func make(diskBytes: UInt64) throws(DiskFailure) -> SharedDescriptor {
        let bytes = Self.imageBytes(for: diskBytes)
        let path = "\(directory)/\(bytes).ext4"
        if !File.exists(path) { try makeTemplate(path, bytes) }
        do throws(Errno) {
            let template = try File.open(path)
            let copy = try File.open(directory, .readWrite, [.unnamed])
            try File.copySparse(from: template, to: copy)
            return SharedDescriptor(copy)
        } catch {
            throw DiskFailure(subject: "disk image", errno: error)
        }
    }

    private func makeTemplate(_ path: String, _ bytes: UInt64) throws(DiskFailure) {
        let temporary = "\(path).\(Random.integer())"
        do throws(Errno) {
            try forgetOldTemplates()
            for name in ["upper", "work"] { try File.makeDirectories("\(skeleton)/\(name)") }
            let file = try File.open(temporary, .readWrite, [.create, .exclusive])
            try File.setSize(file, bytes: bytes)
        } catch {
            throw DiskFailure(subject: "disk template", errno: error)
        }
        defer { try? File.remove(temporary) }
        // Fixed ids: the order of names in a directory depends on the seed.
        var plan = SpawnPlan(
            path: maker,
            arguments: [
                "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-i", "16384",
                "-m", "0",
                "-O",
                "none,extent,dir_index,filetype,flex_bg,sparse_super,large_file,huge_file,"
                    + "dir_nlink,extra_isize",
                "-U", "00000000-0000-4000-8000-000000000001",
                "-E",
                "lazy_itable_init=1,nodiscard,"
                    + "hash_seed=00000000-0000-4000-8000-000000000002",
                "-d", skeleton, temporary,
            ])
        plan.environment = ["E2FSPROGS_FAKE_TIME=1"]
        plan.give(standardStream: 2, as: 2)
        let status: ExitStatus?
        do throws(SpawnFailure) {
            let pid = try Process.spawn(plan)
            status = try? Process.wait(pid: pid)
        } catch {
            throw DiskFailure(subject: "\(maker): \(error.step)", errno: error.errno)
        }
        guard status == .exited(0) else { throw DiskFailure(subject: maker, errno: .invalid) }
        let sparse = "\(temporary).sparse"
        defer { try? File.remove(sparse) }
        do throws(Errno) {
            // Without the zeros that mke2fs wrote: a sixty-fourth of the size, in each copy again.
            try File.copySparse(
                from: try File.open(temporary),
                to: try File.open(sparse, .readWrite, [.create, .exclusive]))
            try File.rename(sparse, to: path)
        } catch {
            throw DiskFailure(subject: "disk template", errno: error)
        }
    }

    private func forgetOldTemplates() throws(Errno) {
        let held = try Directory.open(directory)
        var names: [String] = []
        try Directory.forEach(held) { entry in
            names.append(entry.name)
            return true
        }
        guard names.count >= Self.templatesMax else { return }
        for name in names where name.hasSuffix(".ext4") { try? File.remove(at: held, name) }
    }
}

struct DiskFailure: Error, Sendable {
    let subject: String
    let errno: Errno
}
