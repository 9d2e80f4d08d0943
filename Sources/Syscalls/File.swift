// Opening files, by path or relative to an open directory. Everything opened is close-on-exec and
// never becomes a controlling terminal.

import CShim
import Glibc

package enum File {
    package enum Access: Sendable {
        case readOnly, writeOnly, readWrite
        /// A name for the file that can be used in `at:` calls and nothing else.
        case path

        var flag: Int32 {
            switch self {
            case .readOnly: O_RDONLY
            case .writeOnly: O_WRONLY
            case .readWrite: O_RDWR
            case .path: celaut_o_path
            }
        }
    }

    package struct Options: OptionSet, Sendable {
        package let rawValue: Int32
        package init(rawValue: Int32) { self.rawValue = rawValue }

        package static let create = Options(rawValue: O_CREAT)
        package static let exclusive = Options(rawValue: O_EXCL)
        package static let truncate = Options(rawValue: O_TRUNC)
        package static let append = Options(rawValue: O_APPEND)
        package static let directory = Options(rawValue: celaut_o_directory)
        package static let noFollow = Options(rawValue: celaut_o_nofollow)
        package static let nonBlocking = Options(rawValue: O_NONBLOCK)
        package static let noAccessTime = Options(rawValue: celaut_o_noatime)
        /// A file without a name in the directory that is opened; see `File.linkUnnamed`.
        package static let unnamed = Options(rawValue: celaut_o_tmpfile)
    }

    /// How far a path may lead (openat2).
    package struct Resolve: OptionSet, Sendable {
        package let rawValue: UInt64
        package init(rawValue: UInt64) { self.rawValue = rawValue }

        /// Nothing above the directory may be reached, by `..` or by a link.
        package static let beneath = Resolve(rawValue: celaut_resolve_beneath)
        /// The directory is the root: `..` and absolute links stay inside.
        package static let inRoot = Resolve(rawValue: celaut_resolve_in_root)
        package static let noSymlinks = Resolve(rawValue: celaut_resolve_no_symlinks)
        package static let noMagicLinks = Resolve(rawValue: celaut_resolve_no_magiclinks)
        package static let noOtherMount = Resolve(rawValue: celaut_resolve_no_xdev)
    }

    package static func open(
        _ path: String, _ access: Access = .readOnly, _ options: Options = [],
        mode: UInt32 = 0o600
    ) throws(Errno) -> Descriptor {
        try open(rawDirectory: celaut_at_fdcwd, path, access, options, mode)
    }

    package static func open(
        at directory: borrowing Descriptor, _ path: String, _ access: Access = .readOnly,
        _ options: Options = [], mode: UInt32 = 0o600
    ) throws(Errno) -> Descriptor {
        try open(rawDirectory: directory.raw, path, access, options, mode)
    }

    /// Opens without leaving what `resolve` allows.
    package static func open(
        at directory: borrowing Descriptor, _ path: String, resolve: Resolve,
        _ access: Access = .readOnly, _ options: Options = [], mode: UInt32 = 0o600
    ) throws(Errno) -> Descriptor {
        try Call.checkName(path)
        // openat2 refuses O_NOCTTY where only a name is asked for.
        let noTerminal = access == .path ? 0 : O_NOCTTY
        let flags = UInt64(access.flag | options.rawValue | O_CLOEXEC | noTerminal)
        let needsMode = !options.isDisjoint(with: [.create]) || options.contains(.unnamed)
        let raw = directory.raw
        // LIMIT: 64 tries. A rename elsewhere raced with the look-up of `..`, and the kernel asks to
        // try again; who renames that often does it on purpose, and gets `.again`.
        for _ in 1..<64 {
            do throws(Errno) {
                return try Call.descriptor {
                    // SAFETY: the path is a terminated string for the length of the call.
                    unsafe celaut_openat2(
                        raw, path, flags, needsMode ? UInt64(mode) : 0, resolve.rawValue)
                }
            } catch .again {
                continue
            }
        }
        throw .again
    }

    private static func open(
        rawDirectory: Int32, _ path: String, _ access: Access, _ options: Options, _ mode: UInt32
    ) throws(Errno) -> Descriptor {
        try Call.checkName(path)
        let flags = access.flag | options.rawValue | O_CLOEXEC | O_NOCTTY
        // SAFETY: the path is a terminated string for the length of the call.
        return try Call.descriptor { unsafe celaut_openat(rawDirectory, path, flags, mode) }
    }
}
