// This process: who it is, what it may use, how it ends.

import CShim
import Glibc

package enum Process {
    package static var pid: Int32 { getpid() }
    package static var parentPID: Int32 { getppid() }
    package static var uid: UInt32 { getuid() }
    package static var effectiveUID: UInt32 { geteuid() }
    package static var gid: UInt32 { getgid() }

    /// Ends at once, without the C library's exit handlers where `now`.
    package static func exit(_ code: Int32, now: Bool = false) -> Never {
        if now { _exit(code) }
        Glibc.exit(code)
    }

    package static func environment(_ name: String) -> String? {
        // SAFETY: the C library's string is copied at once; nothing here changes the environment
        // while threads run.
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }

    package static func setEnvironment(_ name: String, _ value: String?) {
        // SAFETY: both strings are copied by the call. To be called before threads are made.
        if let value { unsafe setenv(name, value, 1) } else { unsafe unsetenv(name) }
    }

    /// All of the environment, as NAME=value.
    package static func environment() -> [String] {
        var all: [String] = []
        // SAFETY: a null-terminated array of terminated strings that nobody changes meanwhile.
        guard var entry = unsafe celaut_environment() else { return [] }
        while let text = unsafe entry.pointee {
            all.append(unsafe String(cString: text))
            unsafe entry += 1
        }
        return all
    }

    /// The directory relative names start from.
    package static func currentDirectory() throws(Errno) -> String {
        String(decoding: try File.readLink("/proc/self/cwd"), as: UTF8.self)
    }

    /// The directory this program's file is in.
    package static func executableDirectory() throws(Errno) -> String {
        let path = String(decoding: try File.readLink("/proc/self/exe"), as: UTF8.self)
        return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? path
    }

    @discardableResult
    package static func setUmask(_ mask: UInt32) -> UInt32 { umask(mask) }

    /// Core dumps and inspection by other processes of the same user.
    package static func setDumpable(_ on: Bool) throws(Errno) {
        try Call.check { celaut_prctl(PR_SET_DUMPABLE, on ? 1 : 0, 0, 0, 0) }
    }

    /// Neither this process nor its children can gain privileges by exec. Cannot be undone.
    package static func setNoNewPrivileges() throws(Errno) {
        try Call.check { celaut_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }
    }

    package static func hasNoNewPrivileges() throws(Errno) -> Bool {
        try Call.check { celaut_prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) } == 1
    }

    /// Orphans below this process become its children.
    package static func setChildSubreaper() throws(Errno) {
        try Call.check { celaut_prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }
    }

    /// The signal this process gets when the thread that made it ends.
    package static func setParentDeathSignal(_ signal: Signal) throws(Errno) {
        try Call.check { celaut_prctl(PR_SET_PDEATHSIG, UInt(signal.number), 0, 0, 0) }
    }

    /// Gives root's or any other identity up for good, groups included.
    package static func become(uid: UInt32, gid: UInt32) throws(Errno) {
        try Call.check { setgroups(0, nil) }
        try Call.check { setresgid(gid, gid, gid) }
        try Call.check { setresuid(uid, uid, uid) }
    }

    package enum Resource: Sendable {
        case coreBytes, openFiles, processes, addressSpaceBytes, fileBytes, lockedBytes

        var number: Int32 {
            switch self {
            case .coreBytes: Int32(RLIMIT_CORE.rawValue)
            case .openFiles: Int32(RLIMIT_NOFILE.rawValue)
            case .processes: Int32(__RLIMIT_NPROC.rawValue)
            case .addressSpaceBytes: Int32(RLIMIT_AS.rawValue)
            case .fileBytes: Int32(RLIMIT_FSIZE.rawValue)
            case .lockedBytes: Int32(__RLIMIT_MEMLOCK.rawValue)
            }
        }
    }

    package struct Limit: Sendable, Equatable {
        /// UInt64.max: none.
        package var soft: UInt64
        package var hard: UInt64

        package init(soft: UInt64, hard: UInt64) {
            self.soft = soft
            self.hard = hard
        }
    }

    /// A limit of a process (0: this one), set where a new one is given.
    ///
    /// - Returns: the limit before.
    @discardableResult
    package static func limit(
        _ resource: Resource, of pid: Int32 = 0, set new: Limit? = nil
    ) throws(Errno) -> Limit {
        var old = rlimit()
        if let new {
            var value = rlimit(rlim_cur: rlim_t(new.soft), rlim_max: rlim_t(new.hard))
            // SAFETY: one local value is read and one filled, during the call.
            try Call.check { unsafe celaut_prlimit(pid, resource.number, &value, &old) }
        } else {
            // SAFETY: one local value is filled.
            try Call.check { unsafe celaut_prlimit(pid, resource.number, nil, &old) }
        }
        return Limit(soft: UInt64(old.rlim_cur), hard: UInt64(old.rlim_max))
    }

    /// Binds a process (0: this thread) to processors. At most 1,024.
    package static func setAffinity(_ processors: [Int], of pid: Int32 = 0) throws(Errno) {
        var words = [UInt64](repeating: 0, count: 16)
        for processor in processors where processor < 1_024 {
            words[processor / 64] |= 1 << UInt64(processor % 64)
        }
        // SAFETY: the mask is read during the call, 128 bytes of it.
        try Call.check {
            unsafe words.withUnsafeBufferPointer { mask in
                let address = UInt(bitPattern: mask.baseAddress)
                return celaut_syscall(
                    Int(SYS_sched_setaffinity), UInt(bitPattern: Int(pid)), 128, address, 0, 0, 0)
            }
        }
    }

    /// The processors this thread may use.
    package static func processorCount() -> Int { get_nprocs() == 0 ? 1 : Int(get_nprocs()) }

    /// Closes every descriptor from a number up that nobody here owns; only at the start, before
    /// anything is opened. Closed standard streams are opened to nothing, so that no descriptor of
    /// ours becomes one.
    package static func closeInherited(from first: Int32) throws(Errno) {
        try Call.check {
            celaut_syscall(
                Int(SYS_close_range), UInt(first), UInt(UInt32.max), 0, 0, 0, 0)
        }
        while true {
            let null = try File.open("/dev/null", .readWrite)
            if null.raw > 2 { return }
            _ = null.release()
        }
    }

    package static func send(_ signal: Signal, to pid: Int32) throws(Errno) {
        try Call.check { kill(pid, signal.number) }
    }

    /// Moves this process into the network or other namespace behind a descriptor.
    package static func enter(
        namespace descriptor: borrowing Descriptor, kind: Int32
    ) throws(Errno) {
        let raw = descriptor.raw
        try Call.check { setns(raw, kind) }
    }
}
