// What Landlock leaves of the file system, looked at from a thread that gave the rest away: it takes from
// one thread alone.

import Synchronization
import Syscalls
import Testing

@Suite("Landlock")
struct LandlockTests {
    private enum Attempt: String, CaseIterable {
        case make, write, replace, read, list, leave, makeDirectory, elsewhere, link
    }

    /// What each attempt failed with; `.success` for none.
    private func attempts(
        in path: String, _ confine: @escaping @Sendable (borrowing Descriptor) throws(Errno) -> Void
    ) throws -> [Attempt: Int32] {
        let codes = Mutex<[Attempt: Int32]>([:])
        let thread = try Thread(name: "confined") {
            do throws(Errno) {
                let directory = try File.open(path, .path, [.directory])
                try Process.setNoNewPrivileges()
                try confine(directory)
                for attempt in Attempt.allCases {
                    let code = Self.code(of: attempt, directory)
                    codes.withLock { $0[attempt] = code }
                }
            } catch {
                codes.withLock { $0 = [.make: error.code] }
            }
        }
        thread.join()
        return codes.withLock { $0 }
    }

    private static func code(of attempt: Attempt, _ directory: borrowing Descriptor) -> Int32 {
        do throws(Errno) {
            switch attempt {
            case .make: _ = try File.open(at: directory, "new", .writeOnly, [.create, .truncate])
            case .write: _ = try File.open(at: directory, "old", .writeOnly, [.truncate])
            case .replace: try File.rename(at: directory, "new", to: directory, "old")
            case .read: _ = try File.open(at: directory, "old")
            case .list: _ = try File.open(at: directory, ".", .readOnly, [.directory])
            case .leave: _ = try File.open(at: directory, "..", .readOnly, [.directory])
            case .makeDirectory: try File.makeDirectory(at: directory, "folder", mode: 0o700)
            case .elsewhere: _ = try File.open("/etc/passwd")
            case .link: try File.symlink("/", at: directory, "link")
            }
            return 0
        } catch {
            return error.code
        }
    }

    @Test("Who may write in one directory makes and replaces plain files there, and nothing else")
    func toWriting() throws {
        let directory = try TemporaryDirectory()
        _ = try directory.write("old", "content")
        let codes = try attempts(in: directory.path) { folder throws(Errno) in
            try Landlock.confine(toWriting: folder)
        }
        let isThere = Landlock.version > 0
        for attempt in Attempt.allCases {
            switch attempt {
            case .make, .write, .replace: #expect(codes[attempt] == 0, "\(attempt)")
            default:
                #expect(codes[attempt] == (isThere ? Errno.access.code : 0), "\(attempt)")
            }
        }
    }

    @Test("Who may do with a tree what it likes reads, writes and makes there as before")
    func root() throws {
        let directory = try TemporaryDirectory()
        _ = try directory.write("old", "content")
        let codes = try attempts(in: directory.path) { _ throws(Errno) in
            try Landlock.confine(root: try File.open("/", .path, [.directory]), terminals: nil)
        }
        #expect(codes.values.allSatisfy { $0 == 0 } && codes.count == Attempt.allCases.count)
    }
}
