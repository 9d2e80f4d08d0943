package import Syscalls

/// The 32 random bytes that tokens are derived from, in a file only this daemon can read.
///
/// Made once: the file appears under its name complete and durable, or not at all. Refuses a file
/// of another length and one that others may read; a lost secret voids every token, so it is never
/// silently replaced.
package enum NodeSecret {
    package static let byteCount = 32
    package static let fileName = "secret"

    package enum Failure: Error, Equatable, CustomStringConvertible {
        case unreadable(Errno)
        case wrongLength(Int)
        case readableByOthers(mode: UInt32)

        package var description: String {
            switch self {
            case .unreadable(let error): "secret: \(error)"
            case .wrongLength(let count): "secret: \(count) bytes, not \(NodeSecret.byteCount)"
            case .readableByOthers(let mode): "secret: mode \(String(mode, radix: 8)), not 600"
            }
        }
    }

    /// The secret of a state directory; made from `fresh` where there is none.
    ///
    /// - Parameter credentials: a directory of the service manager (systemd's
    ///   $CREDENTIALS_DIRECTORY); a secret in there is used instead, and nothing is made.
    package static func load(
        directory path: String, credentials: String? = nil, fresh: () -> [UInt8]
    ) throws(Failure) -> [UInt8] {
        // Who may read there is the service manager's care, and not always told by the mode.
        if let credentials, let given = try read(credentials, anyMode: true) { return given }
        if let known = try read(path) { return known }
        do throws(Errno) {
            try make(path, fresh())
        } catch {
            throw .unreadable(error)
        }
        guard let made = try read(path) else { throw .unreadable(.noEntry) }
        return made
    }

    private static func read(
        _ path: String, anyMode: Bool = false
    ) throws(Failure) -> [UInt8]? {
        let content: [UInt8]
        let mode: UInt32
        do throws(Errno) {
            let file = try File.open("\(path)/\(fileName)", .readOnly, [.noFollow])
            mode = try File.status(file).permissions
            content = try File.readAll(file, limit: 4_096)
        } catch .noEntry {
            return nil
        } catch {
            throw .unreadable(error)
        }
        guard anyMode || mode & 0o077 == 0 else { throw .readableByOthers(mode: mode) }
        guard content.count == byteCount else { throw .wrongLength(content.count) }
        return content
    }

    private static func make(_ path: String, _ secret: [UInt8]) throws(Errno) {
        let directory = try File.open(path, .readOnly, [.directory])
        let temporary = ".\(fileName).new"
        let file = try File.open(
            at: directory, temporary, .writeOnly, [.create, .truncate, .noFollow], mode: 0o600)
        try File.writeAll(file, secret)
        try File.sync(file)
        try File.rename(at: directory, temporary, to: directory, fileName)
        try File.sync(directory)
    }
}
