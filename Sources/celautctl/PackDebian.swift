import ServiceModel
import SharedCrypto
import Syscalls

/// Makes a tree of Debian packages: resolved by apt, unpacked without running their scripts.
///
/// Keeps true: the machine's own apt and dpkg are not touched, only their sources and keys are read;
/// a package goes in only with the digest that the lock, or Debian's signed index, has for it.
package struct PackDebian {
    let names: [String]
    let essential: Bool
    /// "linux/amd64".
    let architecture: String
    /// As the packages have them; who is not root cannot give files away.
    let keepsOwners: Bool
    let tool: PackTool

    private static let architectures = ["linux/amd64": "amd64", "linux/arm64": "arm64"]

    /// What apt keeps and what was downloaded, for the next pack: digests name the files.
    private let cache: String
    private let debian: String

    init(
        _ names: [String], essential: Bool, architecture: String, keepsOwners: Bool,
        _ tool: PackTool
    ) throws(Complaint) {
        guard let debian = Self.architectures[architecture] else {
            throw Complaint(
                "Debian packages for \"\(architecture)\" are not known here.",
                hint: "Known are linux/amd64 and linux/arm64.", code: .invalidInput)
        }
        _ = try PackTool.need("apt-get", package: "apt", for: "A list of Debian packages")
        _ = try PackTool.need("dpkg-deb", package: "dpkg", for: "A list of Debian packages")
        self.names = names
        self.essential = essential
        self.architecture = architecture
        self.keepsOwners = keepsOwners && Process.effectiveUID == 0
        self.tool = tool
        self.debian = debian
        cache = Self.cache(
            of: Process.effectiveUID, home: Process.environment("HOME"),
            cacheHome: Process.environment("XDG_CACHE_HOME"))
    }

    /// Where a user's downloads are. A variable that is no absolute path says nothing (XDG Base Directory
    /// Specification, "Environment variables").
    package static func cache(of user: UInt32, home: String?, cacheHome: String?) -> String {
        func absolute(_ path: String?) -> String? { path?.first == "/" ? path : nil }
        let base =
            absolute(cacheHome) ?? absolute(home).map { "\($0)/.cache" }
            ?? "/var/tmp/celaut-\(user)"
        return "\(base)/celaut/debian"
    }

    /// Makes the tree in a folder.
    ///
    /// - Parameter lockPath: of the project's lock file.
    func make(_ tree: String, lockPath: String, update: Bool) throws(Complaint) {
        let turn = try takeTurn()
        try unpack(try lock(lockPath, update: update), to: tree)
        _ = consume turn
    }

    /// apt's state and the downloads are for one pack at a time.
    private func takeTurn() throws(Complaint) -> Descriptor {
        do throws(Errno) {
            try File.makeDirectories(cache, mode: 0o755)
            let file = try File.open("\(cache)/turn", .writeOnly, .create)
            let never = try Pipe()
            while try !File.lock(file) {
                tool.progress.show("waiting for another pack's Debian packages")
                _ = try File.waitReadable(never.reading, milliseconds: Self.patience)
            }
            return file
        } catch {
            throw Complaint(
                "\(cache) cannot be used: \(error).",
                hint: "Name a folder with room in XDG_CACHE_HOME.", code: .cannotMake)
        }
    }

    // LIMIT: how often somebody else's turn is asked for, in milliseconds.
    private static let patience: Int32 = 200

    /// The packages' files: those of the lock where it is for this list, those that apt chooses
    /// otherwise.
    private func lock(_ path: String, update: Bool) throws(Complaint) -> DebianLock {
        if !update, let lock = try DebianLock.read(path), lock.asked == names,
            lock.essential == essential, lock.architecture == debian
        {
            return lock
        }
        try readIndex()
        let lock = try resolve()
        if !lock.write(path) {
            tool.progress.note(
                "\(path) cannot be written: the next pack may choose other versions.")
        }
        return lock
    }

    /// Unpacks the packages of a lock into a folder.
    private func unpack(_ lock: DebianLock, to tree: String) throws(Complaint) {
        try fetch(lock)
        try makeFrame(tree)
        for entry in lock.packages {
            try tool.run(
                [
                    "/bin/sh", "-c", Self.unpacking, "sh", file(entry), tree,
                    keepsOwners ? "--same-owner" : "--no-same-owner",
                ],
                doing: "unpacking \(entry.name)")
        }
        try closeFrame(tree)
    }

    /// The scripts of a package are not in this part of it. A directory of a package does not
    /// replace a link of the frame.
    private static let unpacking = """
        set -e
        dpkg-deb --fsys-tarfile "$1" >"$1.tar.$$" || { rm -f "$1.tar.$$"; exit 1; }
        tar -x --keep-directory-symlink "$3" --numeric-owner -p -C "$2" -f "$1.tar.$$" || code=$?
        rm -f "$1.tar.$$"
        exit "${code-0}"
        """

    // MARK: Choosing

    private func resolve() throws(Complaint) -> DebianLock {
        let hint = "Check the names: apt-cache search NAME. Debian's sources are this machine's."
        let patterns = essential ? ["?essential"] : []
        let plan: [UInt8]
        do throws(Complaint) {
            plan = try apt(
                ["-s", "-y", "install", "--"] + names + patterns, doing: "resolving packages",
                hint: hint)
        } catch {
            throw DebianPackage.explained(error)
        }
        // "Inst name (version origin [architecture])"
        let chosen = String(decoding: plan, as: UTF8.self).split(separator: "\n").compactMap {
            line -> String? in
            let words = line.split(separator: " ")
            guard words.count >= 3, words[0] == "Inst", words[2].hasPrefix("(") else { return nil }
            return "\(words[1].prefix { $0 != ":" })=\(words[2].dropFirst())"
        }
        let records = try apt(
            ["--no-all-versions", "show", "--"] + chosen, program: "apt-cache",
            doing: "resolving packages")
        let packages = DebianPackage.read(String(decoding: records, as: UTF8.self))
        let asked = names.map { String($0.prefix { $0 != "=" }) }
        let needed = DebianPackage.needed(
            by: asked, among: packages, withEssential: essential)
        guard asked.allSatisfy({ name in needed.contains { $0.isCalled(name) } }) else {
            throw Complaint(
                "apt did not choose all of \(names.joined(separator: ", ")).", hint: hint,
                code: .invalidInput)
        }
        return DebianLock(
            asked: names, essential: essential, architecture: debian,
            packages: needed.map {
                .init(
                    name: $0.name, version: $0.version, architecture: $0.architecture,
                    sha256: $0.sha256, bytes: $0.bytes)
            })
    }

    // MARK: Fetching

    private func file(_ entry: DebianLock.Entry) -> String { "\(cache)/\(entry.sha256).deb" }

    private func fetch(_ lock: DebianLock) throws(Complaint) {
        let missing = lock.packages.filter { (try? digest(file($0))) != $0.sha256 }
        guard !missing.isEmpty else { return }
        if !hasIndex { try readIndex() }
        let folder = try tool.scratch.folder("packages")
        let bytes = missing.reduce(0) { $0 + $1.bytes }
        let names = missing.map { "\($0.name):\($0.architecture)=\($0.version)" }
        let doing = "downloading \(missing.count) packages, \(Words.bytes(bytes))"
        do throws(Complaint) {
            try apt(["download", "--"] + names, doing: doing, directory: folder)
        } catch {
            // The index may be older than the lock.
            try readIndex()
            try apt(
                ["download", "--"] + names, doing: doing,
                hint: "Debian may have newer versions only: choose again with --update.",
                directory: folder)
        }
        try keep(missing, from: folder)
    }

    /// What apt cannot fetch it only warns of, and goes on with the lists of an earlier day.
    private func readIndex() throws(Complaint) {
        try apt(["update"], doing: "reading Debian's index")
        let warnings = tool.complaints.filter { $0.hasPrefix("W: Failed to fetch") }
        guard !warnings.isEmpty else { return }
        guard hasIndex else {
            throw Complaint(
                "Debian's index cannot be read, and there is none of an earlier day.",
                hint: "Check the network and the machine's sources: apt-get update.",
                lines: warnings, code: .unavailable)
        }
        tool.progress.note(
            "Not all of Debian's index could be read: there may be newer packages than are known.")
    }

    /// Whether apt's own state has lists of packages, be they of today or not.
    private var hasIndex: Bool {
        guard let lists = try? Directory.open("\(cache)/apt-\(debian)/lists"),
            let entries = try? Directory.list(lists)
        else { return false }
        return entries.contains { $0.name.contains("_Packages") }
    }

    /// Moves what was downloaded to its place by digest.
    private func keep(
        _ entries: [DebianLock.Entry], from folder: String
    ) throws(Complaint) {
        do throws(Errno) {
            for found in try Directory.list(try Directory.open(folder)) {
                let path = "\(folder)/\(found.name)"
                let digest = try digest(path)
                guard entries.contains(where: { $0.sha256 == digest }) else { continue }
                let place = "\(cache)/\(digest).deb"
                let source = try File.open(path)
                let target = try File.open(place + ".new", .writeOnly, [.create, .truncate])
                _ = try File.copy(
                    from: source, to: target, bytes: try File.status(source).sizeBytes)
                try File.rename(place + ".new", to: place)
            }
        } catch {
            throw Complaint("\(cache) cannot be written: \(error).", code: .cannotMake)
        }
        if let entry = entries.first(where: { !File.exists(file($0)) }) {
            throw Complaint(
                "\(entry.name) \(entry.version) does not have the digest of the lock.",
                hint: "Choose again with --update, and look at what changed.",
                code: .invalidInput)
        }
    }

    private func digest(_ path: String) throws(Errno) -> String {
        let file = try File.open(path)
        var hash = SHA256()
        var buffer = [UInt8](repeating: 0, count: 262_144)
        while true {
            let count = try File.read(file, into: &buffer)
            if count == 0 { break }
            hash.update(data: buffer[..<count])
        }
        return Words.hex(hash.finalize())
    }

    // MARK: The frame

    /// What every Debian system has before its first package: the links of a merged /usr, and the
    /// directories that a system mounts on.
    private static let merged = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"]

    private func makeFrame(_ tree: String) throws(Complaint) {
        do throws(Errno) {
            let root = try Directory.open(tree)
            for name in Self.merged {
                try File.makeDirectories("\(tree)/usr/\(name)", mode: 0o755)
                try File.symlink("usr/\(name)", at: root, name)
            }
            for name in ["dev", "proc", "run", "sys", "tmp"] {
                try File.makeDirectories("\(tree)/\(name)", mode: 0o755)
            }
            try File.setMode("\(tree)/tmp", 0o1777)
        } catch {
            throw Complaint("\(tree) cannot be made: \(error).", code: .cannotMake)
        }
    }

    /// Links that lead to nothing go again.
    private func closeFrame(_ tree: String) throws(Complaint) {
        for name in Self.merged where (try? File.removeDirectory("\(tree)/usr/\(name)")) != nil {
            try? File.remove("\(tree)/\(name)")
        }
    }

    // MARK: apt

    /// Runs apt on a state of its own, in which nothing is installed.
    @discardableResult
    private func apt(
        _ words: [String], program: String = "apt-get", doing: String, hint: String = "",
        directory: String? = nil
    ) throws(Complaint) -> [UInt8] {
        let state = "\(cache)/apt-\(debian)"
        do throws(Errno) {
            try File.makeDirectories("\(state)/lists/partial", mode: 0o755)
            try File.makeDirectories("\(state)/archives/partial", mode: 0o755)
            _ = try File.open("\(state)/status", .writeOnly, [.create, .truncate])
        } catch {
            throw Complaint(
                "\(state) cannot be made: \(error).",
                hint: "Name a folder with room in XDG_CACHE_HOME.", code: .cannotMake)
        }
        let options = [
            "Dir::State=\(state)", "Dir::State::Lists=\(state)/lists",
            "Dir::State::status=\(state)/status",
            "Dir::State::extended_states=\(state)/extended_states", "Dir::Cache=\(state)",
            "Dir::Cache::archives=\(state)/archives", "APT::Architecture=\(debian)",
            "APT::Architectures::=\(debian)", "APT::Install-Recommends=false",
            "APT::Sandbox::User=\(Process.effectiveUID == 0 ? "root" : "")",
            "Acquire::Languages=none", "Debug::NoLocking=true", "Dpkg::Use-Pty=false",
        ].flatMap { ["-o", $0] }
        return try tool.run(
            ["/usr/bin/\(program)", "-q"] + options + words, doing: doing, directory: directory,
            hint: hint)
    }
}
